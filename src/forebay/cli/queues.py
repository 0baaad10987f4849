"""`queues`, `pause`, `resume`."""

from collections.abc import Sequence
from functools import partial

import click
import msgspec

from forebay.app import Forebay
from forebay.cli import output
from forebay.cli.human import ago, span
from forebay.cli.shared import Command, only, the_app, timed, with_app
from forebay.cli.shared import output as form
from forebay.cli.table import Column, Table
from forebay.control import Control, whoami
from forebay.engine.contract import Depth
from forebay.store.contract import OPERATOR, Gate


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
        Column("WHY", lambda line: line.why, flex=True, least=12, hide="", wrap=True),
    ]


def _number(name: str, line: Line) -> str:
    if name == "age":
        return span(line.depth.age) if line.depth.ready else "-"
    return f"{getattr(line.depth, name):,}"


EMPTY = "no queues yet: the first enqueue makes one"


@click.command(cls=Command)
@click.argument("names", nargs=-1, metavar="[QUEUE]...")
def queues(names: tuple[str, ...]) -> None:
    """Show queues: how much waits and runs, the age of the oldest message, and totals since the queue was created."""

    async def work(app: Forebay) -> tuple[list[Depth], list[Gate]]:
        return await app.engine.depth(), await app.store.gates()

    (found, gates), now = timed(the_app("queues"), work)
    only(names, [depth.queue for depth in found], "queue")
    chosen = [depth for depth in found if not names or depth.queue in names]
    if form() == "table":
        output.show("table", [Line(depth, _why(depth, gates, now)) for depth in chosen], Table(columns(), EMPTY))
    else:
        output.show(form(), chosen, Table([], ""))


def _why(depth: Depth, gates: Sequence[Gate], now: float) -> str:
    """Who paused it, when, and why."""
    closed = [gate for gate in gates if gate.queue == depth.queue and gate.lane is None]
    return "; ".join(paused(gate, now) for gate in closed)


def paused(gate: Gate, now: float) -> str:
    """One closed gate in a few words."""
    return f"{ago(gate.since, now)}{'' if gate.holder == OPERATOR else f' by {gate.holder}'}" + (
        f": {gate.reason}" if gate.reason else ""
    )


async def _existing(app: Forebay, names: tuple[str, ...]) -> Control:
    only(names, [depth.queue for depth in await app.engine.depth()], "queue")
    return Control(app.engine, app.store, whoami())


@click.command(cls=Command)
@click.argument("names", nargs=-1, required=True, metavar="QUEUE...")
@click.option("--reason", default="", help="Why; shown to others.")
def pause(names: tuple[str, ...], reason: str) -> None:
    """Stop workers from taking messages from these queues. Running tasks finish; new messages wait."""

    async def work(app: Forebay) -> None:
        control = await _existing(app, names)
        for name in names:
            await control.pause(name, reason)

    with_app(the_app("pause"), work)
    _answer(names, paused=True)


@click.command(cls=Command)
@click.argument("names", nargs=-1, required=True, metavar="QUEUE...")
def resume(names: tuple[str, ...]) -> None:
    """Let workers take messages from these queues again."""

    async def work(app: Forebay) -> None:
        control = await _existing(app, names)
        for name in names:
            await control.resume(name)

    with_app(the_app("resume"), work)
    _answer(names, paused=False)


def _answer(names: tuple[str, ...], *, paused: bool) -> None:
    rows = [{"queue": name, "paused": paused} for name in names]
    if form() == "table":
        for name in names:
            output.say(f"{name}: {'paused' if paused else 'open'}")
    else:
        output.show(form(), rows, Table([], ""))
