"""`messages`, `result`, `cancel`."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import Any

import click

from forebay.app import Forebay
from forebay.cli import output
from forebay.cli.human import ago, short, span
from forebay.cli.ids import whole
from forebay.cli.kinds import SECONDS
from forebay.cli.output import to_json
from forebay.cli.shared import Command, depths, only, the_app, timed, with_app
from forebay.cli.shared import output as form
from forebay.cli.table import Column, Table
from forebay.cli.waiting import patiently
from forebay.cli.why import reasons
from forebay.engine.contract import Depth
from forebay.model.lifecycle import FINAL, State
from forebay.model.message import Failure
from forebay.observe.view import decoded, message
from forebay.produce.context import ORIGIN, ORIGIN_TASK, PARENT, ROOT
from forebay.store.records import Found, Query

_CAUSED = (State.DEAD, State.CANCELLED, State.EXPIRED, State.DISCARDED)
_LIVE_COUNTS = ("ready", "scheduled", "running", "parked")
_END_COUNTS = ("done", "dead", "cancelled", "expired", "discarded")
_TIMES = ("created", "due", "expires", "started", "finished")


def table(now: float, state: State | None = None) -> Table[Found]:
    """A listing of messages; ages are counted from `now`. `state` is the one that all are in, if it is one."""
    return Table(
        [
            Column("ID", lambda f: f.id, short=lambda f: short(f.id)),
            Column("STATE", lambda f: f.state, drop=0 if state is None else 9),
            Column("QUEUE", lambda f: f.queue, flex=True, least=8),
            Column("TASK", lambda f: f.task or "-", flex=True, least=10, hide="-"),
            Column("ATTEMPT", lambda f: str(f.attempt), right=True, drop=3),
            Column("CREATED", lambda f: ago(f.created, now), right=True, drop=2),
            Column(
                "CAUSE" if state in _CAUSED else "DETAIL",
                lambda f: detail(f, now),
                short=lambda f: detail(f, now, brief=True),
                flex=True,
                least=30 if state in _CAUSED else 18,
                wrap=True,
            ),
        ],
        "",
    )


def detail(found: Found, now: float, *, brief: bool = False) -> str:
    """The one thing that is worth a column for a message in its state; `brief` where there is little room."""
    match found.state:
        case State.SCHEDULED:
            after = found.cause or told(found.failure)
            return f"due {ago(found.due, now)}" + (f", after {after}" if after else "")
        case State.RUNNING:
            worker = short(found.worker or "") if brief else found.worker
            return f"for {span(max(0.0, now - (found.started or now)))}, by {worker}"  # it may have begun since
        case State.DEAD | State.CANCELLED | State.EXPIRED | State.DISCARDED:
            return cause(found)
        case State.DONE:
            return to_json(decoded(found.result))
        case _:
            return found.cause or to_json(decoded(found.body))


def cause(found: Found) -> str:
    """Why a message ended as it did, each thing said once."""
    failure = found.failure
    if failure is None or str(failure) in found.cause or (failure.message and failure.message in found.cause):
        return found.cause
    return f"{found.cause}: {told(failure)}" if found.cause else told(failure)


def told(failure: Failure | None) -> str:
    """A failure for people: of our own exceptions the module says nothing."""
    text = "" if failure is None else str(failure)
    kind, colon, rest = text.partition(":")
    return f"{kind.rpartition('.')[2]}{colon}{rest}" if kind.startswith("forebay.") else text


def page(app: Forebay, query: Query) -> None:
    """Print a listing, and how to see what comes after it."""

    async def work(app: Forebay) -> tuple[list[Found], list[Depth]]:
        found, queues = await app.store.messages(query), await depths(app)
        if query.queue is not None and not found:
            only([query.queue], [depth.queue for depth in queues], "queue")
        return [app.producer.revealed(one) for one in found], queues

    (found, queues), now = timed(app, work)
    form_ = form()
    if form_ == "table":
        shown = table(now, query.state)
        output.show(form_, found, Table(shown.columns, nothing(query, queues)))
        if len(found) == query.limit:
            output.note(f"there may be more: --after {found[-1].id}")
    else:
        output.show(form_, [message(one) for one in found], Table([], ""))


def nothing(query: Query, depths: Sequence[Depth]) -> str:
    """What to say when no message matches: where there are some."""
    names = _LIVE_COUNTS if query.state is not None else _END_COUNTS
    here = [depth for depth in depths if query.queue in {None, depth.queue}]
    totals = {name: sum(getattr(depth, name) for depth in here) for name in names}
    there = ", ".join(f"{count:,} {name}" for name, count in totals.items() if count) or "none"
    given = {name: getattr(query, name) for name in ("queue", "task", "key", "unique")}
    where = "".join(f", {name} {value}" for name, value in given.items() if value is not None)
    if query.state is not None:
        return f"no {query.state} messages{where}; those that wait or run: {there}"
    return f"no message waits or runs{where}; ended up to now: {there}" + (" (see --state)" if there != "none" else "")


def story(found: Found, now: float, waits: str = "") -> Iterable[str]:
    """One message, field by field; `waits` is why it does."""
    for name, value in message(found).items():
        if value in (None, "", 0) or name == "failure":
            continue
        if name in _TIMES:
            yield f"{name:9} {_date(value)} ({ago(value, now)})"
        else:
            yield f"{name:9} {value if isinstance(value, str) else to_json(value)}"
        if name == "headers" and (family := came(found.headers or {})):
            yield f"{'made by':9} {family}"
        if name == "state" and waits:
            yield f"{'is' if found.state is State.RUNNING else 'waits':9} {waits}"
    if found.failure is not None:
        yield f"failure   {told(found.failure)}"
        yield from (f"          {line}" for line in found.failure.traceback.rstrip().splitlines())


def came(headers: Mapping[str, str]) -> str:
    """Which message made one, and of which family it is; "" if none did."""
    if (parent := headers.get(PARENT)) is None:
        return ""
    root = headers.get(ROOT, parent)
    first = "" if root == parent else f", of the family of {root}"
    return f"{headers.get(ORIGIN_TASK) or 'a message'} of queue {headers.get(ORIGIN, '')}: {parent}{first}"


def _date(value: float) -> str:
    """As this place writes it; a time that no calendar knows as it is."""
    try:
        return f"{datetime.fromtimestamp(value).astimezone():%Y-%m-%d %H:%M:%S %Z}"
    except (OverflowError, ValueError, OSError):
        return f"{value:g}"


def tell(found: Sequence[tuple[Found, str]], now: float) -> None:
    """Print messages with their whole story, and why they wait, as of `now`."""
    form_ = form()
    for one, waits in found:
        fields = {**message(one), **({"waits": waits} if waits else {})}
        one_of_many = form_ == "json" and len(found) > 1
        output.show_one("ndjson" if one_of_many else form_, fields, partial(story, one, now, waits))


async def _stories(app: Forebay, ids: tuple[str, ...]) -> list[tuple[Found, str]]:
    """Each message, and why it waits if it does."""
    found = [await app.handle(id_).afind() for id_ in await whole(app, ids)]
    return [(one, "" if one.state in FINAL else "; ".join(r.text for r in await reasons(app, one))) for one in found]


@click.command(cls=Command)
@click.argument("ids", nargs=-1, metavar="[ID]...")
@click.option("-Q", "--queue", help="Only of this queue.")
@click.option("--state", type=click.Choice([str(state) for state in State]), help="Only in this state.")
@click.option("--task", help="Only of this task.")
@click.option("--key", help="Only with this key.")
@click.option("--unique", help="Only with this unique key.")
@click.option("--limit", type=click.IntRange(1, 100_000), default=50, show_default=True, help="How many at most.")
@click.option("--after", metavar="ID", help="Continue after this message.")
def messages(ids: tuple[str, ...], state: str | None, **chosen: Any) -> None:
    """List waiting and running messages, oldest first; with --state those in that state; with ID all about it."""
    if ids:
        tell(*timed(the_app("messages"), partial(_stories, ids=ids)))
        return
    page(the_app("messages"), Query(state=State(state) if state else None, **chosen))


@click.command(cls=Command)
@click.argument("id_", metavar="ID")
@click.option(
    "--wait", "timeout", type=SECONDS, default=0.0, metavar="DURATION", help="Wait up to this long for it to end."
)
def result(id_: str, timeout: float) -> None:
    """Print the result of a message as JSON. Exits 1 if it has not ended, or has failed."""

    async def work(app: Forebay) -> Any:
        (one,) = await whole(app, [id_])
        return await patiently(app, one, timeout)

    click.echo(to_json(with_app(the_app("result"), work)))
