"""`queues`, `pause`, `resume`."""

from collections.abc import Callable, Collection, Sequence
from functools import partial

import click
import msgspec

from forebay.app import Forebay
from forebay.cli import output
from forebay.cli.human import ago, size, span
from forebay.cli.shared import Command, depths, only, the_app, timed, with_app
from forebay.cli.shared import output as form
from forebay.cli.table import Column, Table
from forebay.control import Control, Paused, whoami
from forebay.engine.contract import Depth
from forebay.flow.lane import shown
from forebay.model.duration import seconds
from forebay.model.errors import ConfigError
from forebay.model.gate import OPERATOR, THROTTLE, Gate
from forebay.model.provider import APART, BREAKER, unkeyed
from forebay.model.rule import rule_of, taken_back
from forebay.observe.why import seen_lanes, waits_behind


class Line(msgspec.Struct, frozen=True):
    """A queue in numbers, and why it is paused."""

    depth: Depth
    why: str = ""


def columns() -> list[Column[Line]]:
    """What matters most comes first, and goes last where there is little room."""
    numbers = (("READY", 0), ("AGE", 0), ("RUNNING", 0), ("SCHEDULED", 1), ("PARKED", 0), ("DEAD", 0),
               ("PUBLISHED", 3), ("DONE", 2), ("RETRIED", 4))  # fmt: skip
    return [
        Column("QUEUE", lambda line: line.depth.queue, flex=True, least=8),
        Column("STATE", lambda line: "paused" if line.depth.paused else "open"),
        *(
            Column(name, partial(_number, name.lower()), right=True, drop=drop, hide="0" if name == "PARKED" else None)
            for name, drop in numbers
        ),
        Column("LIMIT", lambda line: _fill(line.depth), right=True, drop=1, hide="-"),
        Column("WHY", lambda line: line.why, flex=True, least=18, hide="", wrap=True),
    ]


def _number(name: str, line: Line) -> str:
    if name == "age":
        return span(line.depth.age) if line.depth.ready else "-"
    return f"{getattr(line.depth, name):,}"


def _fill(depth: Depth) -> str:
    """How much of its limit is used; of two, of the one that is used more."""
    waiting = depth.ready + depth.scheduled + depth.parked
    used = [] if depth.limit is None else [(waiting / depth.limit, f"{depth.limit:,}")]
    if depth.limit_bytes is not None:
        used.append((depth.size / depth.limit_bytes, size(depth.limit_bytes)))
    part, limit = max(used, default=(0.0, ""))
    return f"{int(part * 100)}% of {limit}" if used else "-"  # 100 % is full, and nothing less


#: Ready messages from which on an engine may not have looked which of them a paused task or key holds.
_MANY = 10_000
EMPTY = "no queues yet: the first enqueue makes one"


@click.command(cls=Command)
@click.argument("names", nargs=-1, metavar="[QUEUE]...")
def queues(names: tuple[str, ...]) -> None:
    """Show queues: how much waits and runs, the age of the oldest message, and totals since the queue was created."""

    async def work(app: Forebay) -> tuple[list[Depth], list[Gate], dict[str, frozenset[str]]]:
        found = await depths(app)
        return found, await app.store.gates(), {one.queue: await seen_lanes(app.store, one) for one in found}

    (found, gates, seen), now = timed(the_app("queues"), work)
    only(names, [depth.queue for depth in found], "queue")
    chosen = [depth for depth in found if not names or depth.queue in names]
    if form() == "table":
        output.show(
            "table", [Line(one, why(one, gates, now, seen[one.queue])) for one in chosen], Table(columns(), EMPTY)
        )
    else:
        output.show(form(), chosen, Table([], ""))


def why(depth: Depth, gates: Sequence[Gate], now: float, seen: Collection[str] = ()) -> str:
    """What holds up a queue, in a few words: who paused it, which provider is away, which limit is reached.

    Args:
        seen: what is known of where its messages were put (`seen_lanes`).
    """
    closed = [gate for gate in gates if gate.lane is None and gate.queue in ("", depth.queue)]
    held = [gate for gate in closed if gate.queue or depth.parked or depth.ready >= _MANY]
    return "; ".join(
        [*(paused(gate, now) for gate in held), *_shut(depth, gates, seen), *_refused(depth, now), *bounded(depth)]
    )


def _shut(depth: Depth, gates: Sequence[Gate], seen: Collection[str]) -> list[str]:
    """The providers and the rules that something in a queue waits for; a few."""
    found: dict[str, str] = {}
    for gate in gates if depth.parked else ():
        if gate.lane is None or gate.queue not in ("", depth.queue) or not waits_behind(depth, gate.lane, seen):
            continue
        if gate.holder in (BREAKER, THROTTLE):
            found.setdefault(f"provider {unkeyed(gate.lane).removesuffix(APART)}", gate.reason)
        elif rule_of(gate.lane) is not None:
            found.setdefault(gate.holder, gate.reason)
    return [f"waits for {name}" + (f": {reason}" if reason else "") for name, reason in sorted(found.items())[:3]]


def _refused(depth: Depth, now: float) -> list[str]:
    """Whom it has no room for."""
    if depth.full:
        return [f"full for {span(now - depth.full)}"]
    waiting, most = depth.ready + depth.scheduled + depth.parked, depth.limit
    if most is None or waiting < most - depth.reserved:
        return []
    return ["full" if waiting >= most else "only priorities above 0 get in"]


def bounded(depth: Depth) -> list[str]:
    """What holds up all of it, then its lanes, from the fullest on; a few."""
    waits = [lane for lane in depth.lanes if lane.why and (lane.ready or (lane.lane == "" and depth.ready))]
    waits.sort(key=lambda lane: lane.lane != "")  # what holds up all of it comes first
    return [f"{shown(lane.lane)} {lane.why}" if lane.lane else lane.why for lane in waits[:3]]


def paused(gate: Gate, now: float) -> str:
    """One closed gate in a few words."""
    about = f"task {gate.task} " if gate.task is not None else f"key {gate.key} " if gate.key is not None else ""
    by = f" by {gate.holder}"  # whose end is put off again and again, or told elsewhere
    if gate.holder == OPERATOR:
        by = "" if gate.until is None else f", for {span(max(0.0, gate.until - now))} more"
    return f"{about}{ago(gate.since, now)}{by}" + (f": {gate.reason}" if gate.reason else "")


def _about(command: Callable[..., None]) -> Callable[..., None]:
    """The options that say what is paused beside whole queues."""
    command = click.option("--task", "tasks", multiple=True, metavar="NAME", help="This task, in the queues named.")(
        command
    )
    return click.option("--key", "keys", multiple=True, metavar="KEY", help="This key, in the queues named.")(command)


def _chosen(names: tuple[str, ...], tasks: tuple[str, ...], keys: tuple[str, ...]) -> list[Paused]:
    """Whole queues; or tasks and keys in the queues named, in all if none is.

    Raises:
        click.UsageError: nothing is named.
    """
    if not (names or tasks or keys):
        raise click.UsageError("name what to pause or resume: a QUEUE, --task NAME or --key KEY")
    if not (tasks or keys):
        return [Paused(name) for name in names]
    queues = names or ("",)
    return [Paused(queue, task=task) for queue in queues for task in tasks] + [
        Paused(queue, key=key) for queue in queues for key in keys
    ]


async def _existing(app: Forebay, names: tuple[str, ...]) -> Control:
    only(names, [depth.queue for depth in await depths(app)], "queue")
    return Control(app.engine, app.store, whoami())


@click.command(cls=Command)
@click.argument("names", nargs=-1, metavar="[QUEUE]...")
@_about
@click.option("--for", "lasts", metavar="DURATION", help="Resume it after this time, such as 1h; else it stays paused.")
@click.option("--reason", default="", help="Why; shown to others.")
def pause(
    names: tuple[str, ...], tasks: tuple[str, ...], keys: tuple[str, ...], lasts: str | None, reason: str
) -> None:
    """Stop workers from taking messages from queues, or those of a task or key. Running tasks finish; new ones wait."""
    left = None if lasts is None else seconds(lasts, "--for")
    if left == 0:
        raise ConfigError("--for is a time from now: leave it out to have it paused until you resume it")
    chosen, app = _chosen(names, tasks, keys), the_app("pause")
    if app.registry.tasks:  # without an app, nobody here knows which there are
        only(tasks, list(app.registry.tasks), "task")

    async def work(app: Forebay) -> None:
        control = await _existing(app, names)
        for what in chosen:
            await control.pause(what, reason, left)

    with_app(app, work)
    if form() == "table":
        for what in chosen:
            output.say(f"{what}: paused" + ("" if left is None else f" for {span(left)}"))
    else:
        _rows(chosen, [True] * len(chosen))


@click.command(cls=Command)
@click.argument("names", nargs=-1, metavar="[QUEUE]...")
@_about
def resume(names: tuple[str, ...], tasks: tuple[str, ...], keys: tuple[str, ...]) -> None:
    """Let workers take messages from these queues, or of this task or key, again."""
    chosen = _chosen(names, tasks, keys)

    async def work(app: Forebay) -> tuple[list[Gate], list[Gate]]:
        control, before = await _existing(app, names), await app.store.gates()
        for what in chosen:
            await control.resume(what)
        return before, await app.store.gates()

    before, left = with_app(the_app("resume"), work)
    if form() == "table":
        for what in chosen:
            output.say(f"{what}: {resumed(what, before, left)}")
    else:
        _rows(chosen, [bool(holding(what, left)) for what in chosen])


def holding(what: Paused, gates: Sequence[Gate]) -> list[Gate]:
    """The gates that hold this, wherever and whoever closed them."""
    about = [gate for gate in gates if gate.lane is None and (gate.task, gate.key) == (what.task, what.key)]
    return [gate for gate in about if gate.queue == what.queue or "" in (gate.queue, what.queue)]


def _held(gate: Gate) -> str:
    where = f"in {gate.queue}" if gate.queue else "in all queues"
    by = where if gate.holder == OPERATOR else f"{where} by {gate.holder}"
    resume = gate.resumed() if gate.holder == OPERATOR else taken_back(gate.holder)
    return f"{by}: `{resume}`" if resume else by


def resumed(what: Paused, before: Sequence[Gate], left: Sequence[Gate]) -> str:
    """How it stands after it was resumed."""
    if still := holding(what, left):
        return "still paused " + ", and ".join(map(_held, still))
    return "open" if holding(what, before) else "was not paused"


def _rows(chosen: Sequence[Paused], paused: Sequence[bool]) -> None:
    about = [{"queue": what.queue, "task": what.task, "key": what.key} for what in chosen]
    rows = [
        {**{name: value for name, value in one.items() if value}, "paused": held}
        for one, held in zip(about, paused, strict=True)
    ]
    output.show(form(), rows, Table([], ""))
