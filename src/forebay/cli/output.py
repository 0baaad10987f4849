"""Printing: aligned tables for people, JSON and NDJSON with stable field names for programs."""

import os
import shutil
import sys
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Generic, TypeVar

import click
import msgspec

from forebay.cli.human import CELL, cut, width
from forebay.model.plain import printable, printable_json
from forebay.observe.view import plain

T = TypeVar("T")

_COLOURS = {
    "dead": "red", "fail": "red", "expired": "yellow", "cancelled": "yellow", "discarded": "yellow", "warn": "yellow",
    "paused": "yellow", "stale": "red", "running": "cyan", "ok": "green", "done": "green",
}  # fmt: skip
_GAP = "  "


class Column(msgspec.Struct, Generic[T], frozen=True):
    """One column of a table of `T`. `flex` columns give way first when the terminal is narrow."""

    title: str
    text: Callable[[T], str]
    right: bool = False
    flex: bool = False


class Table(msgspec.Struct, Generic[T], frozen=True):
    """What to print of some rows: the columns, and the line that stands for none."""

    columns: Sequence[Column[T]]
    empty: str


def colourful() -> bool:
    """Whether to use colour and to redraw: on a terminal, unless NO_COLOR is set."""
    return sys.stdout.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def columns() -> int:
    """Columns to fit into; without a terminal as many as it takes, unless COLUMNS says otherwise."""
    if sys.stdout.isatty() or os.environ.get("COLUMNS", "").isdigit():
        return max(20, shutil.get_terminal_size().columns)
    return 1_000_000


def to_json(value: Any, indent: int = 0) -> str:
    """Any of our values, or a user's, as JSON that is safe to look at in a terminal."""
    text = msgspec.json.encode(plain(value))
    if indent:
        text = msgspec.json.format(text, indent=indent)
    return printable_json(text.decode())


def say(text: str) -> None:
    """One line for a person, on stdout."""
    click.echo(printable(text))


def note(text: str) -> None:
    """One line beside the output, on stderr."""
    click.echo(printable(text), err=True)


def show(form: str, items: Sequence[T], table: Table[T]) -> None:
    """Rows, in the form asked for."""
    if form == "json":
        click.echo(to_json(list(items), indent=2))
    elif form == "ndjson":
        stream(items)
    elif items:
        for line in lines(items, table.columns):
            click.echo(line)
    else:
        say(table.empty)


def stream(items: Iterable[Any]) -> None:
    """NDJSON, each line out at once so that a pipe sees it."""
    for item in items:
        click.echo(to_json(item))


def show_one(form: str, item: Any, text: Callable[[], Iterable[str]]) -> None:
    """One thing: an object for programs, `text()` lines for people."""
    if form == "table":
        for line in text():
            say(line)
    else:
        click.echo(to_json(item, indent=2 if form == "json" else 0))


def lines(items: Sequence[T], shown: Sequence[Column[T]]) -> list[str]:
    """The lines of a table with its heading, coloured if that is wanted here."""
    cells = [[cut(printable(column.text(item)[: CELL * 2]), CELL) for column in shown] for item in items]
    widths = _fit(shown, cells, columns())
    heading = _line([column.title for column in shown], shown, widths)
    body = [_line(row, shown, widths) for row in cells]
    return [bold(heading), *(painted(row, line) for row, line in zip(cells, body, strict=True))]


def _fit(shown: Sequence[Column[Any]], cells: Sequence[Sequence[str]], limit: int) -> list[int]:
    """Widths that fit: flexible columns shrink, the widest first, then all do."""
    widths = [max([width(column.title), *(width(row[number]) for row in cells)]) for number, column in enumerate(shown)]
    room = limit - len(_GAP) * (len(shown) - 1)
    for only_flex in (True, False):
        while sum(widths) > room:
            able = [n for n, c in enumerate(shown) if widths[n] > 6 and (c.flex or not only_flex)]
            if not able:
                break
            widest = max(able, key=lambda n: widths[n])
            widths[widest] -= min(sum(widths) - room, widths[widest] - 6, max(1, widths[widest] // 4))
    return widths


def _line(row: Sequence[str], shown: Sequence[Column[Any]], widths: Sequence[int]) -> str:
    parts: list[str] = []
    for text, column, room in zip(row, shown, widths, strict=True):
        fitted = cut(text, room)
        space = " " * (room - width(fitted))
        parts.append(space + fitted if column.right else fitted + space)
    return cut(_GAP.join(parts).rstrip(), columns())


def fitted(text: str) -> str:
    """One line of printable text, cut to what the terminal has room for."""
    return cut(text[: CELL * 2], min(CELL, columns()))


def bold(line: str) -> str:
    """`line` in bold, if that is wanted here."""
    return click.style(line, bold=True) if colourful() else line


def painted(row: Sequence[str], line: str) -> str:
    """`line` in the colour of the first word of `row` that has one, if colour is wanted here."""
    if not colourful():
        return line
    colour = next((_COLOURS[cell] for cell in row if cell in _COLOURS), None)
    return click.style(line, fg=colour) if colour else line
