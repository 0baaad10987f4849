"""Text of others on one line: the one place that decides what a terminal, a log or a reader must not get as it is.

Promises: what comes out has no line end of any kind, nothing that a terminal acts on, and nothing that is invisible or
changes the direction in which its neighbours are shown. Letters of all scripts stay. Does not: cut, or judge meaning.
"""

#: Line ends that stay where JSON is laid out over several lines; inside its texts they are escaped already.
_LAYOUT = "\n"


def printable(text: str) -> str:
    """`text` with all that is not printable (Unicode's controls, formats and separators, but the space) as escapes.

    So are C0 and C1 controls, line and paragraph separators, marks of direction, lone surrogates and unassigned
    characters, in the form of Python's own escapes: a line end becomes a backslash and an n.
    """
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else _escape(c) for c in text)


def first_line(text: str) -> str:
    """The first line of `text` that says something: what clients put behind it is links and the like."""
    return next((line.strip() for line in text.splitlines() if line.strip()), "")


def printable_json(text: str) -> str:
    """JSON text that is safe to look at and has the same value: JSON allows raw much of what `printable` escapes."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() or c in _LAYOUT else _json_escape(c) for c in text)


def _escape(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")


def _json_escape(character: str) -> str:
    """As UTF-16 units, which is how JSON writes what is beyond the first 65,536 characters."""
    units = character.encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[n]:02x}{units[n + 1]:02x}" for n in range(0, len(units), 2))
