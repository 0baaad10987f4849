"""Numbers and times in a form for people, and the room they take. What foreign text may hold: `model/plain.py`."""

import re
import unicodedata

from forebay.model.duration import span
from forebay.model.plain import printable

__all__ = ["CELL", "SHORT", "ago", "cut", "rate", "short", "shortened", "size", "span", "tail", "width", "wrapped"]

#: Longest text that one cell shows; a body may have a megabyte.
CELL = 400
_LONG_WORD = re.compile(rf"(\S{{{CELL - 1}}})\S{{2,}}")
#: Columns of a short id: an ellipsis and the last eight characters.
SHORT = 9


def width(text: str) -> int:
    """Columns that printable text takes: two for wide letters, none for combining marks."""
    if text.isascii():
        return len(text)
    return sum(0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)


def cut(text: str, columns: int) -> str:
    """`text` in at most `columns` columns, with an ellipsis where it was cut."""
    if width(text) <= columns:
        return text
    return (_taken(text, columns - 1) if columns > 1 else "") + "…"


def shortened(text: str) -> str:
    """A sentence in which no word is longer than a cell: what was typed into it does not hide what it says."""
    return _LONG_WORD.sub(r"\1…", text)


def wrapped(text: str, columns: int, most: int = 1_000) -> list[str]:
    """`text` in lines of at most `columns`, broken between words where that is possible; cut after `most` lines."""
    done: list[str] = []
    while width(text) > columns and len(done) < most - 1:
        whole = _taken(text, columns)
        head, space, _ = whole.rpartition(" ") if text[len(whole) : len(whole) + 1] != " " else (whole, " ", "")
        line = head if space and head.strip() else whole
        done.append(line.rstrip())
        text = text[len(line) :].lstrip()
    return [*done, cut(text, columns)]


def tail(text: str, columns: int) -> str:
    """The end of `text` in at most `columns` columns: of a path, and of an id, the end tells."""
    if width(text) <= columns:
        return text
    return f"…{_taken(text[::-1], columns - 1)[::-1]}"


def short(id_: str) -> str:
    """An id where there is little room: its end, which commands take for the whole."""
    return tail(printable(id_), SHORT)


def _taken(text: str, columns: int) -> str:
    """As much of the beginning of `text` as `columns` have room for; a character at least."""
    used = 0
    for number, c in enumerate(text):
        used += width(c)
        if used > columns and number:
            return text[:number]
    return text


def ago(then: float | None, now: float) -> str:
    """How long ago, or how soon; "-" for never."""
    if then is None:
        return "-"
    return f"in {span(then - now)}" if then > now else f"{span(now - then)} ago"


def size(count: int) -> str:
    """Bytes: "480 kB", "1.2 GB"."""
    value = float(count)
    for unit in ("B", "kB", "MB", "GB"):
        if value < 1000:
            return f"{value:.0f} {unit}" if unit == "B" or value >= 100 else f"{value:.1f} {unit}"
        value /= 1000
    return f"{value:.1f} TB"


def rate(per_second: float | None) -> str:
    """Messages per second; "-" if not known yet."""
    if per_second is None:
        return "-"
    return f"{per_second:,.0f}/s" if per_second >= 100 or per_second == 0 else f"{per_second:.1f}/s"
