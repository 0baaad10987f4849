"""Standard streams that are closed, full or left early: no traceback, whatever a shell does to them."""

import os
import subprocess

import pytest

from end_to_end.cli.shell import COMMAND, PATIENCE


@pytest.mark.parametrize(
    ("redirect", "code"),
    [(">&-", 0), ("2>&-", 0), ("<&-", 0), (">&- 2>&- <&-", 0), ("> /dev/full", 1), ("| head -1", 0)],
)
def test_a_command_says_no_more_than_one_line(shell, redirect, code):
    shell("migrate")
    shell("enqueue", "q", "--raw", "-", stdin="1\n" * 500)
    line = f"{' '.join(COMMAND)} messages --limit 500 {redirect}"
    done = subprocess.run(
        ["bash", "-o", "pipefail", "-c", line], cwd=shell.folder, env={**os.environ, **shell.env},
        capture_output=True, text=True, timeout=PATIENCE, check=False,
    )  # fmt: skip
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr
    assert len(done.stderr.splitlines()) <= 1
