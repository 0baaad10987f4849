"""`cancel`, `purge`: stopping messages, one by one or many at once."""

from collections.abc import Sequence
from typing import Any

import click
import msgspec

from forebay.app import Forebay
from forebay.cli import output
from forebay.cli.dead import confirm
from forebay.cli.failing import Code
from forebay.cli.ids import whole
from forebay.cli.progress import Bar
from forebay.cli.shared import Command, depths, only, the_app, with_app
from forebay.cli.shared import output as form
from forebay.cli.table import Column, Table
from forebay.control import Control, describe, whoami
from forebay.model.lifecycle import State
from forebay.store.records import Choice

#: States in which a message waits.
_WAITING = (State.READY, State.SCHEDULED, State.PARKED)


@click.command(cls=Command)
@click.argument("ids", nargs=-1, metavar="[ID]...")
@click.option("-Q", "--queue", help="All that wait or run on this queue.")
@click.option("--task", help="All of this task.")
@click.option("--key", help="All with this key.")
@click.option("--yes", is_flag=True, help="Do not ask.")
def cancel(ids: tuple[str, ...], *, yes: bool, **chosen: Any) -> int:
    """Cancel messages: waiting ones end at once, running ones are asked to stop.

    By id, or all of a queue, a task, a key (together: those that match all). Exits 1 if an id is unknown.
    """
    if bool(ids) == any(chosen.values()):
        raise click.UsageError("name ids, or choose by -Q, --task and --key", click.get_current_context())
    if not ids:
        _many("cancelled", Choice(**chosen), (), ask=not yes)
        return Code.OK
    return _by_id(ids)


@click.command(cls=Command)
@click.argument("queue", metavar="QUEUE")
@click.option("--task", help="Only those of this task.")
@click.option("--key", help="Only those with this key.")
@click.option("--state", type=click.Choice([str(state) for state in _WAITING]), help="Only those in this state.")
@click.option("--yes", is_flag=True, help="Do not ask.")
def purge(queue: str, *, state: str | None, yes: bool, **chosen: Any) -> None:
    """Cancel all waiting messages of a queue. Running ones continue; dead letters stay (see `dead purge`)."""
    states = _WAITING if state is None else (State(state),)
    _many("purged", Choice(queue=queue, **chosen), states, ask=not yes)


def _by_id(ids: tuple[str, ...]) -> int:
    async def work(app: Forebay) -> list[tuple[str, State | None]]:
        meant = await whole(app, ids)
        states = await Control(app.engine, app.store, whoami()).cancel(meant)
        return list(zip(meant, states, strict=True))

    done = with_app(the_app("cancel"), work)
    rows: list[dict[str, Any]] = [{"id": id_, "state": state and str(state)} for id_, state in done]
    columns: list[Column[dict[str, Any]]] = [Column("ID", lambda row: row["id"]), Column("STATE", _after_cancel)]
    output.show(form(), rows, Table(columns, ""))
    return Code.FAILURE if any(state is None for _, state in done) else Code.OK


def _many(done: str, choice: Choice, states: Sequence[State], *, ask: bool) -> None:
    """Cancel what is chosen, only in some states if any are named."""

    async def work(app: Forebay) -> int:
        if choice.queue is not None:
            only([choice.queue], [depth.queue for depth in await depths(app)], "queue")
        control = Control(app.engine, app.store, whoami())
        total = await control.waiting(choice)
        if ask and total:
            state = states[0] if len(states) == 1 else None
            what = describe(msgspec.structs.replace(choice, state=state))
            confirm(f"Cancel the messages of {what}, {total:,} at most?")
        with Bar(done, total) as bar:
            if states:
                return await control.purge_queue(choice, states, bar.advance)
            return await control.cancel_all(choice, bar.advance)

    count = with_app(the_app("cancel"), work)
    output.show_one(form(), {done: count}, lambda: [f"{done} {count:,}"])


def _after_cancel(row: dict[str, Any]) -> str:
    if row["state"] is None:
        return "unknown: never accepted here, or ended long ago"
    return "asked to stop" if row["state"] == State.RUNNING else row["state"]
