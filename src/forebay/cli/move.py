"""`move`: messages from one engine to another, in batches, with a bar; run again, it finishes what was interrupted."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Any

import click
import msgspec

from forebay import config
from forebay.cli import output
from forebay.cli.failing import Code
from forebay.cli.progress import Bar
from forebay.cli.shared import Command, current, only
from forebay.cli.shared import output as form
from forebay.cli.table import Column, Table
from forebay.config import Settings
from forebay.control import whoami
from forebay.engine.backend import Backend
from forebay.engine.capabilities import HOUSE
from forebay.engine.contract import Depth
from forebay.engine.registry import backend, place, scheme_of
from forebay.model.clock import SystemClock
from forebay.model.errors import ConfigError, EngineUnreachable, ForebayError, SchemaTooOld
from forebay.mover import BATCH, Moved, Mover, Side

#: Messages that cannot be stored, that are told one by one.
_REFUSALS = 5
#: Seconds that a note of an interrupted run may take: one of the sides may be why it was interrupted.
_NOTED = 3.0


class Wanted(msgspec.Struct, kw_only=True):
    """What the command line asked for."""

    queues: tuple[str, ...]
    source: str
    target: str
    everything: bool
    dry_run: bool
    wait: bool
    back: bool
    batch: int

    def check(self) -> None:
        """Raises UsageError if it asks for too little, or too much."""
        why = ""
        if current().url or current().app:
            why = "move takes --from and --to instead of --url and -A"
        elif self.back and (self.queues or self.everything or self.wait or self.dry_run):
            why = "--back puts back whatever is on the way: leave out queues, --all, --wait and --dry-run"
        elif not self.back and bool(self.queues) == self.everything:
            why = "name the queues to move, or all of them with --all" + (", not both" if self.everything else "")
        if why:
            raise click.UsageError(why, click.get_current_context())


@click.command(cls=Command)
@click.argument("queues", nargs=-1, metavar="[QUEUE]...")
@click.option("--from", "source", required=True, metavar="URL", help="The engine that they are in.")
@click.option("--to", "target", required=True, metavar="URL", help="The engine that they are to go to.")
@click.option("--all", "everything", is_flag=True, help="All queues.")
@click.option("--dry-run", is_flag=True, help="Count, and change nothing.")
@click.option("--wait", is_flag=True, help="Wait for what runs, and move what comes back of it.")
@click.option("--batch", type=click.IntRange(1, 20_000), default=BATCH, show_default=True, help="How many at a time.")
@click.option("--back", is_flag=True, help="Put back what an interrupted move has left on the way.")
def move(**asked: Any) -> int:
    """Move the waiting, scheduled, parked and dead messages of queues to another engine.

    Each goes with its id and history, and is in exactly one of the two whatever interrupts it: run the same command
    again to finish. Workers may run on both sides; what runs is left to finish where it is. Ended messages and results
    stay behind. Exits 1 if some have to stay.
    """
    wanted = Wanted(**asked)
    wanted.check()
    if wanted.back:
        return _between(wanted, _back)
    return _between(wanted, partial(_count if wanted.dry_run else _move, wanted))


def _between(wanted: Wanted, work: Callable[[Side, Side], Awaitable[int]]) -> int:
    """Open both sides, do the work, close them."""
    sides = [side_of(url, word) for url, word in ((wanted.source, "--from"), (wanted.target, "--to"))]
    for side in sides:
        _ready(side, there=side is sides[0])

    async def run() -> int:
        opened: list[Side] = []
        try:
            for side in sides:
                await side.parts.engine.open()
                opened.append(side)
            source, target = opened
            return await work(source, target)
        finally:
            for side in opened:
                await side.parts.engine.close()

    return asyncio.run(run())


def side_of(url: str, word: str, *, migrate: bool = False) -> Side:
    """The store behind a URL that was given as `word`, not yet opened; its schema is made, if `migrate` says so.

    Raises:
        ConfigError: there is no such engine, or it lives inside one process.
    """
    settings = msgspec.structs.replace(_settings(url), migrate=migrate)
    made: Backend = backend(settings, SystemClock())
    if not made.engine.capabilities.shared:
        raise ConfigError(f"{word}: {place(settings)} lives inside one process and cannot be seen from here")
    return Side(scheme_of(settings), place(settings), made)


def _settings(url: str) -> Settings:
    """Those in force, for another URL: what environment and pyproject.toml say of it means neither of the two."""
    settings = msgspec.structs.replace(config.load({})[0], url=url, store=None)
    has = HOUSE.get(scheme_of(settings))
    return settings if has is None or has.namespaces else msgspec.structs.replace(settings, namespace="")


def _ready(side: Side, *, there: bool) -> None:
    """Whether it can be opened without making anything; `there`: the messages are to be in it.

    Raises:
        SchemaTooOld: there is no schema of this version.
        EngineUnreachable: nothing is there.
    """
    side.moves  # noqa: B018 - raises if there are none
    if side.parts.checks is None:
        return
    found, newest = side.parts.checks.versions()
    if not found and there:
        raise EngineUnreachable(f"{side.place} holds nothing of Forebay: is this where the messages are?")
    if found < newest:
        what = f"schema {found} of {newest}" if found else "no schema of Forebay yet"
        raise SchemaTooOld(f"{side.place} has {what}: run `forebay migrate --url …` with its URL first")


async def _move(wanted: Wanted, source: Side, target: Side) -> int:
    depths = await _chosen(wanted, source)
    queues = [depth.queue for depth in depths]
    with Bar("moved", sum(map(_movable, depths))) as bar:
        mover = Mover(source, target, bar.advance, wait=wanted.wait, batch=wanted.batch)
        try:
            moved = await mover.run(queues)
        except (ForebayError, asyncio.CancelledError) as error:
            _tell(mover, error)
            await _note_part(source, target, queues, mover.moved)
            raise
    await _note(source, target, queues, mover.moved)
    output.show(form(), moved, Table(_COLUMNS, "nothing to move: there are no queues"))
    for refusal in mover.refusals[:_REFUSALS]:
        output.note(f"stays where it was: {refusal}")
    return _after(moved, len(mover.refusals))


def _tell(mover: Mover, error: BaseException) -> None:
    """How far it came, and what to do."""
    if isinstance(error, ConfigError) and not mover.moved:
        return  # refused before anything was moved: the same command would be refused again
    text = f"{mover.moved:,} had been moved by then, and nothing is lost: run the same command again to go on"
    if isinstance(error, ForebayError):
        error.args = (f"{error}; {text}",)
    else:
        output.note(f"interrupted: {text}")


def _after(moved: Sequence[Moved], refused: int) -> int:
    held, running = sum(one.held for one in moved), sum(one.running for one in moved)
    if running:
        output.note(
            f"{running:,} still run at the source, and end there: run the same command again for what comes back of "
            "them, or say --wait"
        )
    if held > refused:
        output.note(
            f"{held - refused:,} stay where they were, since live messages at the target have their unique keys: run "
            "the same command again when those have ended"
        )
    return Code.FAILURE if held else Code.OK


async def _count(wanted: Wanted, source: Side, target: Side) -> int:
    depths = await _chosen(wanted, source)
    await target.parts.engine.depth([])
    output.show(form(), [_row(depth) for depth in depths], Table(_COUNTS, "nothing to move: there are no queues"))
    under_way = sum(route.aside for route in await source.moves.routes())
    if under_way:
        output.note(f"{under_way:,} more are on the way since an earlier move")
    return Code.OK


async def _back(source: Side, target: Side) -> int:
    count = await Mover(source, target).back()
    await _note(source, target, ["--back"], count)
    output.show_one(form(), {"returned": count}, lambda: [f"returned {count:,}"])
    return Code.OK


async def _chosen(wanted: Wanted, source: Side) -> list[Depth]:
    known = sorted(await source.parts.engine.depth(), key=lambda depth: depth.queue)
    only(wanted.queues, [depth.queue for depth in known], "queue")
    return [depth for depth in known if wanted.everything or depth.queue in wanted.queues]


async def _note(source: Side, target: Side, what: Sequence[str], count: int) -> None:
    detail = f"from={source.place} to={target.place} count={count}"
    for side in (source, target):
        await side.parts.audits.note(whoami(), "move", " ".join(what), detail)


async def _note_part(source: Side, target: Side, what: Sequence[str], count: int) -> None:
    """What an interrupted run has moved, on each side that takes a note now."""
    if not count:
        return
    detail = f"from={source.place} to={target.place} count={count} interrupted"
    notes = [side.parts.audits.note(whoami(), "move", " ".join(what), detail) for side in (source, target)]
    await asyncio.gather(*(asyncio.wait_for(note, _NOTED) for note in notes), return_exceptions=True)


def _movable(depth: Depth) -> int:
    return depth.ready + depth.scheduled + depth.parked + depth.dead


def _row(depth: Depth) -> dict[str, Any]:
    names = ("queue", "ready", "scheduled", "parked", "dead", "running")
    return {name: getattr(depth, name) for name in names}


def _number(name: str, row: Any) -> str:
    return f"{row[name] if isinstance(row, dict) else getattr(row, name):,}"


def _numbers(*names: str) -> list[Column[Any]]:
    return [Column(name.upper(), partial(_number, name), right=True) for name in names]


_COLUMNS: list[Column[Any]] = [
    Column("QUEUE", lambda row: row.queue, flex=True, least=8),
    *_numbers("moved", "dead", "known", "held", "running"),
]
_COUNTS: list[Column[Any]] = [
    Column("QUEUE", lambda row: row["queue"], flex=True, least=8),
    *_numbers("ready", "scheduled", "parked", "dead", "running"),
]
