"""Pressure: from who feeds whom and how full queues are to the tasks that are held before they do their work. Pure.

A queue over its mark holds the tasks that feed it; what waits for them fills their own queue, which holds those that
feed that one, and so on, back to the first producer, whom a queue with a limit refuses. Queues that lie on a cycle
never hold each other: whoever takes something out of one of them would wait for itself.
"""

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import NamedTuple

import msgspec

from forebay.flow.cycles import components
from forebay.model.duration import span
from forebay.model.topology import Feed, Mark, Over, Stage

_unpack = msgspec.msgpack.Decoder(Stage).decode

#: Seconds after which an edge that nobody has used holds nobody any more.
AGED = 900.0
#: The highest part of a limit at which it holds; what of a mark has to leave until it does not any more.
FULL, BAND = 0.95, 0.2


class Level(NamedTuple):
    """A queue as it stands.

    Attributes:
        waiting: messages ready, parked and scheduled. parked: those behind a gate.
        age: seconds that the oldest has waited.
        drained: how many have left since ever.
        limit: how many it takes, as its engine knows; None: all.
        slots: how many messages of it, or of others, the living workers that serve it run at a time.
    """

    waiting: int = 0
    parked: int = 0
    age: float = 0.0
    drained: int = 0
    limit: int | None = None
    slots: int = 0


NOTHING = Level()


class Hold(msgspec.Struct, frozen=True, order=True):
    """A gate that is to be closed: on a task in a queue, or on all of a queue that a consumer takes."""

    queue: str
    task: str | None
    reason: str


class Marks(NamedTuple):
    """From where on a queue is over its mark, down to where it stays so; `most` is what is told of it."""

    high: int | None
    low: int
    most: int
    age: float | None


class Fed(NamedTuple):
    """A queue with a mark, and who feeds it and may be held for it."""

    queue: str
    bound: Marks
    waiting: int
    over: bool
    feeds: Sequence[Feed]


class Judged(NamedTuple):
    """Which queues are over their marks, whom that holds, and all that have a mark."""

    over: dict[str, Over]
    holds: list[Hold]
    fed: list[Fed]


def marks(limit: int | None, mark: Mark, slots: int) -> Marks | None:
    """What holds whoever feeds a queue; None if nothing does.

    Args:
        slots: how many may be at work that feed it: what these have begun still comes in.
    """
    limits = (None if mark.sheds else limit), mark.messages
    most = min((n for n in limits if n is not None), default=None)
    if most is None and mark.age is None:
        return None
    if most is None:
        return Marks(None, 0, 0, mark.age)
    high = max(1, min(math.ceil(most * FULL), most - min(slots, most // 2)))
    return Marks(high, max(0, high - max(1, int(most * BAND))), most, mark.age)


def judge(stages: Sequence[Stage], levels: Mapping[str, Level], now: float) -> Judged:
    """Who is to be held at `now`.

    Args:
        levels: of every queue that feeds or is fed; one that is not there is empty.
    """
    known = {stage.queue: stage for stage in stages}
    leads = _graph(stages, now)
    into = Judging({}, {}, {}, [])
    for together in components(leads):  # whom a queue holds is known before its own feeders are judged
        for queue in together:
            if queue not in known:
                continue
            feeds = [feed for feed in _live(known[queue], now) if feed.source not in together]
            _judge_one(known[queue], feeds, levels, now, into)
    holds = [Hold(queue, task, _joined(why)) for (queue, task), why in sorted(into.holds.items(), key=_order)]
    return Judged(into.over, holds, into.fed)


class Judging(NamedTuple):
    """What was found so far; `passed` has what holds the tasks of a queue, by task, None: all of it."""

    over: dict[str, Over]
    holds: dict[tuple[str, str | None], list[str]]
    passed: dict[str, dict[str | None, Marks]]
    fed: list[Fed]


def _judge_one(stage: Stage, feeds: Sequence[Feed], levels: Mapping[str, Level], now: float, into: Judging) -> None:
    level = levels.get(stage.queue, NOTHING)
    slots = sum(levels.get(source, NOTHING).slots for source in {feed.source for feed in feeds})
    bound, full = marks(level.limit, stage.mark, slots), level.waiting
    if bound is None and not stage.mark.sheds:
        held = into.passed.get(stage.queue, {})
        bound, full = _inherited(held), level.parked
        feeds = feeds if None in held else [feed for feed in feeds if feed.made in held]
    if bound is None:
        return
    over = _over(stage.over, bound, level._replace(waiting=full), slots)
    into.fed.append(Fed(stage.queue, bound, full, over, feeds))
    if not over:
        return
    into.over[stage.queue] = stage.over or Over(now, level.drained)
    for feed in feeds:
        task = None if feed.consumer else feed.task
        reasons = into.holds.setdefault((feed.source, task), [])
        reasons.append(_reason(stage.queue, feed, bound, level._replace(waiting=full)))
        into.passed.setdefault(feed.source, {}).setdefault(task, bound)


def _over(before: Over | None, bound: Marks, level: Level, slots: int) -> bool:
    """Whether a queue is over its mark.

    One that others fill up again at once is never down at its low mark. Whoever feeds it gets a turn all the same, as
    soon as so many have left as one turn may bring.
    """
    if bound.age is not None and level.age > bound.age * (1.0 if before is None else 1.0 - BAND):
        return True
    if bound.high is None:
        return False
    if before is None:
        return level.waiting >= bound.high
    turn = bound.high - bound.low + slots
    if level.waiting <= bound.most and 0 <= turn <= level.drained - before.drained:
        return False
    return level.waiting > bound.low


def _inherited(held: Mapping[str | None, Marks]) -> Marks | None:
    """A queue without a mark of its own may hold back as much as the queue that its tasks are held for."""
    return max(held.values(), key=lambda one: (one.most, one.age or 0.0), default=None)


def stage_of(body: bytes) -> Stage | None:
    """A stage as a row has it; None for one that cannot be read: another edition's, which is written anew."""
    try:
        return _unpack(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None


def held_for(queue: str, stages: Sequence[Stage], held: Collection[str]) -> str:
    """The queue at the end of the chain that a queue is held for: the one that is over its mark, and held for none.

    Args:
        held: the queues that are held now. Of several ends the one that has been over its mark for longest counts.
    """
    seen = {queue}
    while queue in held:
        over = [
            one for one in stages if one.over and one.queue not in seen and any(f.source == queue for f in one.feeds)
        ]
        if not over:
            break
        queue = min(over, key=_since).queue
        seen.add(queue)
    return queue


def _since(stage: Stage) -> float:
    return stage.over.since if stage.over else 0.0


def _live(stage: Stage, now: float) -> list[Feed]:
    return [feed for feed in stage.feeds if now - feed.last <= AGED]


def _graph(stages: Sequence[Stage], now: float) -> dict[str, list[str]]:
    """Which queues each queue leads to."""
    leads: dict[str, list[str]] = {stage.queue: [] for stage in stages}
    for stage in stages:
        for source in {feed.source: None for feed in _live(stage, now)}:
            leads.setdefault(source, []).append(stage.queue)
    return leads


def _reason(queue: str, feed: Feed, bound: Marks, level: Level) -> str:
    who = f"fed by {'consumer' if feed.consumer else 'task'} {feed.task}"
    if bound.high is not None and level.waiting > bound.low:
        return f"queue {queue} is at {level.waiting:,} of {bound.most:,}, {who}"
    return f"the oldest message of queue {queue} has waited {span(level.age)} of {span(bound.age or 0.0)}, {who}"


def _joined(reasons: Iterable[str]) -> str:
    return "; ".join(sorted(set(reasons)))


def _order(one: tuple[tuple[str, str | None], list[str]]) -> tuple[str, str]:
    (queue, task), _ = one
    return queue, task or ""
