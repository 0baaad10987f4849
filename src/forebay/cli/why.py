"""`why`, `audit`: why a message or a queue waits, and who did what."""

from collections.abc import Sequence
from shlex import quote

import click

from forebay.app import Forebay
from forebay.cli import output
from forebay.cli.human import ago, wrapped
from forebay.cli.ids import whole
from forebay.cli.shared import Command, depths, locator, the_app, timed, with_app
from forebay.cli.shared import output as form
from forebay.cli.table import Column, Table
from forebay.flow.explain import Reason
from forebay.flow.retry import DEFAULT_ATTEMPTS
from forebay.model.errors import NoSuchMessage
from forebay.model.plain import printable
from forebay.observe.ticks import why_schedule
from forebay.observe.why import why_message, why_queue
from forebay.store.records import AuditLine, Found


@click.command(cls=Command)
@click.argument("what", metavar="ID|QUEUE|SCHEDULE")
def why(what: str) -> None:
    """Say why a message or a queue is waiting, or a schedule has not fired, and what to do about it."""

    async def work(app: Forebay) -> list[Reason]:
        queues = {depth.queue: depth for depth in await depths(app)}
        (id_,) = [what] if what in queues else await whole(app, [what])
        (found,) = await app.store.find([id_])
        if found is not None:
            return await reasons(app, found)
        if what in queues:
            return await why_queue(app.engine, app.store, queues[what], lease=app.settings.lease, app=locator())
        for schedule in await app.store.schedules():
            if schedule.name == what:
                return await why_schedule(app.store, schedule)
        raise NoSuchMessage(_nothing(app, what, list(queues)))

    answer = with_app(the_app("why"), work)
    if form() == "table":
        for line in sentences(answer):
            click.echo(line)
    else:
        output.show(form(), answer, Table([], ""))


def _nothing(app: Forebay, what: str, queues: Sequence[str]) -> str:
    """What is said of a name that is none of a queue, a message or a schedule."""
    if what in app.registry.tasks:
        return f"{what} is a task, not a message: `forebay messages --task {quote(what)}` lists its messages"
    there = ", ".join(queues[:20]) or "none yet"
    return f"{what} is no queue here (there is {there}), no schedule and no message: never accepted, or forgotten"


async def reasons(app: Forebay, found: Found) -> list[Reason]:
    """Why a message is where it is."""
    task = app.registry.tasks.get(found.task)
    attempts = None if task is None else task.running.retry.max_attempts or DEFAULT_ATTEMPTS
    lease = app.settings.lease
    return await why_message(app.engine, app.store, found, lease=lease, app=locator(), attempts=attempts)


def sentences(answer: Sequence[Reason]) -> list[str]:
    """Reasons as paragraphs, each with what to do."""
    room, lines = max(20, output.columns() - 2), list[str]()
    for reason in answer:
        lines += wrapped(printable(reason.text), room)
        lines += [f"  {line}" for line in wrapped(printable(f"→ {reason.advice}"), room)] if reason.advice else []
    return lines


@click.command(cls=Command)
@click.option("--limit", type=click.IntRange(1, 10_000), default=50, show_default=True, help="How many at most.")
@click.option(
    "--before", type=click.IntRange(1, 2**63 - 1), metavar="SEQ", help="Go on with those older than this line."
)
def audit(limit: int, before: int | None) -> None:
    """List what operators did, newest first: who, what, to what, how many."""

    async def work(app: Forebay) -> list[AuditLine]:
        return await app.store.audits(limit, before)

    found, now = timed(the_app("audit"), work)
    columns: list[Column[AuditLine]] = [
        Column("SEQ", lambda line: str(line.seq), right=True, drop=1),
        Column("WHEN", lambda line: ago(line.at, now), right=True),
        Column("WHO", lambda line: line.actor, flex=True, least=10),
        Column("WHAT", lambda line: line.verb),
        Column("TARGET", lambda line: line.target, flex=True, least=10),
        Column("DETAIL", lambda line: line.detail, flex=True, least=10, hide="", wrap=True),
    ]
    nothing = "nothing yet: pause, resume, cancel and the like leave a line" if before is None else "none older"
    output.show(form(), found, Table(columns, nothing))
