"""`messages`, `result`, `cancel`."""

import time
from collections.abc import Iterable, Sequence
from datetime import datetime
from functools import partial
from typing import Any

import click

from forebay.app import Forebay
from forebay.cli import output
from forebay.cli.failing import Code
from forebay.cli.human import ago
from forebay.cli.kinds import SECONDS
from forebay.cli.output import Column, Table, to_json
from forebay.cli.shared import Command, the_app, with_app
from forebay.cli.shared import output as form
from forebay.control import Control, whoami
from forebay.model.lifecycle import State
from forebay.observe.view import decoded, message
from forebay.store.contract import Found, Query

_TIMES = ("created", "due", "expires", "started", "finished")


def table(now: float) -> Table[Found]:
    """A listing of messages; ages are counted from `now`."""
    return Table(
        [
            Column("ID", lambda f: f.id),
            Column("STATE", lambda f: f.state),
            Column("QUEUE", lambda f: f.queue, flex=True),
            Column("TASK", lambda f: f.task or "-", flex=True),
            Column("TRY", lambda f: str(f.attempt), right=True),
            Column("CREATED", lambda f: ago(f.created, now), right=True),
            Column("DETAIL", lambda f: detail(f, now), flex=True),
        ],
        "no messages",
    )


def detail(found: Found, now: float) -> str:
    """The one thing that is worth a column for a message in its state."""
    match found.state:
        case State.SCHEDULED:
            return f"due {ago(found.due, now)}" + (f", after {found.failure}" if found.failure else "")
        case State.RUNNING:
            return f"for {ago(found.started, now).removesuffix(' ago')}, by {found.worker}"
        case State.DEAD | State.CANCELLED | State.EXPIRED | State.DISCARDED:
            return f"{found.cause}: {found.failure}" if found.failure else found.cause
        case State.DONE:
            return to_json(decoded(found.result))
        case _:
            return to_json(decoded(found.body))


async def listed(app: Forebay, query: Query) -> list[Found]:
    """Messages that match, with their payloads opened as far as the app has the keys."""
    return [app.producer.revealed(found) for found in await app.store.messages(query)]


def page(found: Sequence[Found], limit: int, now: float) -> None:
    """Print a listing, and how to see what comes after it."""
    form_ = form()
    if form_ == "table":
        output.show(form_, found, table(now))
        if len(found) == limit:
            output.note(f"there may be more: --after {found[-1].id}")
    else:
        output.show(form_, [message(one) for one in found], Table([], ""))


def story(found: Found, now: float) -> Iterable[str]:
    """One message, field by field."""
    for name, value in message(found).items():
        if value in (None, "", 0) or name == "failure":
            continue
        if name in _TIMES:
            yield f"{name:9} {_date(value)} ({ago(value, now)})"
        else:
            yield f"{name:9} {value if isinstance(value, str) else to_json(value)}"
    if found.failure is not None:
        yield f"failure   {found.failure}"
        yield from (f"          {line}" for line in found.failure.traceback.rstrip().splitlines())


def _date(value: float) -> str:
    """As this place writes it; a time that no calendar knows as it is."""
    try:
        return f"{datetime.fromtimestamp(value).astimezone():%Y-%m-%d %H:%M:%S %Z}"
    except (OverflowError, ValueError, OSError):
        return f"{value:g}"


def tell(found: Sequence[Found]) -> None:
    """Print messages with their whole story."""
    now = time.time()
    if form() == "ndjson" or len(found) > 1:
        for one in found:
            output.show_one("ndjson" if form() == "json" else form(), message(one), partial(story, one, now))
    else:
        output.show_one(form(), message(found[0]), lambda: story(found[0], now))


@click.command(cls=Command)
@click.argument("ids", nargs=-1, metavar="[ID]...")
@click.option("-Q", "--queue", help="Only of this queue.")
@click.option("--state", type=click.Choice([str(state) for state in State]), help="Only in this state.")
@click.option("--task", help="Only of this task.")
@click.option("--limit", type=click.IntRange(1, 100_000), default=50, show_default=True, help="How many at most.")
@click.option("--after", metavar="ID", help="Go on after this one.")
def messages(ids: tuple[str, ...], state: str | None, **chosen: Any) -> None:
    """List messages that wait or run, oldest first; with --state those in one state; with ID the whole story of one."""
    if ids:

        async def find(app: Forebay) -> list[Found]:
            return [await app.handle(id_).afind() for id_ in ids]

        tell(with_app(the_app("messages"), find))
        return
    query = Query(state=State(state) if state else None, **chosen)

    page(with_app(the_app("messages"), lambda app: listed(app, query)), query.limit, time.time())


@click.command(cls=Command)
@click.argument("id_", metavar="ID")
@click.option("--wait", "timeout", type=SECONDS, default=0.0, metavar="DURATION", help="Wait this long for its end.")
def result(id_: str, timeout: float) -> None:
    """Print the result of a message as JSON. Exits 1 if it has not ended, or ended without success."""

    async def work(app: Forebay) -> Any:
        return await app.handle(id_).aresult(timeout)

    click.echo(to_json(with_app(the_app("result"), work)))


@click.command(cls=Command)
@click.argument("ids", nargs=-1, required=True, metavar="ID...")
def cancel(ids: tuple[str, ...]) -> int:
    """Cancel messages: what waits ends at once, what runs is asked to stop. Exits 1 if one of them is unknown."""

    async def work(app: Forebay) -> list[State | None]:
        return await Control(app.engine, app.store, whoami()).cancel(ids)

    states = with_app(the_app("cancel"), work)
    rows: list[dict[str, Any]] = [
        {"id": id_, "state": None if state is None else str(state)} for id_, state in zip(ids, states, strict=True)
    ]
    columns: list[Column[dict[str, Any]]] = [Column("ID", lambda row: row["id"]), Column("STATE", _after_cancel)]
    output.show(form(), rows, Table(columns, ""))
    return Code.FAILURE if None in states else Code.OK


def _after_cancel(row: dict[str, Any]) -> str:
    if row["state"] is None:
        return "unknown: never accepted here, or ended long ago"
    return "asked to stop" if row["state"] == State.RUNNING else row["state"]
