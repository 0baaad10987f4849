"""`python -m forebay.testing.trip URL URL … --kills N`: messages go from place to place, and movers are killed.

Every message that was there at the start has to be at the end of the trip as it was, and nowhere else. Looks at the
stores themselves; the movers are real processes, and most of them get SIGKILL.
"""

import argparse
import asyncio
import contextlib
import random
import signal
import subprocess
import sys
import time
from collections.abc import AsyncGenerator, Iterator, Sequence
from itertools import pairwise

import msgspec
from msgspec.structs import replace

from forebay.cli.move import side_of
from forebay.engine.backend import Backend
from forebay.engine.contract import Beat, Want
from forebay.model.lifecycle import State
from forebay.model.message import Failure, Message
from forebay.model.outcome import DeadLetter, Outcome, Retry, Settlement
from forebay.store.records import Found, Query

QUEUE = "trip"
#: Seconds that one mover may take, and between looks at how far it is.
PATIENCE, LOOK = 600.0, 0.005
#: The share of movers that are told to end, as with Ctrl-C.
_POLITE = 0.2
#: Messages that are published, leased or read at once.
PAGE = 1_000
_BOOM = Failure("ValueError", "boom", "Traceback (most recent call last): …")
_FORMS: tuple[dict[str, object], ...] = (
    {}, {"delay": 86_400.0}, {"priority": 4}, {"key": "tenant-7"}, {"headers": {"h": "1"}}, {"ttl": 86_400.0},
    {"unique": "u{n}"}, {"lane": "cpu"}, {"task": "t"},
)  # fmt: skip


class Leg(msgspec.Struct, frozen=True):
    """One way from a place to the next: how often its movers were killed, how long all took, what stood aside then."""

    source: str
    target: str
    kills: int
    seconds: float
    aside: Sequence[int]


class Trip:
    """The places to go to in turn, and what becomes of the movers."""

    def __init__(self, urls: Sequence[str], kills: int, *, batch: int = 0, seed: int = 0) -> None:
        self._urls, self._batch, self._chance = urls, batch, random.Random(seed)
        legs = len(urls) - 1
        self._kills = [kills // legs + (n < kills % legs) for n in range(legs)]

    def run(self, count: int) -> Iterator[Leg]:
        """Fill the first place, and go; AssertionError if a message is lost, doubled or changed."""
        for url in self._urls[1:]:
            asyncio.run(stories(url))  # whose schema is made so
        asyncio.run(fill(self._urls[0], count))
        before = asyncio.run(stories(self._urls[0]))
        assert len(before) == count, f"{count - len(before)} messages could not be made"
        for (source, target), kills in zip(pairwise(self._urls), self._kills, strict=True):
            leg = self._go(source, target, kills, count)
            after, left = asyncio.run(stories(target)), asyncio.run(stories(source))
            changed = [id_ for id_, found in after.items() if before.get(id_) != found]
            counts = {
                "lost": len(before.keys() - after.keys()), "too many": len(after.keys() - before.keys()),
                "left behind": len(left), "changed": len(changed),
            }  # fmt: skip
            assert not any(counts.values()), f"{source} to {target}: {counts}"
            yield leg

    def _go(self, source: str, target: str, kills: int, count: int) -> Leg:
        started = time.monotonic()
        aside = asyncio.run(self._killed(source, target, kills, count))
        assert self._start(source, target).wait(PATIENCE) == 0, "the last mover did not come to its end"
        return Leg(source, target, len(aside), time.monotonic() - started, aside)

    def _start(self, source: str, target: str) -> "subprocess.Popen[bytes]":
        batch = ["--batch", f"{self._batch}"] if self._batch else []
        words = ["move", "--from", source, "--to", target, QUEUE, *batch]
        return subprocess.Popen([sys.executable, "-m", "forebay", *words], stdout=subprocess.DEVNULL)

    async def _killed(self, source: str, target: str, kills: int, count: int) -> list[int]:
        """Start movers, and end each on its way, now and then as with Ctrl-C; what stood aside then."""
        aside = list[int]()
        async with opened(source) as here, opened(target) as there:
            for number in range(kills):
                arrived = await _there(there)
                mark = arrived + self._chance.randrange(max(1, (count - arrived) // (2 * (kills - number) + 1)))
                mover = self._start(source, target)
                while mover.poll() is None and await _there(there) <= mark:  # noqa: ASYNC110 - it happens elsewhere
                    await asyncio.sleep(LOOK)
                if mover.poll() is not None:  # it had moved all before it could be killed
                    break
                mover.send_signal(signal.SIGINT if self._chance.random() < _POLITE else signal.SIGKILL)
                await asyncio.to_thread(mover.wait, PATIENCE)
                aside.append(await _on_the_way(here))
        return aside


@contextlib.asynccontextmanager
async def opened(url: str) -> AsyncGenerator[Backend]:
    """The store behind a URL."""
    side = side_of(url, "the trip", migrate=True)
    await side.parts.engine.open()
    try:
        yield side.parts
    finally:
        await side.parts.engine.close()


async def fill(url: str, count: int) -> None:
    """Messages of all kinds: some later, some tried before, some dead."""
    async with opened(url) as place:
        for start in range(0, count, PAGE):
            await place.engine.publish([_message(n) for n in range(start, min(count, start + PAGE))])
        await place.engine.extend([Beat(worker="trip", lease=600)])
        ends: list[Outcome] = [Retry(86_400, _BOOM), DeadLetter("gave up", _BOOM), Retry(0, _BOOM)]
        leased = (await place.engine.lease(Want("trip", [QUEUE], max(3, count // 20)))).deliveries
        some = [Settlement(one, ends[n % 3]) for n, one in enumerate(leased)]
        await place.engine.settle("trip", some)


def _message(n: int) -> Message:
    form = {name: f"u{n}" if name == "unique" else value for name, value in _FORMS[n % len(_FORMS)].items()}
    return msgspec.convert(
        {"id": f"{n:032x}", "queue": QUEUE, "body": bytes(str(n) * (n % 9 + 1), "ascii"), **form}, Message
    )


async def stories(url: str) -> dict[str, Found]:
    """All that waits or is dead there, by id; times to the millisecond."""
    found = dict[str, Found]()
    async with opened(url) as place:
        for state in (State.READY, State.SCHEDULED, State.DEAD):
            after = None
            while page := await place.inspects.messages(Query(queue=QUEUE, state=state, after=after, limit=PAGE)):
                for one in page:
                    assert one.id not in found, f"{one.id} is there twice"
                    found[one.id] = replace(one, created=_rounded(one.created), due=_rounded(one.due))
                after = page[-1].id
    return found


def _rounded(time_: float | None) -> float | None:
    return None if time_ is None else round(time_, 3)


async def _there(place: Backend) -> int:
    (depth,) = await place.engine.depth([QUEUE])
    return depth.ready + depth.scheduled + depth.dead


async def _on_the_way(place: Backend) -> int:
    """How many messages have left there, and may not have arrived."""
    assert place.moves is not None
    return sum(route.aside for route in await place.moves.routes())


def main() -> None:
    """See the first lines."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition(":")[0])
    parser.add_argument("urls", nargs="+")
    parser.add_argument("--messages", type=int, default=100_000)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--batch", type=int, default=0)
    parser.add_argument("--seed", type=int, default=random.randrange(10**6))
    given = parser.parse_args()
    kills = 0
    for leg in Trip(given.urls, given.kills, batch=given.batch, seed=given.seed).run(given.messages):
        kills += leg.kills
        way = f"{leg.source.partition(':')[0]} to {leg.target.partition(':')[0]}"
        _say(f"{way}: killed {leg.kills} times, {leg.seconds:.1f} s; on the way then: {list(leg.aside)}")
    _say(f"{given.messages:,} messages, {kills} kills (--seed {given.seed}): lost 0, doubled 0, changed 0")


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
