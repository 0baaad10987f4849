"""Moving between engines: each message is in exactly one of the two at the end, wherever it was interrupted before."""

import asyncio
import contextlib
import itertools
import random
from collections import Counter

import pytest
from msgspec.structs import replace

from engines.servers import postgres, redis
from forebay.config import Settings
from forebay.control import Control, Paused
from forebay.engine.backend import joined
from forebay.engine.contract import Beat, Want
from forebay.engine.registry import backend, place, scheme_of
from forebay.flow import crossing
from forebay.model.clock import SystemClock
from forebay.model.errors import ConfigError, EngineError
from forebay.model.lifecycle import State
from forebay.model.message import Failure, Message
from forebay.model.outcome import Ack, DeadLetter, Retry, Settlement
from forebay.mover import Mover, Side
from forebay.store.records import Query, paused_by

PAIRS = [("sqlite", "sqlite"), ("sqlite", "postgresql"), ("postgresql", "redis"), ("redis", "sqlite")]
COUNT, BATCH = 23, 3


class Killed(BaseException):
    """The mover is gone, between two steps."""


class Mortal:
    """The verbs of one side, of which only so many more are carried out."""

    def __init__(self, moves, left):
        self._moves, self._left = moves, left

    def __getattr__(self, name):
        verb = getattr(self._moves, name)

        async def carried_out(*args, **kwargs):
            if next(self._left) <= 0:
                raise Killed
            return await verb(*args, **kwargs)

        return carried_out


@contextlib.contextmanager
def place_for(kind, folder):
    """Settings for an empty place of that kind."""
    if kind == "redis":
        with redis.empty() as settings:
            yield settings
    elif kind == "postgresql":
        yield postgres.empty()
    else:
        yield Settings(url=f"sqlite:///{folder}/{kind}-{random.getrandbits(32)}.db")


@contextlib.asynccontextmanager
async def sides(pair, folder):
    with contextlib.ExitStack() as places:
        both = []
        for kind in pair:
            settings = places.enter_context(place_for(kind, folder))
            both.append(Side(scheme_of(settings), place(settings), backend(settings, SystemClock())))
        for side in both:
            await side.parts.engine.open()
        try:
            yield both
        finally:
            for side in both:
                await side.parts.engine.close()


def mortal(side, left):
    return side._replace(parts=side.parts._replace(moves=Mortal(side.parts.moves, left)))


async def fill(side):
    """Messages that wait, failed, come later, run, are dead, and have keys of all kinds; how they are, by id."""
    engine = side.parts.engine
    forms = [
        {}, {"delay": 500.0}, {"priority": 4}, {"key": "k", "headers": {"h": "1"}}, {"ttl": 900.0}, {"unique": "u{n}"},
        {"lane": "cpu"}, {"task": "t"},
    ]  # fmt: skip
    for n in range(COUNT):
        form = {name: value.format(n=n) if name == "unique" else value for name, value in forms[n % len(forms)].items()}
        await engine.publish([Message(id=f"{n:032d}", queue="q", body=bytes([n]), **form)])
    await engine.extend([Beat(worker="w", lease=600)])
    leased = (await engine.lease(Want("w", ["q"], 5))).deliveries
    boom = Failure("ValueError", "boom", "Traceback …")
    ends = [Retry(300, boom), DeadLetter("gave up", boom), Retry(0, boom), Ack()]
    await engine.settle("w", [Settlement(one, end) for one, end in zip(leased, ends, strict=False)])
    return await stories(side)


async def stories(side):
    """All that waits or is dead in the queue, by id."""
    found = {}
    for state in (State.READY, State.SCHEDULED, State.PARKED, State.DEAD):
        for one in await side.parts.inspects.messages(Query(queue="q", state=state, limit=1000)):
            assert one.id not in found
            found[one.id] = replace(one, created=round(one.created, 3), due=one.due and round(one.due, 3))
    return found


async def numbers(side):
    (depth,) = await side.parts.engine.depth(["q"])
    return Counter(ready=depth.ready, scheduled=depth.scheduled, dead=depth.dead, running=depth.running)


def counted(found):
    return +Counter(str(one.state) for one in found.values())


@pytest.mark.parametrize("pair", PAIRS, ids=" to ".join)
def test_a_mover_that_dies_after_every_step_loses_and_doubles_nothing(pair, tmp_path):
    """It is killed after its first step, then after its second, and so on, until one run comes to its end."""

    async def story():
        async with sides(pair, tmp_path) as (source, target):
            before = await fill(source)
            for steps in itertools.count(1):
                left = itertools.count(steps, -1)
                try:
                    await Mover(mortal(source, left), mortal(target, left), batch=BATCH).run(["q"])
                    break
                except Killed:
                    here, there = await stories(source), await stories(target)
                    assert not here.keys() & there.keys()
            assert steps > 12
            assert (await stories(target), await stories(source)) == (before, {})
            assert (+await numbers(target), +await numbers(source)) == (counted(before), Counter(running=1))
            assert await source.parts.moves.routes() == await target.parts.moves.routes() == []

    asyncio.run(story())


def test_from_every_step_one_more_run_finishes_it(tmp_path):
    """Wherever it died, and whatever has run, ended and been forgotten at the target since."""

    async def story(steps):
        async with sides(("sqlite", "sqlite"), tmp_path) as (source, target):
            before = await fill(source)
            left = itertools.count(steps, -1)
            with contextlib.suppress(Killed):
                await Mover(mortal(source, left), mortal(target, left), batch=BATCH).run(["q"])
            ran = await work_off(target)
            await Mover(source, target).run(["q"])
            after = await stories(target)
            assert not after.keys() & ran
            assert after.keys() | ran == before.keys()
            assert await stories(source) == {}
            return next(left) < 0

    died = [asyncio.run(story(steps)) for steps in [*range(1, 40, 4), 60]]
    assert died[0]
    assert not died[-1]


async def work_off(side):
    """Run what is ready there, so that nothing is remembered of it; the ids."""
    engine, ran = side.parts.engine, set()
    await engine.extend([Beat(worker="w", lease=600)])
    while leased := (await engine.lease(Want("w", ["q"], 100))).deliveries:
        await engine.settle("w", [Settlement(one, Ack(keep=0)) for one in leased])
        ran |= {one.id for one in leased}
    return ran


def test_what_is_on_the_way_can_be_put_back_from_every_step(tmp_path):
    """What has arrived stays there; all else is where it was."""

    async def story(steps):
        async with sides(("sqlite", "sqlite"), tmp_path) as (source, target):
            before = await fill(source)
            left = itertools.count(steps, -1)
            with contextlib.suppress(Killed):
                await Mover(mortal(source, left), mortal(target, left), batch=BATCH).run(["q"])
            await Mover(source, target).back()
            here, there = await stories(source), await stories(target)
            assert not here.keys() & there.keys()
            assert here | there == before
            assert await source.parts.moves.routes() == await target.parts.moves.routes() == []

    for steps in range(1, 40, 5):
        asyncio.run(story(steps))


def test_two_who_move_at_the_same_time_move_each_message_once(tmp_path):
    """The one who began first is told that another goes on with it."""

    async def story():
        async with sides(("sqlite", "sqlite"), tmp_path) as (source, target):
            before = await fill(source)
            runs = [Mover(source, target, batch=2).run(["q"]) for _ in range(3)]
            ends = await asyncio.gather(*runs, return_exceptions=True)
            refused = [end for end in ends if isinstance(end, EngineError)]
            assert refused
            assert all("another `forebay move`" in str(error) for error in refused)
            await Mover(source, target).run(["q"])
            assert (await stories(target), await stories(source)) == (before, {})

    asyncio.run(story())


def test_what_is_paused_stays_paused(tmp_path):
    """By whom, and why; a pause of all queues is one of those that are moved."""

    async def story():
        async with sides(("sqlite", "sqlite"), tmp_path) as (source, target):
            await fill(source)
            operator = Control(source.parts.engine, joined(source.parts), "ann@desk")
            await operator.pause(Paused("q"), "out of order")
            await operator.pause(Paused("", task="t"))
            await source.parts.gates.close_gate("other")
            await Mover(source, target).run(["q"])
            gates = await target.parts.gates.gates()
            assert [(one.named(), one.reason, one.holder) for one in gates] == [
                ("q", "out of order", "operator"),
                ("q, task t", "", "operator"),
            ]
            lines = await target.parts.audits.audits()
            assert {paused_by(one, lines) for one in gates} == {"ann@desk"}
            assert (await numbers(target))["ready"] == 0

    asyncio.run(story())


def test_one_whose_unique_key_is_held_there_stays_and_is_counted(tmp_path):
    async def story():
        async with sides(("sqlite", "sqlite"), tmp_path) as (source, target):
            engine = source.parts.engine
            await engine.publish([Message(id="a", queue="q", unique="u"), Message(id="b", queue="q")])
            await target.parts.engine.publish([Message(id="c", queue="q", unique="u"), Message(id="b", queue="q")])
            (moved,) = await Mover(source, target).run(["q"])
            assert (moved.moved, moved.known, moved.held) == (0, 1, 1)
            assert ((await stories(source)).keys(), (await stories(target)).keys()) == ({"a"}, {"b", "c"})
            await target.parts.inspects.cancel(["c"])
            (moved,) = await Mover(source, target).run(["q"])
            assert (moved.moved, moved.held) == (1, 0)

    asyncio.run(story())


def test_one_that_the_target_cannot_store_stays_and_the_others_go(tmp_path):
    """PostgreSQL has no text with a NUL in it."""

    async def story():
        async with sides(("sqlite", "postgresql"), tmp_path) as (source, target):
            await source.parts.engine.publish(
                [Message(id=f"{n}", queue="q", key="a\0b" if n == 5 else None) for n in range(9)]
            )
            mover = Mover(source, target)
            (moved,) = await mover.run(["q"])
            assert (moved.moved, moved.held) == (8, 1)
            assert "message 5 of queue q" in mover.refusals[0]
            assert "NUL" in mover.refusals[0]
            assert ((await stories(source)).keys(), len(await stories(target))) == ({"5"}, 8)

    asyncio.run(story())


def test_a_target_that_has_not_what_a_message_asks_for_gets_none_of_that_kind(tmp_path):
    """One error says which; what had not arrived is back in its queue."""

    async def story():
        async with sides(("sqlite", "sqlite"), tmp_path) as (source, target):
            before = await fill(source)
            lesser = Lesser(target.parts.engine)
            poor = target._replace(scheme="lesser", parts=target.parts._replace(engine=lesser))
            with pytest.raises(ConfigError, match=r"lesser:// has no priorities, and message 0{31}2 of queue q asks"):
                await Mover(source, poor, batch=100).run(["q"])
            assert (await stories(source), await stories(target)) == (before, {})
            assert await source.parts.moves.routes() == []

    asyncio.run(story())


class Lesser:
    def __init__(self, inner):
        self.capabilities = replace(inner.capabilities, priorities=False)


def test_what_comes_back_while_one_waits_is_moved_as_well(tmp_path):
    async def story():
        async with sides(("sqlite", "sqlite"), tmp_path) as (source, target):
            engine = source.parts.engine
            await fill(source)
            (running,) = await source.parts.inspects.held("w")
            waiting = asyncio.create_task(Mover(source, target, wait=True).run(["q"]))
            await until_all_but_one_is_there(target)
            await engine.settle("w", [Settlement(running, Retry(5, Failure("ValueError", "boom")))])
            (moved,) = await waiting
            assert (moved.running, running.id in await stories(target)) == (0, True)

    asyncio.run(story())


async def until_all_but_one_is_there(side):
    async with asyncio.timeout(30):
        while (await numbers(side)).total() < COUNT - 2:  # noqa: ASYNC110 - it happens in a store; one is done, one runs
            await asyncio.sleep(0.01)


@pytest.mark.parametrize(
    ("aside", "marked", "next_"),
    [(True, False, "arrive"), (True, True, "forget aside"), (False, True, "forget mark"), (False, False, "nothing")],
)
def test_where_a_message_stands_says_what_is_next(aside, marked, next_):
    assert crossing.step(aside=aside, marked=marked) == next_
