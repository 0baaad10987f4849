"""Ctrl-C at any time: no traceback, exit code 130, also while Python is still importing and when all is over."""

import os
import subprocess
import sys

import pytest

from end_to_end.cli.shell import PATIENCE

#: Strikes its own process at those imports after Forebay began, or when the interpreter ends (-1). Where told to, it
#: strikes a copy of it in its place, and notes how that ended; but where there are threads, which no copy has.
STRIKER = """
import atexit, os, signal, sys

numbers, copies, seen = {*map(int, os.environ["STRIKE"].split())}, os.environ.get("COPIES"), [-1]

def strike(event, args):
    if event != "import" or not (seen[0] >= 0 or args[0].startswith("forebay.")):
        return
    seen[0] += 1
    if seen[0] in numbers and (not copies or alone() and copied(seen[0])):
        os.kill(os.getpid(), signal.SIGINT)

def alone():
    return len(sys._current_frames()) == 1

def copied(number):
    if (pid := os.fork()) == 0:
        numbers.clear()
        said = os.open(f"{copies}/said-{number}", os.O_CREAT | os.O_WRONLY)
        os.dup2(said, 1), os.dup2(said, 2)
        return True
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    with open(f"{copies}/code-{number}", "w") as file:
        file.write(str(code))

sys.addaudithook(strike)
if -1 in numbers:
    atexit.register(os.kill, os.getpid(), signal.SIGINT)
"""
WAYS = {
    "python -m forebay": [sys.executable, "-m", "forebay"],
    "forebay": [sys.executable, "-c", "import sys; from forebay_command import main; sys.exit(main())"],
}


def struck(shell, way, numbers, **env):
    (shell.folder / "sitecustomize.py").write_text(STRIKER)
    path = os.pathsep.join(filter(None, (str(shell.folder), os.environ.get("PYTHONPATH", ""))))
    done = subprocess.run(
        [*way, "queues"], cwd=shell.folder,
        env={**shell.env, "PYTHONPATH": path, "STRIKE": " ".join(map(str, numbers)), **env},
        capture_output=True, text=True, timeout=PATIENCE, check=False,
    )  # fmt: skip
    return done.returncode, done.stdout, done.stderr.strip()


@pytest.mark.parametrize("way", WAYS)
def test_an_interrupt_at_any_import_ends_the_command_with_130_and_says_nothing(shell, way):
    shell.enqueue("greet", "you")
    copies = shell.folder / "copies"
    copies.mkdir()
    numbers = [*range(10), *range(10, 400, 10)]
    code, said, error = struck(shell, WAYS[way], numbers, COPIES=str(copies))
    assert (code, "default" in said, error) == (0, True, "")
    ends = {int(path.name[5:]): path.read_text() for path in copies.glob("code-*")}
    assert len(ends) > 30, ends
    assert set(ends.values()) == {"130"}, ends
    assert {path.read_text().strip() for path in copies.glob("said-*")} == {""}
    for number in (50, -1):  # the process itself, while it imports and when all is over
        code, _, error = struck(shell, WAYS[way], [number])
        assert (code, error) == (130, ""), number


def test_a_job_in_the_background_that_ignores_interrupts_goes_on_ignoring_them(shell):
    shell.enqueue("greet", "you")
    ignoring = ["sh", "-c", 'trap "" INT; exec "$@"', "sh", *WAYS["python -m forebay"]]
    code, said, _ = struck(shell, ignoring, (0, 100, -1))
    assert (code, "default" in said) == (0, True)
