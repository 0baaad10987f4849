"""`top`: queues and workers, live. Readings at intervals; a screen on a terminal, plain tables or objects elsewhere."""

import asyncio
import contextlib
from collections.abc import Callable, Generator
from typing import NamedTuple

import click

from forebay.app import Forebay
from forebay.cli import output
from forebay.cli.failing import Missing
from forebay.cli.kinds import SECONDS
from forebay.cli.screen import Screen
from forebay.cli.shared import Command, locator, the_app, with_app
from forebay.cli.shared import output as form
from forebay.cli.taken import taken
from forebay.engine.registry import place
from forebay.model.errors import EngineClosed, EngineError, SchemaTooNew, text_of
from forebay.observe.snapshot import Snapshot, rates, take
from forebay.observe.view import snapshot


class Show(NamedTuple):
    """How things are shown.

    Attributes:
        reading: called with each reading and the one before it, None at first.
        away: called when the engine cannot be read any more, with the reason; readings go on once it is back.
    """

    reading: Callable[[Snapshot | None, Snapshot], None]
    away: Callable[[str], None] = lambda why: click.echo(f"{why}; {AGAIN}", err=True)


#: What is said besides when there are no readings.
AGAIN = "readings go on once it answers"


@click.command(cls=Command)
@click.option("--interval", type=SECONDS, default="1s", show_default=True, help="Between readings; 100ms at least.")
@click.option("--count", type=click.IntRange(1), help="Stop after this many readings.")
def top(interval: float, count: int | None) -> None:
    """Show queues and workers, live, until q or Ctrl-C.

    Without a terminal it prints tables; -o ndjson prints an object per reading, -o json one with rates.
    """
    app = the_app("top")
    if form() == "json":
        count = 2
    with_app(app, lambda app: _run(app, max(0.1, interval), count))


async def _run(app: Forebay, interval: float, count: int | None) -> None:
    with _showing(Screen(place(app.settings), app.settings.lease, interval, locator())) as (show, stop):
        watching = asyncio.create_task(_watch(app, interval, count, show))
        stopping = asyncio.create_task(stop.wait())
        try:
            await asyncio.wait({watching, stopping}, return_when=asyncio.FIRST_COMPLETED)
        finally:  # also in the middle of a reading: an engine that does not answer must not keep anybody here
            stopping.cancel()
            watching.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await watching


async def _watch(app: Forebay, interval: float, count: int | None, show: Show) -> None:
    before, away, number = None, False, 0
    while True:
        try:
            now = await take(app.engine, app.store)
        except EngineError as error:
            if before is None or form() == "json" or isinstance(error, EngineClosed | SchemaTooNew):
                raise
            if not away:
                show.away(text_of(error))
            away = True
        else:
            show.reading(before, now)
            before, away, number = now, False, number + 1
        if number == count:
            return
        await asyncio.sleep(interval)


@contextlib.contextmanager
def _showing(screen: Screen) -> Generator[tuple[Show, asyncio.Event]]:
    """How readings are shown, by the form asked for and by where standard output leads; and what a key may set."""
    stop = asyncio.Event()
    if form() == "ndjson":
        yield Show(_show_object), stop
    elif form() == "json":
        yield Show(_show_second), stop
    elif not output.redraws():

        def show_table(before: Snapshot | None, now: Snapshot) -> None:
            *told, _ = screen.lines(before, now)  # the last line is about keys
            click.echo("\n".join([*told, ""]))

        yield Show(show_table), stop
    else:
        with _live(screen, stop) as show:
            yield show, stop


def _show_object(before: Snapshot | None, now: Snapshot) -> None:
    output.stream([_plain(before, now)])


def _show_second(before: Snapshot | None, now: Snapshot) -> None:
    if before is not None:
        output.show_one("json", _plain(before, now), list[str])


def _plain(before: Snapshot | None, now: Snapshot) -> object:
    return snapshot(now, {} if before is None else rates(before, now))


@contextlib.contextmanager
def _live(screen: Screen, stop: asyncio.Event) -> Generator[Show]:
    """The whole terminal, drawn anew at each reading, given back as it was."""
    try:
        from rich.console import Console
        from rich.live import Live
        from rich.text import Text
    except ImportError as error:
        raise Missing("rich", "top (on a terminal; -o ndjson needs nothing)") from error
    console = Console(highlight=False)
    live = Live(console=console, screen=True, auto_refresh=False)

    last: list[str] = []

    def draw(lines: list[str]) -> None:
        live.update(Text.from_ansi("\n".join(lines), no_wrap=True), refresh=True)

    def show(before: Snapshot | None, now: Snapshot) -> None:
        last[:] = screen.lines(before, now, console.height)
        draw(last)

    def away(why: str) -> None:
        draw([f"{why}; {AGAIN}", *last[: console.height - 1]])

    with taken(live.start, live.stop, lambda typed: stop.set() if b"q" in typed.lower() else None):
        yield Show(show, away)
