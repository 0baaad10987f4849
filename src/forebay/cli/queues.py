"""`queues`, `pause`, `resume`."""

import click

from forebay.app import Forebay
from forebay.cli import output
from forebay.cli.human import span
from forebay.cli.output import Column, Table
from forebay.cli.shared import Command, only, the_app, with_app
from forebay.cli.shared import output as form
from forebay.control import Control, whoami
from forebay.engine.contract import Depth

_TABLE: Table[Depth] = Table(
    [
        Column("QUEUE", lambda d: d.queue, flex=True),
        Column("READY", lambda d: f"{d.ready:,}", right=True),
        Column("AGE", lambda d: span(d.age) if d.ready else "-", right=True),
        Column("SCHEDULED", lambda d: f"{d.scheduled:,}", right=True),
        Column("RUNNING", lambda d: f"{d.running:,}", right=True),
        Column("PARKED", lambda d: f"{d.parked:,}", right=True),
        Column("DEAD", lambda d: f"{d.dead:,}", right=True),
        Column("PUBLISHED", lambda d: f"{d.published:,}", right=True),
        Column("DONE", lambda d: f"{d.done:,}", right=True),
        Column("RETRIED", lambda d: f"{d.retried:,}", right=True),
        Column("STATE", lambda d: "paused" if d.paused else "open"),
    ],
    "no queues yet: the first enqueue makes one",
)


@click.command(cls=Command)
@click.argument("names", nargs=-1, metavar="[QUEUE]...")
def queues(names: tuple[str, ...]) -> None:
    """Queues in numbers: what waits, for how long the oldest, what ended since the queue was made."""

    async def work(app: Forebay) -> list[Depth]:
        return await app.engine.depth()

    found = with_app(the_app("queues"), work)
    only(names, [depth.queue for depth in found], "queue")
    output.show(form(), [depth for depth in found if not names or depth.queue in names], _TABLE)


async def _existing(app: Forebay, names: tuple[str, ...]) -> Control:
    only(names, [depth.queue for depth in await app.engine.depth()], "queue")
    return Control(app.engine, app.store, whoami())


@click.command(cls=Command)
@click.argument("names", nargs=-1, required=True, metavar="QUEUE...")
@click.option("--reason", default="", help="Why, for whoever looks at it next.")
def pause(names: tuple[str, ...], reason: str) -> None:
    """Stop leases from queues. What runs goes on to its end; messages keep waiting and may still be enqueued."""

    async def work(app: Forebay) -> None:
        control = await _existing(app, names)
        for name in names:
            await control.pause(name, reason)

    with_app(the_app("pause"), work)
    _answer(names, paused=True)


@click.command(cls=Command)
@click.argument("names", nargs=-1, required=True, metavar="QUEUE...")
def resume(names: tuple[str, ...]) -> None:
    """Allow leases from queues again."""

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
