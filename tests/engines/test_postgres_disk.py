"""A server whose disk is full: `doctor` says so, and what has to be done."""

import pytest

from engines.servers import postgres
from forebay.engine.postgres import checks
from forebay.engine.postgres.checks import ServerChecks
from forebay.model.finding import Level

FULL = """
do $$ begin raise 'could not write to file "x": No space left on device' using errcode = 'disk_full'; end $$
"""


def disk(settings):
    """What is found of it, once all else has been looked at, too."""
    found = list(ServerChecks(settings).examine())
    assert "numbers" in {finding.check for finding in found}
    return [finding for finding in found if finding.check == "disk"]


@pytest.fixture
def settings():
    return postgres.empty()


def test_a_disk_that_takes_what_is_written_is_fine(settings):
    (finding,) = disk(settings)
    assert finding.level is Level.OK


def test_a_full_one_is_a_failure_that_says_what_to_do(settings, monkeypatch):
    monkeypatch.setattr(checks, "_SPILL", FULL)
    (finding,) = disk(settings)
    assert finding.level is Level.FAIL
    assert "No space left on device" in finding.text
    assert "free some space there" in finding.advice


def test_it_is_tried_by_writing_to_it_and_who_may_not_is_told_nothing(settings, monkeypatch):
    monkeypatch.setattr(checks, "_SMALL", f"{checks._SMALL}; set local temp_file_limit = '1MB'")
    assert disk(settings) == []
