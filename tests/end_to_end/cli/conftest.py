"""Folders with an app in them: one of its own for each test, and one per module with two worker processes that run."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from end_to_end.cli.shell import Shell


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    return Shell(tmp_path)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shell]:
    shell = Shell(tmp_path_factory.mktemp("world"))
    with shell.worker("-p", "2", "-c", "20"):
        yield shell
