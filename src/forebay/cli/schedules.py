"""`schedules [list|add|run|pause|resume|remove]`."""

from typing import Any, get_args

import click

from forebay.app import Forebay
from forebay.cli import output
from forebay.cli.enqueue import task_of, word
from forebay.cli.human import ago
from forebay.cli.shared import Group, only, the_app, timed, with_app
from forebay.cli.shared import output as form
from forebay.cli.table import Column, Table
from forebay.control import Control, whoami
from forebay.flow.cron import MISSED, check, interval
from forebay.model.queue import check_name
from forebay.observe.view import schedule
from forebay.produce.decorators import Overlap
from forebay.produce.schedule import Planned
from forebay.store.records import Schedule


@click.group(cls=Group, invoke_without_command=True)
@click.pass_context
def schedules(ctx: click.Context) -> None:
    """List schedules with their next tick, or add, run, pause, resume and remove them. Workers register their app's."""
    if ctx.invoked_subcommand is None:
        _list()


@schedules.command("list")
def list_() -> None:
    """List them."""
    _list()


def _list() -> None:
    async def work(app: Forebay) -> list[Schedule]:
        return await app.store.schedules()

    found, now = timed(the_app("schedules"), work)
    columns: list[Column[Schedule]] = [
        Column("NAME", lambda s: s.name, flex=True, least=12),
        Column("STATE", lambda s: "paused" if s.paused else "on"),
        Column("CRON", lambda s: s.cron),
        Column("ZONE", lambda s: s.tz, drop=1),
        Column("QUEUE", lambda s: s.message.queue, flex=True, least=8, drop=2),
        Column("MISSED", lambda s: s.missed, drop=3),
        Column("LAST", lambda s: ago(s.last, now), right=True, drop=4),
        Column("NEXT", lambda s: "-" if s.paused or not s.next else ago(s.next, now), right=True),
    ]
    if form() == "table":
        output.show(
            "table", found, Table(columns, "no schedules: a worker of an app with @app.periodic registers them")
        )
    else:
        output.show(form(), [schedule(row) for row in found], Table([], ""))


@schedules.command()
@click.argument("names", nargs=-1, required=True, metavar="NAME...")
def pause(names: tuple[str, ...]) -> None:
    """Pause schedules: they do not fire."""
    _switch(names, paused=True)


@schedules.command()
@click.argument("names", nargs=-1, required=True, metavar="NAME...")
def resume(names: tuple[str, ...]) -> None:
    """Let schedules fire again, from their next tick on; ticks of the meantime are not made up for."""
    _switch(names, paused=False)


@schedules.command()
@click.argument("names", nargs=-1, required=True, metavar="NAME...")
def remove(names: tuple[str, ...]) -> None:
    """Remove schedules that the code no longer has. A worker whose app still has one registers it again at start."""

    async def work(app: Forebay) -> None:
        only(names, [row.name for row in await app.store.schedules()], "schedule")
        for name in names:
            await Control(app.engine, app.store, whoami()).remove_schedule(name)

    with_app(the_app("schedules"), work)
    columns: list[Column[dict[str, str]]] = [
        Column("NAME", lambda row: row["name"]),
        Column("STATE", lambda row: row["state"]),
    ]
    output.show(form(), [{"name": name, "state": "removed"} for name in names], Table(columns, ""))


def _switch(names: tuple[str, ...], *, paused: bool) -> None:
    async def work(app: Forebay) -> None:
        only(names, [row.name for row in await app.store.schedules()], "schedule")
        control = Control(app.engine, app.store, whoami())
        for name in names:
            await (control.pause_schedule(name) if paused else control.resume_schedule(name))

    with_app(the_app("schedules"), work)
    rows: list[dict[str, Any]] = [{"name": name, "paused": paused} for name in names]
    columns: list[Column[dict[str, Any]]] = [
        Column("NAME", lambda row: row["name"]),
        Column("STATE", lambda row: "paused" if row["paused"] else "on"),
    ]
    output.show(form(), rows, Table(columns, ""))


@schedules.command()
@click.argument("name", metavar="NAME")
@click.argument("task", metavar="TASK")
@click.argument("values", nargs=-1, metavar="[JSON]...")
@click.option("--cron", help="Five fields, such as '*/5 * * * *', or a name such as @daily.")
@click.option("--every", help="An interval instead, such as 30s.")
@click.option("--tz", default="UTC", show_default=True, help="An IANA time zone.")
@click.option(
    "--missed", type=click.Choice(MISSED), default="once", show_default=True, help="What to do with missed ticks."
)
@click.option(
    "--overlap", type=click.Choice(get_args(Overlap)), default="allow", show_default=True,
    help="Whether a tick makes a message while that of an earlier one waits or runs.",
)  # fmt: skip
def add(name: str, task: str, values: tuple[str, ...], cron: str | None, every: str | None, **chosen: str) -> None:
    """Add a schedule, or change the one of that name: TASK of the app, with arguments as for `enqueue`.

    One that the app declares itself takes its declaration again when a worker starts.
    """
    if (cron is None) == (every is None):
        raise click.UsageError("say when with --cron or with --every, one of the two", click.get_current_context())
    if every is not None and chosen["tz"] != "UTC":
        raise click.UsageError("--tz has no effect on an interval: leave it out, or say when with --cron")
    if chosen["missed"] == "all" and chosen["overlap"] != "allow":
        raise click.UsageError(
            f"--missed all has no effect beside --overlap {chosen['overlap']}: leave out one of them"
        )
    check_name("schedule", name)
    when = interval(every) if cron is None else cron
    app = the_app("schedules add", required=True)
    known = task_of(app, task)
    planned = Planned(
        name=name, task=known, cron=when, body=known.codec.encode([word(text) for text in values], {}),
        waiting=known.waiting, **chosen,
    )  # fmt: skip
    check(when)

    async def work(app: Forebay) -> tuple[Schedule, float]:
        now = await app.store.now()
        row = planned.row(now)
        await Control(app.engine, app.store, whoami()).add_schedule(row)
        return row, now

    row, now = with_app(app, work, create=True)
    output.show_one(form(), schedule(row), lambda: [f"{name}: {task} {when}, next {ago(row.next, now)}"])


@schedules.command()
@click.argument("names", nargs=-1, required=True, metavar="NAME...")
def run(names: tuple[str, ...]) -> None:
    """Run schedules now: enqueue what their next tick would. Their ticks stay as they are."""

    async def work(app: Forebay) -> list[dict[str, str]]:
        only(names, [row.name for row in await app.store.schedules()], "schedule")
        control = Control(app.engine, app.store, whoami())
        return [{"name": name, "id": str(await control.run_schedule(name))} for name in names]

    rows = with_app(the_app("schedules"), work)
    columns: list[Column[dict[str, str]]] = [
        Column("NAME", lambda row: row["name"]),
        Column("ID", lambda row: row["id"]),
    ]
    output.show(form(), rows, Table(columns, ""))
