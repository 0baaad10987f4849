"""`scale`: how many slots are wanted, for whatever starts and ends workers."""

import asyncio

import click

from forebay.app import Forebay
from forebay.cli import output
from forebay.cli.human import span
from forebay.cli.kinds import SECONDS
from forebay.cli.shared import Command, only, the_app, with_app
from forebay.cli.shared import output as form
from forebay.cli.table import Column, Table
from forebay.flow.scale import Scale
from forebay.observe.scale import bounds, wanted
from forebay.observe.snapshot import take

#: Seconds that two readings are apart at the least, and at the most.
_LEAST, _MOST = 0.1, 3600.0


@click.command(cls=Command)
@click.argument("names", nargs=-1, metavar="[QUEUE]...")
@click.option(
    "--target",
    type=SECONDS,
    default="30s",
    show_default=True,
    help="Seconds within which what waits is to be started.",
)
@click.option(
    "--over", type=SECONDS, default="1s", show_default=True, help="How long to watch what comes in; 1h at most."
)
@click.option("--value", is_flag=True, help="Print the number of slots wanted by all of them, and nothing else.")
def scale(names: tuple[str, ...], target: float, over: float, value: bool) -> None:
    """Say how many slots queues want: for what comes in, and for what waits to be started in time.

    What waits for a closed gate, a rate or a limit counts for nothing: more workers would only wait with it.
    """
    if target <= 0:
        raise click.UsageError("--target is a time to start what waits in: more than 0 seconds")

    if over > _MOST:
        raise click.UsageError("--over is how long this command takes: 1h at most")

    async def work(app: Forebay) -> list[Scale]:
        before = await take(app.engine, app.store)
        only(names, [depth.queue for depth in before.queues], "queue")
        await asyncio.sleep(max(_LEAST, over))
        now = await take(app.engine, app.store)
        bound = await bounds(app.store, now.queues)
        return wanted(before, now, bound, target, names)

    found = with_app(the_app("scale"), work)
    if value:
        output.say(str(found[-1].wanted))
    elif form() == "table":
        output.show("table", found if len(found) > 2 else found[:-1], _table())
    else:
        output.show(form(), found, Table([], ""))


def _table() -> Table[Scale]:
    return Table(
        [
            Column("QUEUE", lambda one: one.queue or "(all)", flex=True, least=8),
            Column("WANTED", lambda one: f"{one.wanted:,}", right=True),
            Column("SLOTS", lambda one: f"{one.slots:,}", right=True),
            Column("MORE", lambda one: f"{one.more:,}", right=True),
            Column("READY", lambda one: f"{one.ready:,}", right=True, drop=2),
            Column("HELD", lambda one: f"{one.held:,}", right=True, drop=3, hide="0"),
            Column("RUNNING", lambda one: f"{one.running:,}", right=True, drop=1),
            Column("AGE", lambda one: span(one.age) if one.ready else "-", right=True, drop=4),
            Column("WORK", lambda one: span(one.work), right=True, drop=5),
            Column("BOTTLENECK", lambda one: one.bottleneck, flex=True, least=12, hide="", wrap=True),
        ],
        "no queues yet: the first enqueue makes one",
    )
