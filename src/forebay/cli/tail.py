"""`tail`: messages as they come and end, live, until Ctrl-C."""

import asyncio
from collections.abc import Callable, Sequence
from datetime import datetime

import click

from forebay.app import Forebay
from forebay.cli import output
from forebay.cli.human import CELL, cut, short, span, wrapped
from forebay.cli.kinds import NAMES
from forebay.cli.messages import detail
from forebay.cli.shared import Command, the_app, with_app
from forebay.cli.shared import output as form
from forebay.model.plain import printable
from forebay.observe.feed import Feed, Happening
from forebay.observe.view import message
from forebay.store.records import Found

#: Seconds between looks: at most, when nothing is heard (acceptance makes no sound), and at least, under load.
QUIET, BUSY = 0.25, 0.05
#: Columns from which there is room for whole ids.
WIDE = 120
#: Lines that one happening may take where there is little room.
TALL = 3


@click.command(cls=Command)
@click.option("-Q", "--queues", type=NAMES, default=(), help="Only of these queues, a,b.")
@click.option("--task", help="Only of this task.")
@click.option(
    "-n", "--lines", type=click.IntRange(0, 200), default=10, show_default=True, help="Start with this many past lines."
)
@click.option("--count", type=click.IntRange(1), help="Stop after this many lines.")
def tail(queues: tuple[str, ...], task: str | None, lines: int, count: int | None) -> None:
    """Show messages as they are accepted and as they end, one line each, until Ctrl-C.

    One that came and ended between two looks (a quarter of a second at most) is shown as ended only.
    """
    if form() == "json":
        raise click.UsageError("a stream has no end: use -o ndjson, an object a line", click.get_current_context())

    def wanted(one: Happening) -> bool:
        return (not queues or one.message.queue in queues) and task in {None, one.message.task}

    with_app(the_app("tail"), lambda app: _follow(app, Printer(wanted, app.producer.revealed, count), lines))


class Printer:
    """Prints what is wanted, and knows when it was enough."""

    def __init__(
        self, wanted: Callable[[Happening], bool], revealed: Callable[[Found], Found], count: int | None
    ) -> None:
        self._wanted, self._revealed, self._left = wanted, revealed, count
        self._form = form()

    def show(self, happenings: Sequence[Happening]) -> bool:
        """Print them; whether to go on."""
        for one in filter(self._wanted, happenings):
            self._print(one)
            if self._left is not None:
                self._left -= 1
                if self._left == 0:
                    return False
        return True

    def _print(self, one: Happening) -> None:
        one = Happening(one.at, one.ended, self._revealed(one.message))
        word = str(one.message.state) if one.ended else "accepted"
        if self._form == "ndjson":
            output.stream([{"at": one.at, "event": word, **message(one.message)}])
        else:
            for line in lines(one, word):
                click.echo(output.painted([word], line))


def lines(one: Happening, word: str) -> list[str]:
    """One happening for a person: when, what, which message, and the one thing worth knowing of it."""
    found, narrow = one.message, output.columns() < WIDE
    took = f" after {span(one.at - found.created)}" if one.ended and found.created is not None else ""
    id_ = short(found.id) if narrow else found.id
    words = [f"{word:9}", id_, found.queue, f"{found.task or '-'}{took}", detail(found, one.at, brief=narrow)]
    clock, text = clock_of(one.at), cut(printable("  ".join(words)), CELL)
    first, *rest = wrapped(text, max(20, output.columns() - len(clock) - 2), TALL)
    return [f"{clock}  {first}", *(f"{'':{len(clock) + 2}}{line}" for line in rest)]


def clock_of(at: float) -> str:
    """The time of day, to the millisecond; as it is where no calendar knows it."""
    try:
        return f"{datetime.fromtimestamp(at).astimezone():%H:%M:%S.%f}"[:-3]
    except (OverflowError, ValueError, OSError):
        return f"{at:12g}"


async def _follow(app: Forebay, printer: Printer, lines: int) -> None:
    feed = Feed(app.store)
    more = printer.show(await feed.start(lines))
    while more:
        await feed.wait(QUIET)
        more = printer.show(await feed.look())
        if feed.overrun:
            output.note("more came at once than can be shown: some are left out")
        await asyncio.sleep(BUSY)
