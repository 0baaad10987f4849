"""What a type checker says about an app: right calls pass, wrong ones are found before anything runs."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent


@pytest.fixture(scope="module")
def findings(tmp_path_factory):
    """What pyright, strict, finds in the two files beside this one: the numbers of the lines, by file."""
    folder = tmp_path_factory.mktemp("typing")
    for name in ("right_calls.py", "wrong_calls.py"):
        shutil.copy(HERE / name, folder)
    (folder / "pyrightconfig.json").write_text(json.dumps({"strict": ["."], "pythonVersion": "3.12"}))
    command = [sys.executable, "-m", "pyright", "--project", folder, "--pythonpath", sys.executable, "--outputjson"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=280)
    report = json.loads(done.stdout)
    assert report["summary"]["filesAnalyzed"] == 2, done.stderr
    found = [
        (Path(each["file"]).name, each["range"]["start"]["line"] + 1, each["message"])
        for each in report["generalDiagnostics"]
    ]
    return lambda name: {line: message for file, line, message in found if file == name}


def marked(name):
    """The numbers of the lines that end in the mark."""
    lines = (HERE / name).read_text("utf-8").splitlines()
    return {number for number, line in enumerate(lines, start=1) if line.endswith("# wrong")}


def test_right_calls_have_the_types_they_claim(findings):
    assert findings("right_calls.py") == {}


def test_every_wrong_call_is_found_and_nothing_else(findings):
    found = findings("wrong_calls.py")
    assert set(found) == marked("wrong_calls.py"), found
