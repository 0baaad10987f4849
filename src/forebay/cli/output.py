"""Printing: tables for people, JSON and NDJSON with stable field names for programs.

In a pipe the tables are whole and plain; on a terminal they fit it, with colour if that is wanted.
"""

import os
import shutil
import sys
from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeVar

import click
import msgspec

from forebay.cli.human import CELL, cut, shortened
from forebay.cli.table import Column, Table, lay
from forebay.model.plain import printable, printable_json
from forebay.observe.view import plain

T = TypeVar("T")

_COLOURS = {
    "dead": "red", "fail": "red", "expired": "yellow", "cancelled": "yellow", "discarded": "yellow", "warn": "yellow",
    "paused": "yellow", "stale": "red", "running": "cyan", "ok": "green", "done": "green",
}  # fmt: skip


def redraws() -> bool:
    """Whether what was written can be drawn anew: on a terminal that says it can."""
    return sys.stdout.isatty() and os.environ.get("TERM", "dumb") not in {"", "dumb", "unknown"}


def colourful() -> bool:
    """Whether to use colour: on such a terminal, unless NO_COLOR is set."""
    return redraws() and not os.environ.get("NO_COLOR")


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
    click.echo(shortened(printable(text)), err=True)


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
    laid = lay(items, shown, columns())
    body = [painted(row, line) for row, parts in laid.rows for line in parts]
    return [bold(laid.heading), *body]


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
