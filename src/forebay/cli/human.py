"""Numbers and times in a form for people, and the room they take. What foreign text may hold: `model/plain.py`."""

import math
import unicodedata

#: Longest text that one cell shows; a body may have a megabyte.
CELL = 400


def width(text: str) -> int:
    """Columns that printable text takes: two for wide letters, none for combining marks."""
    if text.isascii():
        return len(text)
    return sum(0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)


def cut(text: str, columns: int) -> str:
    """`text` in at most `columns` columns, with an ellipsis where it was cut."""
    if width(text) <= columns:
        return text
    taken, used = "", 0
    for c in text:
        used += width(c)
        if used > columns - 1:
            break
        taken += c
    return taken + "…"


def span(seconds: float | None) -> str:
    """A duration: "350ms", "12s", "3m 20s", "5h 2m", "4d 1h"; "-" for none, "ever" without end."""
    if seconds is None or math.isinf(seconds):
        return "-" if seconds is None else "ever"
    if seconds < 0:
        return f"-{span(-seconds)}"
    if seconds < 1:
        return f"{seconds * 1000:.0f}ms" if seconds >= 0.0005 else "0s"
    if seconds < 10:
        return f"{seconds:.1f}s".replace(".0s", "s")
    whole = round(seconds)
    for unit, lower, size, part in (("s", "", 60, 1), ("m", "s", 3600, 60), ("h", "m", 86400, 3600)):
        if whole < size:
            return _two(whole, unit, part, lower)
    return _two(whole, "d", 86400, "h")


def _two(whole: int, unit: str, part: int, lower: str) -> str:
    big, rest = divmod(whole, part)
    small = rest // {"s": 1, "m": 60, "h": 3600}[lower] if lower else 0
    return f"{big}{unit} {small}{lower}" if small else f"{big}{unit}"


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
