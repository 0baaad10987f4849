"""Every example does what its first lines say: its commands are run as they stand there, and print what is shown."""

import ast
import asyncio
import contextlib
import doctest
import os
import re
import shlex
import time
from pathlib import Path

import pytest

import starts
from forebay import Forebay

FOLDER = Path(__file__).parents[2] / "examples"
EXAMPLES = sorted(FOLDER.glob("[0-9]*.py"))
SAME = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
PATIENCE = 120


def said(example: Path) -> tuple[list[list[str]], str]:
    """The commands in the first lines of an example, and the output they promise."""
    text = ast.get_docstring(ast.parse(example.read_text()))
    commands, output = text.split("\nPrints:\n")
    lines = re.findall(r"^    ((?:forebay|python) .*?)(?:  +.*)?$", commands, re.MULTILINE)
    return [shlex.split(line) for line in lines], output


@contextlib.contextmanager
def worker(words, **place):
    """A worker that ends with 0 when it is told to."""
    process = starts.Started(words, (0, 1, 2), **place)
    try:
        yield
    finally:
        process.terminate()
        code = process.wait(PATIENCE)
    assert code == 0


def until_done(database: Path) -> None:
    """Wait until nothing waits or runs."""

    async def left():
        async with Forebay(f"sqlite:///{database}") as app:
            return sum(depth.ready + depth.running for depth in await app.engine.depth())

    deadline = time.monotonic() + PATIENCE
    while asyncio.run(left()):
        assert time.monotonic() < deadline, "messages are still waiting"
        time.sleep(0.05)


@pytest.mark.parametrize("example", [pytest.param(example, id=example.stem) for example in EXAMPLES])
def test_an_example_prints_what_it_says(example, tmp_path):
    commands, output = said(example)
    paths = [str(FOLDER), os.environ.get("PYTHONPATH", "")]
    own = {name: value for name, value in os.environ.items() if not name.startswith("FOREBAY_")}
    place = {"cwd": tmp_path, "env": {**own, "PYTHONPATH": os.pathsep.join(filter(None, paths))}}
    with contextlib.ExitStack() as workers:
        for program, *words in commands:
            if program == "forebay":
                workers.enter_context(worker(words, **place))
                continue
            command = ["-W", "error", str(FOLDER / words[0])]
            done = starts.run(command, **place, timeout=PATIENCE, python=())
            assert done.returncode == 0, done.stderr
            assert doctest.OutputChecker().check_output(output, done.stdout, SAME), done.stdout
        until_done(tmp_path / "examples.db")


@pytest.mark.parametrize("example", [pytest.param(example, id=example.stem) for example in EXAMPLES])
def test_an_example_is_short_runs_itself_and_stands_in_the_list(example):
    commands, _ = said(example)
    assert len(example.read_text().splitlines()) < 60
    assert sorted(program for program, *_ in commands) == ["forebay", "python"]
    assert all(example.stem in " ".join(command) for command in commands)
    assert f"`{example.name}`" in (FOLDER / "README.md").read_text()
