"""Rules in the store: added, listed, removed, and what of them gates and meters carry out. Written by compare-and-set.

Whoever adds or removes one carries that out at once; each worker reads them about once a second, puts right what it
finds otherwise, and takes away what is over. No leader, and nothing that a worker has to live for: gates of a rule open
by themselves when its time has passed. What is judged message by message is `work.rules`'s.
"""

from collections.abc import Collection, Sequence
from typing import NamedTuple

import msgspec
from msgspec.structs import replace

from forebay.flow.condition import parse
from forebay.model.errors import ConfigError, EngineError
from forebay.model.gate import Gate
from forebay.model.message import MAX_KEY, bears_nul
from forebay.model.meter import Meter
from forebay.model.queue import check_name
from forebay.model.rule import HOLDER, ROW, Do, Rule
from forebay.store.contract import Store
from forebay.store.records import Steered

#: Rules that there may be at a time; each message is judged by them. Characters of a reason, a name, a task's name.
MOST, REASON, NAME, TASK = 100, 500, 100, 500
#: Readings of a row that others have changed meanwhile, until that is an error.
TRIES = 20

_pack = msgspec.msgpack.Encoder().encode
_unpack = msgspec.msgpack.Decoder(Rule).decode


class Row(NamedTuple):
    """A rule as it was read, and the generation of its row."""

    rule: Rule
    generation: int


def checked(rule: Rule) -> Rule:
    """It, if it can be carried out.

    Raises:
        ConfigError: it cannot, or it is about everything.
    """
    check_name("rule", rule.name)
    if len(rule.name) > NAME:
        raise ConfigError(f"rule name {rule.name[:30]!r}…: use up to {NAME} characters")
    if len(rule.reason) > REASON:
        raise ConfigError(f"a reason has at most {REASON} characters, not {len(rule.reason):,}")
    _about(rule)
    _plain(rule)
    _way(rule)
    _pace(rule)
    if rule.where:
        parse(rule.where)
    return rule


def _way(rule: Rule) -> None:
    if rule.do is Do.REROUTE and not rule.to:
        raise ConfigError("say where to: `--do reroute --to QUEUE` (to= in Python)")
    if rule.do is not Do.REROUTE and rule.to:
        raise ConfigError(f"--to (to= in Python) is of a reroute: leave it out of a {rule.do}")
    if rule.to and check_name("queue", rule.to) == rule.queue:
        raise ConfigError(f"a reroute from queue {rule.to} to itself changes nothing: name another one")


def _pace(rule: Rule) -> None:
    paced = rule.rate is not None or rule.concurrency is not None
    if rule.do is Do.THROTTLE and not paced:
        raise ConfigError(
            "say how fast: `--do throttle --rate 5/s`, or --concurrency N (rate=, concurrency= in Python)"
        )
    if rule.do is not Do.THROTTLE and paced:
        text = "--rate and --concurrency (rate=, concurrency= in Python) are of a throttle"
        raise ConfigError(f"{text}: leave them out of a {rule.do}")
    if rule.concurrency is not None and not 1 <= rule.concurrency <= 1_000_000:
        raise ConfigError("a throttle's concurrency is from 1 to 1,000,000; to have none run, use pause")


def _about(rule: Rule) -> None:
    if rule.queue is rule.task is rule.key is None and not rule.where:
        raise ConfigError("this rule would be about every message: name a queue, a task, a key or a condition (where)")
    if rule.queue is not None:
        check_name("queue", rule.queue)
    if rule.task is not None and not 0 < len(rule.task) <= TASK:
        raise ConfigError("a task's name is not empty, nor longer than any")
    if rule.key is not None and not 0 < len(rule.key) <= MAX_KEY:
        raise ConfigError(f"a key has 1 to {MAX_KEY} characters, not {len(rule.key)}: no message has this one")


def _plain(rule: Rule) -> None:
    """What gates and the audit have to say of it, on any engine."""
    for name in ("task", "key", "reason"):
        if fault := bears_nul(getattr(rule, name) or ""):
            raise ConfigError(f"rules: {name} is not {getattr(rule, name)!r:.100}: {fault}")


async def rows(store: Store) -> list[Row]:
    """All rules, by name; those of another edition, which cannot be read, are passed over."""
    found = [(row, _read(row)) for row in await store.steered() if row.name.startswith(ROW)]
    return [Row(rule, row.generation) for row, rule in found if rule is not None]


async def add(store: Store, rule: Rule, lasts: float | None, queues: Collection[str]) -> Rule:
    """Add one, and carry it out; as it stands. Without a name it gets one.

    Args:
        lasts: seconds until it is over; None: until somebody removes it.
        queues: those that there are.

    Raises:
        ConfigError: it cannot be carried out, there is one of that name, or there are too many.
    """
    checked(rule if rule.name else replace(rule, name="unnamed"))
    for _ in range(TRIES):
        there, now = await rows(store), await store.now()
        names = {row.rule.name for row in there if not row.rule.over(now)}
        await _forget(store, [row for row in there if row.rule.over(now)])
        if rule.name in names:
            raise ConfigError(f"there is a rule {rule.name} already: remove it first, or give this one another name")
        if len(names) >= MOST:
            raise ConfigError(f"there are {len(names)} rules, and each message is judged by all: remove some first")
        new = replace(
            rule, name=rule.name or _free(rule.do, names), since=now, until=None if lasts is None else now + lasts
        )
        if (await store.steer([Steered(name=f"{ROW}{new.name}", body=_pack(new))]))[0]:
            await carry_out(store, [new], queues)
            return new
    raise EngineError(f"rule {rule.name}: others change it all the time; try again")


def _free(do: Do, names: Collection[str]) -> str:
    return next(name for n in range(1, MOST + 2) if (name := f"{do}-{n}") not in names)


async def remove(store: Store, name: str) -> Rule | None:
    """Remove one, and have go on what it held up; as it was, None if there is none of that name."""
    for _ in range(TRIES):
        found = next((row for row in await rows(store) if row.rule.name == name), None)
        if found is None or await _forget(store, [found]):
            return None if found is None else found.rule
    raise EngineError(f"rule {name}: others change it all the time; try again")


async def tidy(store: Store, found: Sequence[Row], now: float) -> None:
    """Take away what is over, and the gates of rules that are not there any more: who had not heard closed them.

    Gates are read first: of one that is there then, the row is as well, for it was written before; whether or not it
    can be read here.
    """
    await _forget(store, [row for row in found if row.rule.over(now)])
    gates = [gate for gate in await store.gates() if gate.holder.startswith(HOLDER)]
    there = {row.name.removeprefix(ROW) for row in await store.steered() if row.name.startswith(ROW)} if gates else ()
    for gate in gates:
        if gate.holder.removeprefix(HOLDER) not in there:
            await _open(store, gate)


async def let_go(store: Store, gone: Sequence[Rule]) -> None:
    """Drop the meters of rules that are not there any more, which somebody who had not heard may have put anew."""
    slowed = [rule.meter for rule in gone if rule.do is Do.THROTTLE]
    if slowed:
        await store.drop_meters(slowed)


async def _forget(store: Store, found: Sequence[Row]) -> bool:
    """Remove rows, then what they have closed: whoever reads the gates in between finds none of no rule for long."""
    gone = [row for row in found if await _removed(store, row)]
    holders = {row.rule.holder for row in gone}
    for gate in await store.gates() if gone else ():
        if gate.holder in holders:
            await _open(store, gate)
    await let_go(store, [row.rule for row in gone])
    return len(gone) == len(found)


async def _removed(store: Store, row: Row) -> bool:
    gone = Steered(name=f"{ROW}{row.rule.name}", body=b"", generation=row.generation)
    return (await store.steer([gone]))[0]


async def _open(store: Store, gate: Gate) -> None:
    await store.open_gate(gate.queue, gate.lane, gate.holder, task=gate.task, key=gate.key)


async def carry_out(store: Store, rules: Sequence[Rule], queues: Collection[str]) -> None:
    """Close the gates and put the meters of these rules that are not there; costs a look at those where they are."""
    pauses = [rule for rule in rules if rule.do is Do.PAUSE]
    if pauses:
        there = {_place(gate) for gate in await store.gates()}
        for gate in [gate for rule in pauses for gate in gates_of(rule, queues) if _place(gate) not in there]:
            await store.close_gate(
                gate.queue, gate.lane, gate.reason, gate.holder, gate.until, task=gate.task, key=gate.key
            )
    slow = {rule.meter: rule for rule in rules if rule.do is Do.THROTTLE}
    known = {meter.name for meter in await store.meters([*slow])} if slow else set[str]()
    new = [Meter(name=name, rate=rule.rate, slots=rule.concurrency) for name, rule in slow.items() if name not in known]
    if new:
        await store.put_meters(new)


def gates_of(rule: Rule, queues: Collection[str]) -> list[Gate]:
    """The gates of a pause: of what it is about as a whole, or of the lane into which a worker puts what matches."""
    if not rule.gated:
        names = queues if rule.queue is None else [rule.queue]
        return [Gate(name, rule.lane, rule.reason, holder=rule.holder, until=rule.until) for name in names]
    return [
        Gate(
            rule.queue or "", None, rule.reason, holder=rule.holder, until=rule.until, task=rule.task, key=rule.key
        )
    ]  # fmt: skip


def _place(gate: Gate) -> tuple[str | None, ...]:
    return gate.queue, gate.lane, gate.task, gate.key, gate.holder


async def counted(store: Store, name: str, met: int, unread: int) -> bool:
    """Add to what is told of a rule; False if others changed it all the time. One that is gone counts no more."""
    for _ in range(3):
        found = next((one for one in await store.steered([f"{ROW}{name}"])), None)
        rule = None if found is None else _read(found)
        if found is None or rule is None:
            return True
        after = replace(rule, met=rule.met + met, unread=rule.unread + unread)
        if (await store.steer([Steered(name=found.name, body=_pack(after), generation=found.generation)]))[0]:
            return True
    return False


def _read(row: Steered) -> Rule | None:
    try:
        return _unpack(row.body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
