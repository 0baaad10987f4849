"""`top`: queues and workers, live. Readings at intervals; a screen on a terminal, plain tables or objects elsewhere."""

import asyncio
import contextlib
import itertools
from collections.abc import Callable, Generator

import click

from forebay.app import Forebay
from forebay.cli import output
from forebay.cli.failing import Missing
from forebay.cli.kinds import SECONDS
from forebay.cli.screen import Screen
from forebay.cli.shared import Command, the_app, with_app
from forebay.cli.shared import output as form
from forebay.cli.taken import taken
from forebay.engine.registry import place
from forebay.observe.snapshot import Snapshot, rates, take
from forebay.observe.view import snapshot

#: Called with each reading and the one before it, None at first.
Show = Callable[[Snapshot | None, Snapshot], None]


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
    with _showing(Screen(place(app.settings), app.settings.lease, interval)) as (show, stop):
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
    before = None
    for number in itertools.count(1):
        now = await take(app.engine, app.store)
        show(before, now)
        if number == count:
            return
        before = now
        await asyncio.sleep(interval)


@contextlib.contextmanager
def _showing(screen: Screen) -> Generator[tuple[Show, asyncio.Event]]:
    """How readings are shown, by the form asked for and by where standard output leads; and what a key may set."""
    stop = asyncio.Event()
    if form() == "ndjson":
        yield (lambda before, now: output.stream([_plain(before, now)])), stop
    elif form() == "json":
        yield _show_second, stop
    elif not output.redraws():
        yield (lambda before, now: click.echo("\n".join([*screen.lines(before, now), ""]))), stop
    else:
        with _live(screen, stop) as show:
            yield show, stop


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

    def show(before: Snapshot | None, now: Snapshot) -> None:
        text = Text.from_ansi("\n".join(screen.lines(before, now, console.height)), no_wrap=True)
        live.update(text, refresh=True)

    with taken(live.start, live.stop, lambda typed: stop.set() if b"q" in typed.lower() else None):
        yield show
