"""`top`: queues and workers, live. Readings at intervals; a screen on a terminal, plain tables or objects elsewhere."""

import asyncio
import contextlib
import os
import sys
import termios
import tty
from collections.abc import AsyncGenerator, Callable, Generator

import click

from forebay.app import Forebay
from forebay.cli import output
from forebay.cli.failing import Missing
from forebay.cli.kinds import SECONDS
from forebay.cli.screen import Screen
from forebay.cli.shared import Command, the_app, with_app
from forebay.cli.shared import output as form
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
    stop = asyncio.Event()
    with _showing(Screen(place(app.settings), app.settings.lease, interval)) as show, _quit_key(stop):
        async for before, now in _readings(app, interval, count, stop):
            show(before, now)


async def _readings(
    app: Forebay, interval: float, count: int | None, stop: asyncio.Event
) -> AsyncGenerator[tuple[Snapshot | None, Snapshot]]:
    before, number = None, 0
    while True:
        now = await take(app.engine, app.store)
        yield before, now
        before, number = now, number + 1
        if number == count:
            return
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), interval)
        if stop.is_set():
            return


@contextlib.contextmanager
def _showing(screen: Screen) -> Generator[Show]:
    """How readings are shown, by the form asked for and by where standard output leads."""
    if form() == "ndjson":
        yield lambda before, now: output.stream([_plain(before, now)])
    elif form() == "json":
        yield _show_second
    elif not output.redraws():
        yield lambda before, now: click.echo("\n".join([*screen.lines(before, now), ""]))
    else:
        with _live(screen) as show:
            yield show


def _show_second(before: Snapshot | None, now: Snapshot) -> None:
    if before is not None:
        output.show_one("json", _plain(before, now), list[str])


def _plain(before: Snapshot | None, now: Snapshot) -> object:
    return snapshot(now, {} if before is None else rates(before, now))


@contextlib.contextmanager
def _live(screen: Screen) -> Generator[Show]:
    """The whole terminal, drawn anew at each reading, given back as it was."""
    try:
        from rich.console import Console
        from rich.live import Live
        from rich.text import Text
    except ImportError as error:
        raise Missing("rich", "top (on a terminal; -o ndjson needs nothing)") from error
    console = Console(highlight=False)
    with Live(console=console, screen=True, auto_refresh=False) as live:

        def show(before: Snapshot | None, now: Snapshot) -> None:
            text = Text.from_ansi("\n".join(screen.lines(before, now, console.height)), no_wrap=True)
            live.update(text, refresh=True)

        yield show


@contextlib.contextmanager
def _quit_key(stop: asyncio.Event) -> Generator[None]:
    """Let the key q end it, where there are keys."""
    if not (sys.stdin.isatty() and output.redraws() and form() == "table"):
        yield
        return
    keys, loop = sys.stdin.fileno(), asyncio.get_running_loop()
    before = termios.tcgetattr(keys)
    tty.setcbreak(keys)
    loop.add_reader(keys, lambda: stop.set() if os.read(keys, 64) in (b"q", b"Q", b"") else None)
    try:
        yield
    finally:
        loop.remove_reader(keys)
        termios.tcsetattr(keys, termios.TCSADRAIN, before)
