"""The scenarios, in the order of the crash table, and the engines on which they can be played.

All rows but those of `on_sqlite` are written once for all engines; an engine makes a URL for a folder.
"""

from collections.abc import Mapping
from pathlib import Path

from forebay.testing.faults import (
    clocks,
    competing,
    containing,
    disk,
    freezing,
    interrupting,
    killing,
    on_sqlite,
    striking,
)
from forebay.testing.faults.run import Scenario
from forebay.testing.faults.stage import MakeUrl
from forebay.testing.history import Rules

_FIFO = Rules(fifo=frozenset({"work"}))


def sqlite(folder: Path) -> str:
    """A SQLite file in a folder."""
    return f"sqlite:///{folder.absolute()}/queue.db"


ENGINES: Mapping[str, MakeUrl] = {"sqlite": sqlite}

SCENARIOS = (
    Scenario("T1", "workers killed in mid-task", killing.workers),
    Scenario("T2", "killed between effect and ack", killing.between_effect_and_ack),
    Scenario("T3", "producers killed in mid-publish", killing.producers),
    Scenario("T4", "frozen past the lease, and back", freezing.stopped),
    Scenario("T5", "C code holds the interpreter", freezing.interpreter_held),
    Scenario("T5b", "timeouts strike tasks that enqueue", striking.timeouts),
    Scenario("T9", "disk full", disk.full),
    Scenario("T9b", "size limit reached", disk.soft_limit),
    *on_sqlite.SCENARIOS,
    Scenario("T13", "clock jumps an hour", clocks.steps),
    Scenario("T14", "poison storm", competing.poison, smoke=False),
    Scenario("T14s", "poison storm, short", competing.some_poison, whole=False),
    Scenario("T17", "hostile payloads", competing.payloads),
    Scenario("T20", "16 processes, one key", competing.one_key, rules=_FIFO, smoke=False),
    Scenario("T20s", "4 processes, one key", competing.few_processes, rules=_FIFO, whole=False),
    Scenario("T22", "reapers killed in mid-sweep", killing.reapers),
    Scenario("T25", "told to leave in every phase", freezing.leaving),
    Scenario("T31", "Ctrl-C in a notebook's calls", interrupting.notebook, smoke=False),
    Scenario("T31s", "Ctrl-C in calls, short", interrupting.few_interrupts, whole=False),
    Scenario("T32", "no descriptor left in a fleet", interrupting.nothing_left),
    Scenario("T33", "coroutines cancelled in verbs", interrupting.cancelled, smoke=False),
    Scenario("T33s", "cancelled in verbs, short", interrupting.few_cancelled, whole=False),
    Scenario("T34", "two containers, one killed", containing.apart),
)


def named(id_: str) -> Scenario:
    """A scenario by its id.

    Raises:
        KeyError: there is none of that id.
    """
    return {scenario.id: scenario for scenario in SCENARIOS}[id_]
