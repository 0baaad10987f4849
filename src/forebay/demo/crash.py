"""Killing a worker on purpose, and watching its messages start again elsewhere."""

import asyncio
import os
import signal
import time
from collections.abc import Sequence

import msgspec

from forebay import Forebay
from forebay.model.delivery import Delivery
from forebay.model.lifecycle import FINAL

#: Seconds between looks, and until we stop looking.
_LOOK, _LONGEST = 0.01, 30.0


class Victim(msgspec.Struct, frozen=True):
    """A killed worker process, what it held, and when it died (monotonic)."""

    pid: int
    held: Sequence[Delivery]
    died: float


class Recovery(msgspec.Struct, frozen=True):
    """What became of the messages of a victim.

    Attributes:
        pauses: seconds until each started again, in order.
        ended: how many were settled between our look and its death, and so had no need to.
        missing: how many did neither in time.
    """

    pauses: Sequence[float]
    ended: int
    missing: int


async def kill_one(app: Forebay) -> Victim | None:
    """Kill the worker process that holds the most messages; None if none holds any."""
    workers = [row for row in await app.store.workers() if row.left > 0]
    holds = [(await app.store.held(row.worker), row.pid) for row in workers]
    held, pid = max(holds, key=lambda pair: len(pair[0]), default=(list[Delivery](), 0))
    if not held:
        return None
    os.kill(pid, signal.SIGKILL)
    return Victim(pid, held, time.monotonic())


async def recovery(app: Forebay, victim: Victim) -> Recovery:
    """Look until each message has been leased once more than before, or has ended without that."""
    attempts = {delivery.id: delivery.attempt for delivery in victim.held}
    pauses, ended = list[float](), 0
    while attempts and (passed := time.monotonic() - victim.died) < _LONGEST:
        for found in await app.store.find(list(attempts)):
            if found is None:
                continue
            if found.attempt > attempts[found.id]:
                pauses.append(passed)
            elif found.state in FINAL:
                ended += 1
            else:
                continue
            del attempts[found.id]
        await asyncio.sleep(_LOOK)
    return Recovery(pauses, ended, len(attempts))
