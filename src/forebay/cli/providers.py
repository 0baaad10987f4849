"""`providers [list|open|close|probe]`."""

from collections.abc import Sequence
from typing import Any

import click
import msgspec

from forebay.app import Forebay
from forebay.cli import output
from forebay.cli.human import ago, span
from forebay.cli.shared import Group, only, the_app, timed, with_app
from forebay.cli.shared import output as form
from forebay.cli.table import Column, Table
from forebay.control import Control, whoami
from forebay.model.duration import seconds
from forebay.model.errors import ConfigError
from forebay.observe.keys import told
from forebay.observe.providers import Shown, shown
from forebay.provider.operate import Act


@click.group(cls=Group, invoke_without_command=True)
@click.pass_context
def providers(ctx: click.Context) -> None:
    """List providers and how they stand, or open, close and probe them. Workers register their app's."""
    if ctx.invoked_subcommand is None:
        _list()


@providers.command("list")
def list_() -> None:
    """List them."""
    _list()


def _list() -> None:
    async def work(app: Forebay) -> list[Shown]:
        return await shown(app.engine, app.store)

    found, now = timed(the_app("providers"), work)
    columns: list[Column[Shown]] = [
        Column("NAME", lambda one: one.name, flex=True, least=8),
        Column("STATE", lambda one: one.state),
        Column("FOR", lambda one: span(max(0.0, now - one.since)), right=True, drop=2),
        Column("NEXT", lambda one: "-" if one.until is None else ago(one.until, now), right=True),
        Column("WAITING", lambda one: f"{one.waiting:,}", right=True),
        Column("RUNNING", _running, right=True),
        Column("SPENT", _spent, right=True, hide="-", drop=5),
        Column("CALLS", lambda one: f"{one.calls:,}", right=True, drop=3),
        Column("FAILED", lambda one: f"{one.failures:,}", right=True, drop=1),
        Column("PARKED", lambda one: f"{one.parks:,}", right=True, drop=4),
        Column("WHY", _why, flex=True, least=26, hide="", wrap=True),
    ]
    empty = "no providers: a worker of an app with app.provider(...) registers them"
    output.show(form(), found if form() == "table" else msgspec.to_builtins(found), Table(columns, empty))


def _why(one: Shown) -> str:
    """Its name stands in the row already; and which of its keys hold up what waits for them."""
    own = one.why.removeprefix(f"provider {one.name} ")
    return "; ".join(text for text in (own, told(one.keys, one.more_keys)) if text)


def _running(one: Shown) -> str:
    return f"{one.running:,} of {one.slots:,}" if one.slots else f"{one.running:,}"


def _spent(one: Shown) -> str:
    """Of each budget, how much is spent."""
    return ", ".join(f"{budget.spent / budget.amount:.0%} of {budget.budget}" for budget in one.budgets) or "-"


@providers.command("open")
@click.argument("names", nargs=-1, required=True, metavar="NAME...")
@click.option("--for", "lasts", metavar="DURATION", help="Probe it after this time, such as 1h; else it stays open.")
@click.option("--reason", default="", help="Why, for whoever looks.")
def open_(names: tuple[str, ...], lasts: str | None, reason: str) -> None:
    """Stop asking providers: nothing that depends on them starts; what waits uses up no attempt."""
    left = None if lasts is None else seconds(lasts, "--for")
    if left == 0:
        raise ConfigError("--for is a time from now: leave it out to have it open until you close it")
    _act(names, Act.OPEN, reason, left)


@providers.command()
@click.argument("names", nargs=-1, required=True, metavar="NAME...")
def close(names: tuple[str, ...]) -> None:
    """Ask providers as usual again, whatever their breaker says and whatever time they have named."""
    _act(names, Act.CLOSE)


@providers.command()
@click.argument("names", nargs=-1, required=True, metavar="NAME...")
def probe(names: tuple[str, ...]) -> None:
    """Let one call through now, to see whether a provider answers."""
    _act(names, Act.PROBE)


def _act(names: Sequence[str], act: Act, reason: str = "", lasts: float | None = None) -> None:
    async def work(app: Forebay) -> list[Shown]:
        there = await shown(app.engine, app.store)
        only(names, [one.name for one in there], "provider")
        control = Control(app.engine, app.store, whoami())
        for name in names:
            await control.provider(name, act, reason, lasts)
        return [one for one in await shown(app.engine, app.store) if one.name in names]

    rows: list[Any] = with_app(the_app("providers"), work)
    columns: list[Column[Shown]] = [
        Column("NAME", lambda one: one.name),
        Column("STATE", lambda one: one.state),
        Column("WHY", lambda one: one.why, flex=True, least=12, hide="", wrap=True),
    ]
    output.show(form(), rows if form() == "table" else msgspec.to_builtins(rows), Table(columns, ""))
