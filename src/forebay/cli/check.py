"""`check`: the app as it would be deployed, without an engine: what cannot work, and what looks like a mistake."""

from collections.abc import Iterator

import click

from forebay.app import Forebay
from forebay.cli import output
from forebay.cli.failing import Code
from forebay.cli.human import wrapped
from forebay.cli.shared import Command, the_app
from forebay.cli.shared import output as form
from forebay.cli.table import Table
from forebay.engine.capabilities import require
from forebay.engine.registry import place, scheme_of
from forebay.model.clock import SystemClock
from forebay.model.errors import ForebayError
from forebay.model.finding import Finding, Level, fail, fine, warn
from forebay.model.plain import printable
from forebay.produce.needs import needs_of


@click.command(cls=Command)
@click.option("--strict", is_flag=True, help="Exit 1 for warnings too.")
def check(*, strict: bool) -> int:
    """Check the app, for CI: imports it, and looks at its tasks, queues and schedules. Opens no engine.

    Exits 0 if it can run, 1 if something in it cannot, 2 if it cannot be imported or is declared wrongly.
    """
    findings = list(_findings(the_app("check", required=True)))
    if form() == "table":
        for one in findings:
            _say(one)
    else:
        output.show(form(), findings, Table([], ""))
    bad = (Level.FAIL, Level.WARN) if strict else (Level.FAIL,)
    return Code.FAILURE if any(one.level in bad for one in findings) else Code.OK


def _say(one: Finding) -> None:
    lead = f"{one.level:4}  {one.check:10}  "
    text = one.text + (f" → {one.advice}" if one.advice else "")
    first, *rest = wrapped(printable(text), max(20, output.columns() - len(lead)))
    for start, line in [(lead, first), *((" " * len(lead), line) for line in rest)]:
        click.echo(output.painted([one.level], start + line))


def _findings(app: Forebay) -> Iterator[Finding]:
    yield _engine(app)
    yield from _runnable(app)
    yield from _queues(app)
    yield from _schedules(app)


def _engine(app: Forebay) -> Finding:
    """Where the messages are to be, and whether that has all that the app asks for."""
    try:
        require(scheme_of(app.settings), app.engine.capabilities, needs_of(app.registry))
    except ForebayError as error:
        return fail("engine", str(error), "nothing could be opened")
    return fine("engine", place(app.settings))


def _runnable(app: Forebay) -> Iterator[Finding]:
    tasks, consumers = app.registry.tasks, app.registry.consumers
    if tasks or consumers:
        yield fine("tasks", ", ".join(sorted([*tasks, *(f"consumer of {queue}" for queue in consumers)])))
    else:
        yield fail("tasks", "the app has no task and no consumer", "declare one, or import the modules that do")
    for queue in consumers:
        mixed = sorted(name for name, task in tasks.items() if task.waiting.queue == queue)
        if mixed:
            text = f"queue {queue} has a consumer of raw messages and the tasks {', '.join(mixed)}"
            yield fail("queues", text, "give the tasks another queue")


def _queues(app: Forebay) -> Iterator[Finding]:
    used = {task.waiting.queue for task in app.registry.tasks.values()} | set(app.registry.consumers)
    for name in sorted(set(app.registry.queues) - used):
        text = f"queue {name} is declared, and no task or consumer of this app uses it"
        yield warn("queues", text, "another app may; otherwise its messages wait for ever")
    if used:
        yield fine("queues", ", ".join(sorted(used)))


def _schedules(app: Forebay) -> Iterator[Finding]:
    now, good = SystemClock().now(), list[str]()
    for name, planned in sorted(app.registry.schedules.items()):
        try:
            good.append(f"{name} ({planned.row(now).cron})")
        except ForebayError as error:
            yield fail("schedules", f"{name}: {error}", "mend it: no worker could fire it")
    if good:
        yield fine("schedules", ", ".join(good))
