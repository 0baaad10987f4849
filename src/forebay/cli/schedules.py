"""`schedules [list|pause|resume|remove]`."""

import time
from typing import Any

import click

from forebay.app import Forebay
from forebay.cli import output
from forebay.cli.human import ago
from forebay.cli.output import Column, Table
from forebay.cli.shared import Group, only, the_app, with_app
from forebay.cli.shared import output as form
from forebay.control import Control, whoami
from forebay.observe.view import schedule
from forebay.store.contract import Schedule


@click.group(cls=Group, invoke_without_command=True)
@click.pass_context
def schedules(ctx: click.Context) -> None:
    """List cron schedules with their next tick, or pause, resume and remove them. A worker makes its app's known."""
    if ctx.invoked_subcommand is None:
        _list()


@schedules.command("list")
def list_() -> None:
    """List them."""
    _list()


def _list() -> None:
    async def work(app: Forebay) -> list[Schedule]:
        return await app.store.schedules()

    found, now = with_app(the_app("schedules"), work), time.time()
    columns: list[Column[Schedule]] = [
        Column("NAME", lambda s: s.name, flex=True),
        Column("CRON", lambda s: s.cron),
        Column("ZONE", lambda s: s.tz),
        Column("QUEUE", lambda s: s.message.queue, flex=True),
        Column("MISSED", lambda s: s.missed),
        Column("LAST", lambda s: ago(s.last, now), right=True),
        Column("NEXT", lambda s: "-" if s.paused or not s.next else ago(s.next, now), right=True),
        Column("STATE", lambda s: "paused" if s.paused else "on"),
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
    """Stop schedules from firing."""
    _switch(names, paused=True)


@schedules.command()
@click.argument("names", nargs=-1, required=True, metavar="NAME...")
def resume(names: tuple[str, ...]) -> None:
    """Let schedules fire again; ticks missed meanwhile count as missed."""
    _switch(names, paused=False)


@schedules.command()
@click.argument("names", nargs=-1, required=True, metavar="NAME...")
def remove(names: tuple[str, ...]) -> None:
    """Forget schedules that the code no longer has. A worker whose app still has one makes it known when it starts."""

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
