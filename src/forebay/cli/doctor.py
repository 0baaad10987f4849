"""`doctor`, `migrate`: what is wrong and what to do; the stored schema brought up to date."""

import asyncio
from collections.abc import Iterator, Sequence

import click
import msgspec

from forebay.app import Forebay
from forebay.cli import output
from forebay.cli.failing import Code
from forebay.cli.human import wrapped
from forebay.cli.output import painted
from forebay.cli.shared import Command, locator, the_app, with_app
from forebay.cli.shared import output as form
from forebay.cli.table import Table
from forebay.config import Settings, masked
from forebay.engine.backend import Checks, Scripted
from forebay.engine.registry import build
from forebay.model.clock import SystemClock
from forebay.model.errors import ConfigError, EngineError, EngineUnreachable, ForebayError, SchemaTooNew
from forebay.model.finding import Finding, Level, fail, unusable
from forebay.model.outcome import SNOOZED
from forebay.model.plain import printable
from forebay.observe import health
from forebay.observe.providers import Shown, shown
from forebay.observe.snapshot import Snapshot, take
from forebay.observe.why import handed_back
from forebay.store.records import AuditLine, Route

#: The reading before the present one if there is one, that, why messages were handed back, and dates of messages.
Look = tuple[Snapshot | None, Snapshot, list[tuple[str, str, int]], list[float]]

#: Seconds between two readings.
_BETWEEN = 1.0
#: Messages, and ends, that are looked at for a date that is to come.
_NEWEST = 50
#: Lines of the audit in which is looked who paused what.
_AUDITS = 500


@click.command(cls=Command)
@click.option("--quick", is_flag=True, help="Do not read the whole file.")
@click.option("--strict", is_flag=True, help="Exit 4 for warnings too.")
def doctor(*, quick: bool, strict: bool) -> int:
    """Look for problems, and say what to do. Changes nothing.

    Exits 0 if nothing failed, 4 if something did, 3 if the engine cannot be used at all.
    """
    app = the_app("doctor")
    checks = _checks(app)
    findings = list(checks.examine(deep=not quick))
    needed = [one for one in findings if one.check in checks.needed and one.level is not Level.OK]
    out = any(one.level is Level.FAIL for one in needed)
    if not needed:
        found, out = _flow(app)
        findings += found
    _print(findings)
    if out:
        return Code.UNREACHABLE
    bad = (Level.FAIL, Level.WARN) if strict else (Level.FAIL,)
    return Code.UNHEALTHY if any(one.level in bad for one in findings) else Code.OK


def _flow(app: Forebay) -> tuple[list[Finding], bool]:
    """What is wrong with what is in it, and whether the engine lets nobody look."""
    try:
        (before, now, causes, created), providers, audits, routes = with_app(app, _all)
        now = health.credited(now, audits)
        found = health.examine(now, app.settings.lease, locator(), causes, before, created=created, providers=providers)
        return [*found, *health.under_way(routes)], False
    except EngineError as error:
        return [unusable("engine", error, "see what else was found")], isinstance(error, EngineUnreachable)
    except (ForebayError, ArithmeticError, LookupError, TypeError, ValueError) as error:  # of rows that nobody foresaw
        why = f"{type(error).__name__}: {error}"
        return [fail("engine", f"what is in it cannot be read: {why}", "see what else was found; report this")], False


async def _all(app: Forebay) -> tuple[Look, list[Shown], list[AuditLine], list[Route]]:
    moves, audits = app.backend.moves, await app.store.audits(_AUDITS)
    return await _look(app), await shown(app.engine, app.store), audits, [] if moves is None else await moves.routes()


async def _look(app: Forebay) -> Look:
    """The present reading; the one before it if there is what only two of them tell; and dates of messages."""
    before, now, causes = None, await take(app.engine, app.store), list[tuple[str, str, int]]()
    if health.saturated(now):
        await asyncio.sleep(_BETWEEN)
        before, now = now, await take(app.engine, app.store)
    for depth in now.queues:
        if depth.scheduled:
            causes += [
                (depth.queue, cause, count) for cause, count in await handed_back(app.store, depth) if cause != SNOOZED
            ]
    created = [found.created for found in await app.store.latest(_NEWEST) if found.created is not None]
    return before, now, causes, created


def _checks(app: Forebay) -> Checks:
    """The checks of its engine; refuses one that nothing can be seen of from here."""
    if not app.engine.capabilities.shared:
        raise ConfigError(
            f"{masked(app.settings.url)} lives inside one process and cannot be seen from here: use sqlite:///name.db"
        )
    if app.backend.checks is None:
        raise ConfigError(f"{masked(app.settings.url)}: this engine has nothing to check")
    return app.backend.checks


def _print(findings: Sequence[Finding]) -> None:
    if form() != "table":
        output.show(form(), findings, Table([], ""))
        return
    width = max((len(one.check) for one in findings), default=0)
    for one in findings:
        _paragraph(f"{one.level:4}  {one.check:{width}}  ", one.text, one.level)
        if one.advice:
            _paragraph(f"{'':{width + 8}}→ ", one.advice, "")
    output.say(_verdict(findings))


def _paragraph(lead: str, text: str, level: str) -> None:
    """A text behind its lead, over as many lines as it needs."""
    first, *rest = wrapped(printable(text), max(20, output.columns() - len(lead)))
    for start, line in [(lead, first), *((" " * len(lead), line) for line in rest)]:
        click.echo(painted([level], start + line))


def _verdict(findings: Sequence[Finding]) -> str:
    counts = [sum(one.level is level for one in findings) for level in (Level.FAIL, Level.WARN)]
    if not any(counts):
        return "all is well"
    return " and ".join(
        _counted(count, word) for count, word in zip(counts, ("failure", "warning"), strict=True) if count
    )


def _counted(count: int, word: str) -> str:
    return f"{count} {word}{'' if count == 1 else 's'}"


@click.command(cls=Command)
@click.option("--check", is_flag=True, help="Change nothing; exit 1 if a migration is needed.")
@click.option("--dump-sql", is_flag=True, help="Print the SQL for it instead, for whoever may run it.")
def migrate(*, check: bool, dump_sql: bool) -> int:
    """Migrate the database schema, creating it if there is none. A newer schema is refused."""
    app = the_app("migrate")
    settings, checks = app.settings, _checks(app)
    if dump_sql:
        if not isinstance(checks, Scripted):
            raise ConfigError(f"{masked(settings.url)} has no SQL to print: run `forebay migrate` without --dump-sql")
        click.echo(checks.script(), nl=False)
        return Code.OK
    before, newest = checks.versions()
    if before > newest:
        raise SchemaTooNew(
            f"{masked(settings.url)} has schema {before}, this Forebay knows up to {newest}: upgrade Forebay"
        )
    after = before
    if before < newest and not check:
        asyncio.run(_open(msgspec.structs.replace(settings, migrate=True)))
        after, _ = checks.versions()
    answer = {"url": masked(settings.url), "before": before, "after": after, "newest": newest}
    output.show_one(form(), answer, lambda: _told(before, after, newest))
    return Code.OK if after == newest else Code.FAILURE


async def _open(settings: Settings) -> None:
    engine = build(settings, SystemClock())
    await engine.open()
    await engine.close()


def _told(before: int, after: int, newest: int) -> Iterator[str]:
    if before == newest:
        yield f"schema {before}: up to date"
    elif after == newest:
        yield f"schema {before or 'none'} → {after}"
    else:
        yield f"schema {before or 'none'}, {newest} is the newest: run `forebay migrate`"
