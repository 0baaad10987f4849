"""Ctrl-C at any time: no traceback, exit code 130, also while Python is still importing and when all is over."""

import os
import subprocess
import sys

import pytest

from end_to_end.cli.shell import PATIENCE

#: Strikes its own process at the n-th import after Forebay began, or when the interpreter ends.
STRIKER = """
import atexit, os, signal, sys

number, seen = int(os.environ["STRIKE"]), [0]

def strike(event, args):
    if event != "import" or not (seen[0] or args[0].startswith("forebay.")):
        return
    seen[0] += 1
    if seen[0] == number + 1:
        os.kill(os.getpid(), signal.SIGINT)

sys.addaudithook(strike)
if number < 0:
    atexit.register(os.kill, os.getpid(), signal.SIGINT)
"""
WAYS = {
    "python -m forebay": [sys.executable, "-m", "forebay"],
    "forebay": [sys.executable, "-c", "import sys; from forebay_command import main; sys.exit(main())"],
}


def struck(shell, way, number, **options):
    (shell.folder / "sitecustomize.py").write_text(STRIKER)
    path = os.pathsep.join(filter(None, (str(shell.folder), os.environ.get("PYTHONPATH", ""))))
    return subprocess.run(
        [*WAYS[way], "queues"], cwd=shell.folder, env={**shell.env, "PYTHONPATH": path, "STRIKE": str(number)},
        capture_output=True, text=True, timeout=PATIENCE, check=False, **options,
    )  # fmt: skip


@pytest.mark.parametrize("way", WAYS)
def test_an_interrupt_at_any_import_ends_the_command_with_130_and_says_nothing(shell, way):
    shell.enqueue("greet", "you")
    assert (struck(shell, way, 10_000).returncode, struck(shell, way, 10_000).stderr) == (0, "")
    for number in (0, 1, 2, 3, 5, 10, 25, 50, 100, 150, 200, 250, 300, -1):
        done = struck(shell, way, number)
        assert (done.returncode, done.stderr.strip()) == (130, ""), (number, done)


def test_a_job_in_the_background_that_ignores_interrupts_goes_on_ignoring_them(shell):
    shell.enqueue("greet", "you")
    line = f"trap '' INT; exec {sys.executable} -m forebay queues"
    (shell.folder / "sitecustomize.py").write_text(STRIKER)
    for number in ("0", "100", "-1"):
        done = subprocess.run(
            ["sh", "-c", line], cwd=shell.folder,
            env={**shell.env, "PYTHONPATH": str(shell.folder), "STRIKE": number},
            capture_output=True, text=True, timeout=PATIENCE, check=False,
        )  # fmt: skip
        assert (done.returncode, "default" in done.stdout) == (0, True), done
