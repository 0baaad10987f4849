"""The suite holds an engine to what it has: what it lacks it has to declare, and is told why a test was skipped."""

from pathlib import Path

import pytest

from engines.toy import Toy
from forebay.config import Settings
from forebay.engine.memory import build
from forebay.model.clock import SystemClock
from forebay.testing import conformance
from forebay.testing.clock import ManualClock
from forebay.testing.conformance.kit import Kit
from forebay.testing.conformance.parts import PARTS, as_declared
from forebay.testing.conformance.stage import EngineKit

HELPERS = {"__init__", "kit", "parts", "stage"}


def test_every_file_of_the_suite_belongs_to_one_part():
    files = {path.stem for path in Path(conformance.__file__).parent.glob("*.py")} - HELPERS
    named = [file for part in PARTS for file in part.files]
    assert files == set(named)
    assert len(named) == len(set(named))


def test_a_whole_engine_is_tested_as_it_is():
    engine = build(Settings(url="memory://"), SystemClock())
    assert as_declared(engine) is engine


def test_a_verb_that_is_declared_lacking_skips_and_says_why():
    with pytest.raises(pytest.skip.Exception, match="browsing: the engine declares browse=False"):
        _ = as_declared(Toy(SystemClock())).messages


def test_a_verb_that_is_lacking_and_not_declared_fails():
    class Boasting(Toy):
        capabilities = build(Settings(url="memory://"), SystemClock()).capabilities

    with pytest.raises(pytest.fail.Exception, match="the engine has no messages, and declares browse=True"):
        _ = as_declared(Boasting(SystemClock())).messages


def test_a_live_verb_cannot_be_lacking():
    class Mute:
        capabilities = Toy.capabilities

    with pytest.raises(pytest.fail.Exception, match="the engine has no publish, and has to have it"):
        _ = as_declared(Mute()).publish


def test_how_a_worker_is_lost_and_time_passes_is_told_by_the_engine_s_kit():
    said = []

    class Told(EngineKit):
        def lose(self, engine, worker):
            said.append(("lose", worker))
            super().lose(engine, worker)

        def advance(self, engine, clock, seconds):
            said.append(("advance", seconds))
            super().advance(engine, clock, seconds)

    kit = Kit(Toy, ManualClock(), Told())
    kit.publish("a")
    kit.lease(worker="gone")
    kit.lose("gone")
    kit.advance(5)
    assert (kit.take(), kit.depth().age) == (["a"], 0.0)
    assert said == [("lose", "gone"), ("advance", 5)]
    kit.close()
