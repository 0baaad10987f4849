"""The scenarios, in the order of the crash table, and the engines on which they can be played.

All rows but those of `on_sqlite` are written once for all engines; an engine makes a URL for a folder.
"""

from collections.abc import Mapping
from pathlib import Path

from forebay.testing.faults import (
    clocks,
    cluster,
    competing,
    containing,
    disk,
    freezing,
    interrupting,
    killing,
    masses,
    on_postgres,
    on_redis,
    on_sqlite,
    outages,
    partitions,
    striking,
    ways,
)
from forebay.testing.faults.ground import MakePlace, Place
from forebay.testing.faults.run import Scenario
from forebay.testing.faults.servers import EverySecond, Postgres, Redis
from forebay.testing.history import Rules

_SQLITE, _POSTGRES, _REDIS = frozenset({"sqlite"}), frozenset({"postgres"}), frozenset({"redis"})
_SERVERS = _POSTGRES | _REDIS
_UNSYNCED = Rules(window=EverySecond.window)
_REPLICATED = Rules(window=cluster.WINDOW)
_FIFO = Rules(fifo=frozenset({"work"}))


def sqlite(folder: Path) -> Place:
    """A SQLite file in a folder."""
    return Place(f"sqlite:///{folder.absolute()}/queue.db")


ENGINES: Mapping[str, MakePlace] = {"sqlite": sqlite, "postgres": Postgres, "redis": Redis}

SCENARIOS = (
    Scenario("T1", "workers killed in mid-task", killing.workers, smoke=False),
    Scenario("T1s", "workers killed, short", killing.some_workers, whole=False),
    Scenario("T2", "killed between effect and ack", killing.between_effect_and_ack),
    Scenario("T3", "producers killed in mid-publish", killing.producers),
    Scenario("T4", "frozen past the lease, and back", freezing.stopped),
    Scenario("T4w", "stopped in the middle of a write", freezing.stopped_in_a_write, _SQLITE, smoke=False),
    Scenario("T5", "C code holds the interpreter", freezing.interpreter_held),
    Scenario("T5b", "timeouts strike tasks that enqueue", striking.timeouts),
    Scenario("T6", "the server killed with -9", outages.killed, _SERVERS, smoke=False),
    Scenario("T6s", "the server killed, short", outages.killed_once, _SERVERS, whole=False),
    Scenario("T6e", "killed, syncs once a second", outages.killed_unsynced, _REDIS, _UNSYNCED, smoke=False),
    Scenario("T6r", "the server restarted", outages.restarted, _SERVERS, smoke=False),
    Scenario("T6f", "the server frozen", outages.frozen, _SERVERS, smoke=False),
    Scenario("T6c", "a cluster's node replaced", cluster.failover, _REDIS, _REPLICATED, smoke=False),
    Scenario("T6m", "its slot moves under load", cluster.resharding, _REDIS, smoke=False),
    Scenario("T7", "connections torn", ways.torn, _SERVERS, smoke=False),
    Scenario("T7s", "connections torn, short", ways.torn_twice, _SERVERS, whole=False),
    Scenario("T7m", "answers swallowed", ways.unanswered, _SERVERS, smoke=False),
    Scenario("T7r", "connections refused", ways.refused, _SERVERS, smoke=False),
    Scenario("T7h", "half-open connections", ways.half_open, _SERVERS, smoke=False),
    Scenario("T7d", "100 ms late each way", ways.late, _SERVERS, smoke=False),
    Scenario("T7b", "byte by byte", ways.byte_by_byte, _SERVERS, smoke=False),
    Scenario("T8", "one fleet cut off, others not", ways.one_way, _SERVERS, smoke=False),
    Scenario("T8n", "the server's link down", partitions.cut_off, _SERVERS, smoke=False),
    Scenario("T8s", "the link down, short", partitions.cut_off_once, _SERVERS, whole=False),
    Scenario("T8o", "one way dead", partitions.one_sided, _SERVERS, smoke=False),
    Scenario("T8l", "the link flaps", partitions.flapping, _SERVERS, smoke=False),
    Scenario("T8h", "one fleet's host cut off", partitions.one_host, _SERVERS, smoke=False),
    Scenario("T9", "disk full", disk.full),
    Scenario("T9b", "size limit reached", disk.soft_limit),
    *on_sqlite.SCENARIOS,
    Scenario("T13", "clock jumps an hour", clocks.steps),
    Scenario("T14", "poison storm", competing.poison, smoke=False),
    Scenario("T14s", "poison storm, short", competing.some_poison, whole=False),
    Scenario("T15", "a backlog of 20,000", masses.backlog, smoke=False),
    Scenario("T16", "3,000 due at once", masses.due_at_once, smoke=False),
    Scenario("T17", "hostile payloads", competing.payloads),
    Scenario("T19", "an old snapshot is held", on_postgres.old_snapshot, _POSTGRES, smoke=False),
    Scenario("T20", "16 processes, one key", competing.one_key, rules=_FIFO, smoke=False),
    Scenario("T20s", "4 processes, one key", competing.few_processes, rules=_FIFO, whole=False),
    Scenario("T22", "reapers killed in mid-sweep", killing.reapers),
    Scenario("T25", "told to leave in every phase", freezing.leaving),
    Scenario("T26", "scripts, clients, memory gone", on_redis.meddled_with, _REDIS, smoke=False),
    Scenario("T27", "backends ended, locks, read-only", on_postgres.meddled_with, _POSTGRES, smoke=False),
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
