"""A file of an older version, which its own workers may still have open: looking at it leaves it as it is."""

import gzip
from pathlib import Path

import pytest

from end_to_end.cli.shell import sqlite
from forebay.engine.sqlite.schema import newest

OLD = Path(__file__).parents[2] / "engines" / "files" / "version-0001.db.gz"
LOOKS = (
    ["queues"],
    ["messages"],
    ["messages", "0" * 32],
    ["workers"],
    ["healthcheck"],
    ["why", "mail"],
    ["top", "--count", "1"],
    ["tail", "--count", "1"],
    ["audit"],
    ["schedules", "list"],
    ["dead", "list"],
    ["dead", "redrive", "--all"],
    ["pause", "mail"],
    ["cancel", "0" * 32],
)


@pytest.fixture
def old(shell):
    (shell.folder / "forebay.db").write_bytes(gzip.decompress(OLD.read_bytes()))
    return shell


def version(shell):
    with sqlite(shell.folder / "forebay.db") as db:
        return db.pragma("user_version")


@pytest.mark.parametrize("words", LOOKS, ids=" ".join)
def test_a_command_that_does_not_produce_refuses_an_older_schema_and_leaves_it(old, words):
    assert "run `forebay migrate`, or start the workers of this version" in old(*words, code=3).complaint
    assert version(old) == 1


def test_doctor_warns_of_an_older_schema_and_leaves_it(old):
    assert "forebay migrate" in old("doctor").out
    assert version(old) == 1


def test_migrate_and_producers_bring_it_up_to_date(old):
    old("enqueue", "greet", "Ada")
    assert version(old) == newest()
    old("queues")
