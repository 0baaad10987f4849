"""How the demo speaks: with bars and colours on a terminal if rich is installed, in a few plain lines otherwise."""

import contextlib
import importlib.util
import os
import sys
from collections.abc import Generator, Mapping, Sequence
from typing import Protocol

import click

Row = Sequence[str]


class Bars(Protocol):
    """Progress of some named things, each towards its total."""

    def move(self, done: Mapping[str, int], note: str) -> None:
        """So many of each are done; `note` says what goes on."""
        ...


class Show(Protocol):
    """Where the demo's words go."""

    def say(self, text: str, style: str = "") -> None:
        """A paragraph; `style` is a colour, where there are colours."""
        ...

    def table(self, title: str, rows: Sequence[Row]) -> None:
        """A table whose first row is its head; a column that begins with a number is aligned to the right."""
        ...

    def bars(self, totals: Mapping[str, int]) -> contextlib.AbstractContextManager[Bars]:
        """Bars while the block lasts; what is said meanwhile stands above them."""
        ...


def choose() -> Show:
    """The best one for standard output."""
    redraws = sys.stdout.isatty() and os.environ.get("TERM", "dumb") not in {"dumb", "unknown"}
    lively = redraws and not os.environ.get("CI") and importlib.util.find_spec("rich") is not None
    return _rich() if lively else Plain()


def numeric(column: Sequence[str]) -> bool:
    """Whether a column, head included, holds numbers."""
    return all(text[:1].isdigit() for text in column[1:])


def _rich() -> Show:
    from forebay.demo.lively import Lively

    return Lively()


class Plain:
    """Lines of text, and one of progress for each quarter."""

    def say(self, text: str, style: str = "") -> None:
        """See `Show.say`."""
        click.echo(text)

    def table(self, title: str, rows: Sequence[Row]) -> None:
        """See `Show.table`."""
        columns = list(zip(*rows, strict=True))
        widths = [max(map(len, column)) * (1 if numeric(column) else -1) for column in columns]
        click.echo(f"\n{title}")
        for row in rows:
            cells = [text.rjust(n) if n > 0 else text.ljust(-n) for text, n in zip(row, widths, strict=True)]
            click.echo(f"  {'  '.join(cells)}".rstrip())

    @contextlib.contextmanager
    def bars(self, totals: Mapping[str, int]) -> Generator[Bars]:
        """See `Show.bars`."""
        yield _Quarters(totals)


class _Quarters:
    """Speaks when the first of its things has done another quarter."""

    def __init__(self, totals: Mapping[str, int]) -> None:
        self._totals, self._told = totals, 0

    def move(self, done: Mapping[str, int], note: str) -> None:
        """See `Bars.move`."""
        first = next(iter(self._totals))
        quarter = done[first] * 4 // max(1, self._totals[first])
        if quarter > self._told:
            self._told = quarter
            parts = [f"{done[name]:,} of {total:,} {name}" for name, total in self._totals.items()]
            click.echo(f"{quarter * 25:4} %  {', '.join(parts)}, {note}")
