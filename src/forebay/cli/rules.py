"""`rules [list|add|remove]`."""

from collections.abc import Iterable, Sequence
from typing import Any

import click
import msgspec

from forebay.app import Forebay
from forebay.cli import output
from forebay.cli.human import ago, span
from forebay.cli.shared import Group, depths, only, the_app, timed, with_app
from forebay.cli.shared import output as form
from forebay.cli.table import Column, Table
from forebay.control import RuleControl, whoami
from forebay.flow.grant import shown
from forebay.model.rule import Do, Rule
from forebay.produce.rules import Preview, RuleWays, made, preview, time_of, unserved


@click.group(cls=Group, invoke_without_command=True)
@click.pass_context
def rules(ctx: click.Context) -> None:
    """List rules, or add and remove them: pause, throttle, reroute or drop messages without a deploy."""
    if ctx.invoked_subcommand is None:
        _list()


@rules.command("list")
def list_() -> None:
    """List them: what each is about and does, until when, and how many messages it was carried out on."""
    _list()


def _list() -> None:
    async def work(app: Forebay) -> list[Rule]:
        return await app.rules.alist()

    found, now = timed(the_app("rules"), work)
    columns: list[Column[Rule]] = [
        Column("NAME", lambda one: one.name, flex=True, least=8),
        Column("DO", does),
        Column("ABOUT", about, flex=True, least=12, wrap=True),
        Column("MET", lambda one: f"{one.met:,}", right=True),
        Column("UNREAD", lambda one: f"{one.unread:,}", right=True, hide="0"),
        Column("LEFT", lambda one: "ever" if one.until is None else span(max(0.0, one.until - now)), right=True),
        Column("SINCE", lambda one: ago(one.since, now), right=True, drop=2),
        Column("BY", lambda one: one.by, drop=1),
        Column("WHY", lambda one: one.reason, flex=True, least=12, hide="", wrap=True),
    ]
    rows: list[Any] = list(found) if form() == "table" else [_plain(one) for one in found]
    output.show(form(), rows, Table(columns, "no rules"))


def _plain(rule: Rule) -> dict[str, Any]:
    return {name: getattr(rule, name) for name in Rule.__struct_fields__}


def does(rule: Rule) -> str:
    """What it does, in words."""
    pace = [shown(rule.rate)] if rule.rate is not None else []
    pace += [f"{rule.concurrency:,} at a time"] if rule.concurrency is not None else []
    return " ".join([str(rule.do), *(["to", rule.to] if rule.to else []), " and ".join(pace)]).strip()


def _end(rule: Rule) -> str:
    """How to end it, and what that does not bring back."""
    command = f"`forebay rules remove {rule.name}`"
    if rule.do is Do.DROP:
        return f"{command} ends it, and does not bring back what it has dropped"
    if rule.do is Do.REROUTE:
        return f"{command} ends it, and what it has moved stays there"
    return f"take it back with {command}"


def about(rule: Rule) -> str:
    """What it is about, in words."""
    names = [f"{name} {value}" for name in ("queue", "task", "key") if (value := getattr(rule, name)) is not None]
    return ", ".join([*names, *([rule.where] if rule.where else [])])


@rules.command()
@click.option("--queue", metavar="NAME", help="Only messages of this queue.")
@click.option("--task", metavar="NAME", help="Only messages of this task.")
@click.option("--key", metavar="KEY", help="Only messages of this key.")
@click.option("--where", metavar="CONDITION", help="""Only those that meet it, such as 'args.to ~ "@example.com"'.""")
@click.option("--do", type=click.Choice([str(one) for one in Do]), required=True, help="What becomes of them.")
@click.option("--to", metavar="QUEUE", help="Where a reroute leads.")
@click.option("--rate", metavar="RATE", help="How many of them start, such as 5/s (throttle).")
@click.option("--concurrency", type=int, metavar="N", help="How many of them run at a time (throttle).")
@click.option("--for", "lasts", metavar="DURATION", help="How long, such as 2h; else until it is removed.")
@click.option("--reason", metavar="TEXT", help="Why, for whoever looks.")
@click.option("--name", metavar="NAME", help="How it is called; else it gets a name.")
@click.option("--dry-run", is_flag=True, help="Only say how many of the waiting messages it would match.")
def add(lasts: str | None, do: str, dry_run: bool, **ways: Any) -> None:
    """Add a rule. Workers follow it within two seconds, and forget it when its time has passed.

    Of several rules that match, one counts: a pause, else a drop, else a reroute, else a throttle; the older first.
    """
    given: RuleWays = {name: value for name, value in ways.items() if value is not None}  # type: ignore[assignment]
    rule, left = made(do, given), time_of(lasts, "--for")
    app = the_app("rules")

    async def look(app: Forebay) -> tuple[Preview, list[str]]:
        return await preview(app.store, app.producer.seal, rule), await _strange(app, rule)

    async def work(app: Forebay) -> tuple[Rule, list[str]]:
        added = await RuleControl(app.engine, app.store, whoami()).add(rule, left)
        return added, [await unserved(app.store, added), *await _strange(app, rule)]

    if dry_run:
        found, strange = with_app(app, look)
        _warn(strange)
        if form() == "table":
            _told(found)
        else:
            output.show(form(), [msgspec.to_builtins(found)], Table([], ""))
        return
    added, warnings = with_app(app, work)
    _warn(warnings)
    if form() == "table":
        until = "until it is removed" if left is None else f"for {span(left)}"
        output.say(f"{added.name}: {does(added)}, {until}; {_end(added)}")
    else:
        output.show(form(), [_plain(added)], Table([], ""))


async def _strange(app: Forebay, rule: Rule) -> list[str]:
    """What it is about and nobody here knows: a typing error, or something that is to come."""
    tasks, queues = app.registry.tasks, [depth.queue for depth in await depths(app)]
    said: list[str] = []
    if rule.task is not None and tasks and rule.task not in tasks:
        said.append(f"this app has no task {rule.task!r}: it has {_some(tasks)}")
    if rule.queue is not None and rule.queue not in queues:
        said.append(f"there is no queue {rule.queue!r}: there is {_some(queues)}")
    return said


def _some(names: Iterable[str]) -> str:
    return ", ".join(sorted(names)[:20]) or "none yet"


def _warn(warnings: Sequence[str]) -> None:
    for warning in filter(None, warnings):
        output.note(f"warning: {warning}")


def _told(found: Preview) -> None:
    """A preview, for people."""
    part = "" if found.whole else " of the oldest; there are more"
    output.say(f"it would match {found.matched:,} of {found.looked:,} waiting messages{part}")
    if found.ids:
        output.say(f"such as {', '.join(found.ids)}")
    if found.unread:
        output.say(f"{found.unread:,} cannot be judged and would be left as they are: {found.why}")
    if found.warning:
        output.note(f"warning: {found.warning}")
    output.say("nothing was changed")


@rules.command()
@click.argument("names", nargs=-1, required=True, metavar="NAME...")
def remove(names: tuple[str, ...]) -> None:
    """Remove rules. What they held up goes on."""

    async def work(app: Forebay) -> None:
        only(names, [one.name for one in await app.rules.alist()], "rule")
        for name in names:
            await app.rules.aremove(name)

    with_app(the_app("rules"), work)
    if form() == "table":
        for name in names:
            output.say(f"{name}: removed")
    else:
        output.show(form(), [{"name": name, "removed": True} for name in names], Table([], ""))
