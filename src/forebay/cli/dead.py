"""`dead list|show|redrive|purge`: dead letters as a workflow."""

import sys
import time
from collections.abc import Awaitable, Callable
from typing import Any

import click

from forebay.app import Forebay
from forebay.cli import output
from forebay.cli.messages import listed, page, tell
from forebay.cli.progress import Bar
from forebay.cli.shared import Group, the_app, with_app
from forebay.cli.shared import output as form
from forebay.control import Chosen, Control, whoami
from forebay.model.errors import NoSuchMessage
from forebay.model.lifecycle import State
from forebay.store.contract import Found, Query


@click.group(cls=Group)
def dead() -> None:
    """Dead letters: messages that failed for good, kept with their story until somebody redrives or purges them."""


@dead.command("list")
@click.option("-Q", "--queue", help="Only of this queue.")
@click.option("--task", help="Only of this task.")
@click.option("--limit", type=click.IntRange(1, 100_000), default=50, show_default=True, help="How many at most.")
@click.option("--after", metavar="ID", help="Go on after this one.")
def list_(**chosen: Any) -> None:
    """List them, oldest first."""
    query = Query(state=State.DEAD, **chosen)

    page(with_app(the_app("dead list"), lambda app: listed(app, query)), query.limit, time.time())


@dead.command()
@click.argument("ids", nargs=-1, required=True, metavar="ID...")
def show(ids: tuple[str, ...]) -> None:
    """Show arguments, cause and traceback."""

    async def work(app: Forebay) -> list[Found]:
        found = [await app.handle(id_).afind() for id_ in ids]
        for one in found:
            if one.state is not State.DEAD:
                raise NoSuchMessage(f"message {one.id} is {one.state}, not dead: see `forebay messages {one.id}`")
        return found

    tell(with_app(the_app("dead show"), work))


def _choice(command: Callable[..., None]) -> Callable[..., None]:
    """The ways to choose dead letters: by id, by queue, or all."""
    command = click.argument("ids", nargs=-1, metavar="[ID]...")(command)
    command = click.option("-Q", "--queue", help="All of this queue.")(command)
    return click.option("--all", "everything", is_flag=True, help="All of them.")(command)


def _chosen(ids: tuple[str, ...], queue: str | None, *, everything: bool) -> Chosen:
    if sum((bool(ids), queue is not None, everything)) != 1:
        raise click.UsageError("name ids, or a queue with -Q, or --all: one of the three", click.get_current_context())
    return Chosen(ids=ids or None, queue=queue)


@dead.command()
@_choice
def redrive(ids: tuple[str, ...], queue: str | None, *, everything: bool) -> None:
    """Make them ready again, with attempts counted from 0."""
    chosen = _chosen(ids, queue, everything=everything)
    _carry_out("redriven", chosen, lambda control, report: control.redrive(chosen, report))


@dead.command()
@_choice
@click.option("--yes", is_flag=True, help="Do not ask.")
def purge(ids: tuple[str, ...], queue: str | None, *, everything: bool, yes: bool) -> None:
    """Discard them for good."""
    chosen = _chosen(ids, queue, everything=everything)
    _carry_out("purged", chosen, lambda control, report: control.purge(chosen, report), ask=not yes)


def _carry_out(
    done: str,
    chosen: Chosen,
    act: Callable[[Control, Callable[[int], None]], Awaitable[int]],
    *,
    ask: bool = False,
) -> None:
    async def work(app: Forebay) -> int:
        control = Control(app.engine, app.store, whoami())
        total = await control.dead(chosen)
        if ask and total:
            _confirm(total)
        with Bar(done, total) as bar:
            return await act(control, bar.advance)

    count = with_app(the_app("dead"), work)
    output.show_one(form(), {done: count}, lambda: [f"{done} {count:,}"])


def _confirm(total: int) -> None:
    if not sys.stdin.isatty():
        raise click.UsageError("nobody is there to confirm: add --yes", click.get_current_context())
    click.confirm(f"Discard {total:,} dead {'letter' if total == 1 else 'letters'} for good?", abort=True, err=True)
