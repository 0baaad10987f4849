"""One reading of the whole system, and what follows from it: rates, who serves what, what is overdue.

Taken by the command line, the dashboard and tests, so that they never disagree. The readings are made one after the
other, not in one transaction: numbers of a busy system may differ by what happened in between.
"""

import time
from collections.abc import Sequence
from typing import Protocol

import msgspec

from forebay.engine.contract import Depth
from forebay.model.gate import Gate
from forebay.store.contract import Store
from forebay.store.records import Schedule, WorkerRow


class Reads(Protocol):
    """The part of an engine that is read."""

    async def depth(self, queues: Sequence[str] | None = None) -> list[Depth]:
        """See `Engine.depth`."""
        ...


class Snapshot(msgspec.Struct, frozen=True, kw_only=True):
    """The system at one time. `at` is the store's, in seconds since the epoch; `tick` only measures differences."""

    at: float
    tick: float
    queues: Sequence[Depth]
    workers: Sequence[WorkerRow]
    schedules: Sequence[Schedule] = ()
    gates: Sequence[Gate] = ()

    @property
    def alive(self) -> list[WorkerRow]:
        """Workers whose lease holds."""
        return [worker for worker in self.workers if worker.left > 0]

    def serving(self, queue: str) -> list[WorkerRow]:
        """Living workers that serve a queue."""
        return [worker for worker in self.alive if queue in worker.queues]


class Rates(msgspec.Struct, frozen=True, kw_only=True):
    """Messages per second of one queue between two readings."""

    queue: str
    published: float = 0.0
    done: float = 0.0
    retried: float = 0.0
    died: float = 0.0


async def take(engine: Reads, store: Store) -> Snapshot:
    """Read everything once; the cost depends on queues and workers, not on messages."""
    return Snapshot(
        queues=await engine.depth(),
        workers=await store.workers(),
        schedules=await store.schedules(),
        gates=await store.gates(),
        at=await store.now(),
        tick=time.monotonic(),
    )


def rates(before: Snapshot, now: Snapshot) -> dict[str, Rates]:
    """Rates by queue from the differences of the totals; a queue that was not there before has none yet."""
    passed = now.tick - before.tick
    old = {depth.queue: depth for depth in before.queues}
    if passed <= 0:
        return {}
    return {
        depth.queue: Rates(
            queue=depth.queue,
            published=max(0, depth.published - old[depth.queue].published) / passed,
            done=max(0, depth.done - old[depth.queue].done) / passed,
            retried=max(0, depth.retried - old[depth.queue].retried) / passed,
            died=max(0, depth.died - old[depth.queue].died) / passed,
        )
        for depth in now.queues
        if depth.queue in old
    }


def proof_age(worker: WorkerRow, lease: float) -> float:
    """Seconds since a worker last proved that it can lease: what it said with its last beat, and the time since.

    Args:
        lease: seconds that a beat holds, from the settings, unless the worker says it. How long ago the last beat was
            follows from what is left.
    """
    return worker.proved + max(0.0, (worker.lease or lease) - worker.left)


def patience(lease: float) -> float:
    """Seconds without a proof after which a worker counts as unable to lease: its lease, or a few beats and polls."""
    return max(lease, 10.0)
