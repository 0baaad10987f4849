"""`dead list|show|redrive|purge`: dead letters as a workflow."""

import sys
from collections.abc import Awaitable, Callable
from typing import Any

import click
import msgspec

from forebay.app import Forebay
from forebay.cli import output
from forebay.cli.failing import Code
from forebay.cli.ids import whole
from forebay.cli.messages import page, tell
from forebay.cli.progress import Bar
from forebay.cli.shared import Group, the_app, timed, with_app
from forebay.cli.shared import output as form
from forebay.control import Control, describe, whoami
from forebay.model.errors import NoSuchMessage
from forebay.model.lifecycle import State
from forebay.store.records import Choice, Found, Query


@click.group(cls=Group)
def dead() -> None:
    """Dead letters: messages that failed for good, kept until somebody redrives or purges them."""


@dead.command("list")
@click.option("-Q", "--queue", help="Only of this queue.")
@click.option("--task", help="Only of this task.")
@click.option("--key", help="Only with this key.")
@click.option("--limit", type=click.IntRange(1, 100_000), default=50, show_default=True, help="How many at most.")
@click.option("--after", metavar="ID", help="Continue after this message.")
def list_(**chosen: Any) -> None:
    """List them, oldest first."""
    page(the_app("dead list"), Query(state=State.DEAD, **chosen))


@dead.command()
@click.argument("ids", nargs=-1, required=True, metavar="ID...")
def show(ids: tuple[str, ...]) -> None:
    """Show arguments, cause and traceback."""

    async def work(app: Forebay) -> list[Found]:
        found = [await app.handle(id_).afind() for id_ in await whole(app, ids)]
        for one in found:
            if one.state is not State.DEAD:
                raise NoSuchMessage(f"message {one.id} is {one.state}, not dead: see `forebay messages {one.id}`")
        return found

    found, now = timed(the_app("dead show"), work)
    tell([(one, "") for one in found], now)


def _choice(command: Callable[..., int]) -> Callable[..., int]:
    """The ways to choose dead letters: by id, by queue, task and key, or all."""
    command = click.argument("ids", nargs=-1, metavar="[ID]...")(command)
    command = click.option("-Q", "--queue", help="Those of this queue.")(command)
    command = click.option("--task", help="Those of this task.")(command)
    command = click.option("--key", help="Those with this key.")(command)
    return click.option("--all", "everything", is_flag=True, help="All of them.")(command)


class Wanted(msgspec.Struct, kw_only=True):
    """What the command line chose."""

    ids: tuple[str, ...]
    queue: str | None
    task: str | None
    key: str | None
    everything: bool

    def choice(self) -> Choice:
        """It as the verbs take it.

        Raises:
            UsageError: nothing, or too much, is chosen.
        """
        named = [self.queue, self.task, self.key] != [None, None, None]
        if sum((bool(self.ids), named, self.everything)) != 1:
            text = "name ids, or choose by -Q, --task and --key, or --all: one of the three"
            raise click.UsageError(text, click.get_current_context())
        return Choice(ids=self.ids or None, queue=self.queue, task=self.task, key=self.key)


@dead.command()
@_choice
def redrive(**chosen: Any) -> int:
    """Make them ready again, with attempts counted from 0.

    Exits 1 if an id is not of a dead letter, or one that is named stays dead: its unique key is taken.
    """
    return _carry_out(
        "redriven", Wanted(**chosen).choice(), lambda control, choice, report: control.redrive(choice, report)
    )


@dead.command()
@_choice
@click.option("--yes", is_flag=True, help="Do not ask.")
def purge(*, yes: bool, **chosen: Any) -> int:
    """Discard them for good. Exits 1 if an id is not of a dead letter."""
    choice = Wanted(**chosen).choice()
    return _carry_out("purged", choice, lambda control, choice, report: control.purge(choice, report), ask=not yes)


def _carry_out(
    done: str,
    choice: Choice,
    act: Callable[[Control, Choice, Callable[[int], None]], Awaitable[int]],
    *,
    ask: bool = False,
) -> int:
    unknown = list[str]()

    async def work(app: Forebay) -> int:
        control, meant = Control(app.engine, app.store, whoami()), choice
        if choice.ids is not None:
            meant = msgspec.structs.replace(choice, ids=await whole(app, choice.ids))
        before = await _found(app, meant)
        unknown.extend(_not_dead(before))
        total = await control.dead(meant)
        if ask and total:
            confirm(f"Discard {_letters(meant, total)} for good?")
        with Bar(done, total) as bar:
            count = await act(control, meant, bar.advance)
        if done == "redriven":
            unknown.extend(_still_dead(before, await _found(app, meant)))
        return count

    count = with_app(the_app("dead"), work)
    output.show_one(form(), {done: count}, lambda: [f"{done} {count:,}"])
    for line in unknown:
        output.note(line)
    return Code.FAILURE if unknown else Code.OK


async def _found(app: Forebay, choice: Choice) -> dict[str, Found | None]:
    """What is known of each message that is named."""
    ids = choice.ids or ()
    return dict(zip(ids, await app.store.find(ids), strict=True))


def _not_dead(found: dict[str, Found | None]) -> list[str]:
    """What to say of each id that is not of a dead letter."""
    return [
        f"{id_}: {'unknown: never accepted here, or ended long ago' if one is None else f'{one.state}, not dead'}"
        for id_, one in found.items()
        if one is None or one.state is not State.DEAD
    ]


def _still_dead(before: dict[str, Found | None], after: dict[str, Found | None]) -> list[str]:
    """What to say of each dead letter that was left as it was; one that ran meanwhile, and failed anew, was not."""
    return [
        f"{id_}: stays dead, for its unique key {then.unique} is taken by a message that waits or runs"
        for id_, then in before.items()
        if then is not None and then.state is State.DEAD and then.unique is not None and after[id_] == then
    ]


def _letters(choice: Choice, total: int) -> str:
    """What is meant, in words; by task or key only a bound of the number is known."""
    if choice.task or choice.key:
        return f"the dead letters of {describe(choice)}, {total:,} at most,"
    return f"{total:,} dead {'letter' if total == 1 else 'letters'}"


def confirm(question: str) -> None:
    """Ask, where somebody is there to answer.

    Raises:
        UsageError: nobody is. Abort: the answer is no.
    """
    if not sys.stdin.isatty():
        raise click.UsageError("nobody is there to confirm: add --yes", click.get_current_context())
    click.confirm(question, abort=True, err=True)
