"""Tables for people, laid out for the room there is: what matters stays, at 60 columns too.

Pure: from rows to lines. What a column may lose when it gets narrow stands in the column.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Generic, TypeVar

import msgspec

from forebay.cli.human import CELL, cut, width, wrapped
from forebay.model.plain import printable

T = TypeVar("T")

GAP = "  "
#: Lines that one row may take by wrapping its last column.
_TALL = 3
#: Columns that a flexible one keeps when nothing else helps.
_BARE = 6


class Column(msgspec.Struct, Generic[T], frozen=True):
    """One column of a table of `T`.

    Where there is little room, `short` stands for the text, `flex` columns give way down to `least`, columns with the
    highest `drop` are left out, and the last column wraps if it may. What is neither stays whole, as numbers do.

    Attributes:
        hide: what an empty cell says; a column of nothing else is left out.
        drop: 0 keeps the column; of the others, the highest is left out first.
    """

    title: str
    text: Callable[[T], str]
    right: bool = False
    flex: bool = False
    least: int = 6
    short: Callable[[T], str] | None = None
    drop: int = 0
    hide: str | None = None
    wrap: bool = False


class Table(msgspec.Struct, Generic[T], frozen=True):
    """What to print of some rows: the columns, and the line that stands for none."""

    columns: Sequence[Column[T]]
    empty: str


class Laid(msgspec.Struct, frozen=True):
    """A table as lines: the heading, and for each row its cells and the lines that show them."""

    heading: str
    rows: Sequence[tuple[Sequence[str], Sequence[str]]]


class _Form(msgspec.Struct, frozen=True):
    """One way to show the rows: the columns left, their cells, and the widths that these want."""

    shown: Sequence[Column[Any]]
    cells: Sequence[Sequence[str]]
    widths: Sequence[int]

    def least(self, number: int) -> int:
        column, natural = self.shown[number], self.widths[number]
        return min(natural, max(column.least, width(column.title))) if column.flex else natural

    def fits(self, room: int) -> bool:
        return sum(map(self.least, range(len(self.shown)))) <= room - _gaps(self.shown)


def lay(items: Sequence[T], columns: Sequence[Column[T]], room: int) -> Laid:
    """The table of `items` in `room` columns."""
    form = _choose(items, columns, room)
    widths = _shrunk(form, room)
    heading = _line([column.title for column in form.shown], form.shown, widths)
    return Laid(cut(heading, room), [(row, list(_row(row, form.shown, widths, room))) for row in form.cells])


def _choose(items: Sequence[Any], columns: Sequence[Column[Any]], room: int) -> _Form:
    """The fullest form that fits; the barest if none does."""
    shown = [column for column in columns if not _empty(items, column)]
    form = _form(items, shown, short=False)
    while not form.fits(room):
        form = _form(items, shown, short=True)
        droppable = [column for column in shown if column.drop]
        if form.fits(room) or not droppable:
            break
        shown.remove(max(droppable, key=lambda column: column.drop))
    return form


def _empty(items: Sequence[Any], column: Column[Any]) -> bool:
    return bool(items) and column.hide is not None and all(column.text(item) == column.hide for item in items)


def _form(items: Sequence[Any], shown: Sequence[Column[Any]], *, short: bool) -> _Form:
    columns = [[_cell(item, column, short=short) for item in items] for column in shown]
    widths = [max([width(column.title), *map(width, cells)]) for column, cells in zip(shown, columns, strict=True)]
    return _Form(list(shown), list(zip(*columns, strict=True)), widths)


def _cell(item: Any, column: Column[Any], *, short: bool) -> str:
    text = column.short if short and column.short is not None else column.text
    return cut(printable(text(item)[: CELL * 2]), CELL)


def _shrunk(form: _Form, room: int) -> list[int]:
    """Flexible columns give way, the widest first; down to their least, and then, if need be, beyond."""
    widths, room = list(form.widths), room - _gaps(form.shown)
    least = [form.least(number) for number in range(len(form.shown))]
    for floor in (least, [_BARE] * len(least)):
        while (over := sum(widths) - room) > 0:
            able = [n for n, column in enumerate(form.shown) if column.flex and widths[n] > floor[n]]
            if not able:
                break
            widest = max(able, key=lambda n: widths[n])
            widths[widest] -= min(over, widths[widest] - floor[widest], max(1, widths[widest] // 4))
    return widths


def _gaps(shown: Sequence[Column[Any]]) -> int:
    return len(GAP) * max(0, len(shown) - 1)


def _row(row: Sequence[str], shown: Sequence[Column[Any]], widths: Sequence[int], room: int) -> Iterator[str]:
    """The lines of one row: more than one if its last column wraps."""
    first, rest = list(row), list[str]()
    if shown and shown[-1].wrap:
        first[-1], *rest = wrapped(row[-1], widths[-1], _TALL)
    yield cut(_line(first, shown, widths), room)
    indent = " " * (sum(widths[:-1]) + _gaps(shown))
    for line in rest:
        yield cut(indent + line, room)


def _line(row: Sequence[str], shown: Sequence[Column[Any]], widths: Sequence[int]) -> str:
    parts: list[str] = []
    for text, column, room in zip(row, shown, widths, strict=True):
        fitted = cut(text, room)
        space = " " * (room - width(fitted))
        parts.append(space + fitted if column.right else fitted + space)
    return GAP.join(parts).rstrip()
