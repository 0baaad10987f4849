"""Starting with something wrong: one line that says what to do, and an exit code; never a fleet that pretends."""

import os
from pathlib import Path

import pytest

import starts

BROKEN = """
from forebay import Forebay
app = Forebay()
raise RuntimeError("no licence key")
"""
EMPTY = """
from forebay import Forebay
app = Forebay()
"""
CLASH = """
from forebay import Forebay
app = Forebay()
@app.task(name="same")
def one(): ...
@app.task(name="same")
def two(): ...
"""
FINE = """
from forebay import Forebay
app = Forebay()
@app.task
def task(): ...
"""


def start(folder: Path, app: str, *options: str, url: str = "sqlite:///queue.db", **env: str):
    (folder / "my_app.py").write_text(app)
    words = ["worker", "-A", "my_app:app", *options]
    return starts.run(words, folder, {**os.environ, "FOREBAY_URL": url, **env}, 60)


@pytest.mark.parametrize(
    ("app", "options", "code", "line"),
    [
        (
            BROKEN,
            ["-p", "2"],
            2,
            "app my_app:app cannot be imported: {folder}/my_app.py:4: RuntimeError: no licence key",
        ),
        ("def", [], 2, "cannot be imported: {folder}/my_app.py:1: SyntaxError"),
        ("import no_such_library", [], 2, "{folder}/my_app.py:1: ModuleNotFoundError: No module named"),
        ("raise SystemExit(1)", [], 2, "{folder}/my_app.py:1: SystemExit: 1"),
        (CLASH, [], 2, "two tasks are named 'same'"),
        (EMPTY, [], 2, "nothing to do: the app declares no task"),
        ("app = 1", [], 2, "my_app has no Forebay object named 'app'"),
        (FINE, ["-A", "no_app:app"], 2, "no module 'no_app'"),
        (FINE, ["-c", "0"], 2, "concurrency"),
    ],
)
def test_an_app_that_cannot_be_used_is_told_in_one_line(tmp_path, app, options, code, line):
    done = start(tmp_path, app, *options)
    assert done.returncode == code, done.stderr
    assert line.format(folder=tmp_path) in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1, done.stderr


def test_a_setting_that_makes_no_sense_is_told_in_one_line(tmp_path):
    done = start(tmp_path, FINE, FOREBAY_LEASE="soon")
    assert (done.returncode, len(done.stderr.strip().splitlines())) == (2, 1), done.stderr
    assert "FOREBAY_" in done.stderr
    assert "lease = 'soon'" in done.stderr


def test_an_engine_that_cannot_be_reached_is_exit_code_3(tmp_path):
    done = start(tmp_path, FINE, url="sqlite:////no/such/folder/queue.db")
    assert (done.returncode, len(done.stderr.strip().splitlines())) == (3, 1), done.stderr
    assert "there is no such folder" in done.stderr


def test_a_file_that_is_no_database_is_exit_code_3_and_stays_as_it_is(tmp_path):
    (tmp_path / "queue.db").write_text("a letter to my aunt\n" * 100)
    done = start(tmp_path, FINE)
    assert (done.returncode, len(done.stderr.strip().splitlines())) == (3, 1), done.stderr
    assert (tmp_path / "queue.db").read_text() == "a letter to my aunt\n" * 100


def test_debug_shows_the_traceback(tmp_path):
    done = start(tmp_path, BROKEN, FOREBAY_DEBUG="1")
    assert done.returncode != 0
    assert 'raise RuntimeError("no licence key")' in done.stderr


PATCHES_THE_LOOP = """
import asyncio
loop = asyncio.get_event_loop_policy().get_event_loop()
if not isinstance(loop, asyncio.BaseEventLoop):
    raise ValueError(f"Can't patch loop of type {type(loop)}")
from forebay import Forebay
app = Forebay()
@app.task
async def loop_of() -> str: return type(asyncio.get_running_loop()).__module__
"""


def test_an_app_that_can_do_with_pythons_own_loop_only_is_told_of_it_and_gets_it(tmp_path):
    pytest.importorskip("uvloop")
    refused = start(tmp_path, PATCHES_THE_LOOP)
    assert (refused.returncode, "--loop asyncio runs it on Python's own" in refused.stderr) == (2, True)
    served = start(tmp_path, PATCHES_THE_LOOP, "--loop", "asyncio", "--burst")
    assert (served.returncode, served.stderr.count("error")) == (0, 0)


def test_a_loop_that_is_not_installed_is_refused_if_asked_for_and_else_done_without(tmp_path):
    (tmp_path / "uvloop.py").write_text("raise ImportError('not here')")
    refused = start(tmp_path, FINE, "--loop", "uvloop", PYTHONPATH=str(tmp_path))
    assert (refused.returncode, "uvloop cannot be used here (not here): install it" in refused.stderr) == (2, True)
    assert start(tmp_path, FINE, "--burst", PYTHONPATH=str(tmp_path)).returncode == 0
