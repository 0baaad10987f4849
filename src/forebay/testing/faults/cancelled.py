"""`python -m forebay.testing.faults.cancelled SEED FIRST COUNT`: coroutines that are cancelled in every verb.

It publishes its messages, looks at them, and leases and hands back others as a worker of its own; each call is
cancelled after a random time, and made once more. It ends with 0 only if `held` told the truth after every lease.
"""

import asyncio
import random
import sys
from collections.abc import Callable, Coroutine
from typing import Any

from forebay.app import Forebay
from forebay.engine.backend import Whole
from forebay.engine.contract import Beat, Want
from forebay.engine.registry import build
from forebay.model.message import Message
from forebay.model.outcome import Release, Settlement
from forebay.store.records import Query
from forebay.testing.faults.trial import message
from forebay.testing.wrapping import peel

_ASIDE = "aside"

Call = Callable[[], Coroutine[Any, Any, Any]]


async def _broken_off(call: Call, seconds: float) -> None:
    """Call it, cancel it after a while."""
    task = asyncio.ensure_future(call())
    await asyncio.sleep(seconds)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def _hold(store: Whole, chance: random.Random, seed: int) -> int:
    """Lease, be cancelled, and look what is held; how many leases took something that nobody holds, or the reverse."""
    name, odd = f"cancelled-{seed}", 0
    await store.extend([Beat(worker=name, lease=60.0)])
    await store.publish([Message(id=f"aside-{seed}-{number}", queue=_ASIDE, task="aside") for number in range(20)])
    for _ in range(40):
        await _broken_off(lambda: store.lease(Want(name, [_ASIDE], 5)), chance.uniform(0, 0.002))
        await store.lease(Want(name, (), 0))  # answered after that one
        held = await store.held(name)
        await asyncio.sleep(0.002)
        odd += {one.id for one in held} != {one.id for one in await store.held(name)}
        settlements = [Settlement(one, Release()) for one in held]
        await _broken_off(lambda settlements=settlements: store.settle(name, settlements), chance.uniform(0, 0.002))  # type: ignore[misc]
        await store.settle(name, [Settlement(one, Release()) for one in await store.held(name)])
        odd += bool(await store.held(name))
    await store.cancel([f"aside-{seed}-{number}" for number in range(20)])
    await store.recover([name])
    return odd


async def main(seed: int, first: int, count: int) -> int:
    """Publish `count` messages; the exit code."""
    chance = random.Random(seed + first)
    async with Forebay() as app:
        plain = build(peel(app.settings, "history"), app.clock)  # the judge knows nothing of this worker
        await plain.open()
        odd = await _hold(plain, chance, first)
        await plain.close()
        for number in range(first, first + count):
            one = message(seed, number, "work")
            calls: list[Call] = [
                lambda one=one: app.engine.publish([one]),  # type: ignore[misc]
                lambda one=one: app.store.find([one.id]),  # type: ignore[misc]
                lambda: app.store.watch(None, 1.0),
                lambda: app.engine.depth(["work"]),
                lambda: app.store.messages(Query(queue="work")),
            ]
            for call in calls:
                await _broken_off(call, chance.uniform(0, 0.003))
            await app.engine.publish([one])
    return 3 if odd else 0


if __name__ == "__main__":
    sys.exit(asyncio.run(main(*(int(argument) for argument in sys.argv[1:4]))))
