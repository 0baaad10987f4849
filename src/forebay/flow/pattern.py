"""Regular expressions whose cost is bounded: a set of states goes over the text once, and nothing is tried twice.

Owns the small language that rules match with `~`: characters, `.`, classes, groups, `|`, `*`, `+`, `?`, `{m,n}`,
`^`, `$` and `(?i)`. There are no back-references and no look-around, and so nothing whose cost explodes (Thompson,
"Regular Expression Search Algorithm", 1968). What was found to follow a set of states is kept, within a bound.
"""

import re
from collections.abc import Callable, Iterable
from typing import NamedTuple

#: Characters of a pattern; states that it may have, after repetitions are written out; a number in braces.
LONGEST, STATES, REPEAT = 500, 1_000, 100
#: Groups within each other.
DEEPEST = 20
#: Characters of a text that is looked at; steps of single states that one look may take.
TEXT, STEPS = 100_000, 200_000
#: Sets of states whose followers are kept.
_KEPT = 500
_SETS = {
    "d": frozenset("0123456789"),
    "w": frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_"),
    "s": frozenset(" \t\n\r\f\v"),
}
_PLAIN = {"n": "\n", "t": "\t", "r": "\r", "f": "\f", "v": "\v"}

#: Whether a character fits.
Fits = Callable[[str], bool]


class BadPattern(ValueError):
    """It cannot be read; `at` is the place in it, from 0."""

    def __init__(self, why: str, at: int) -> None:
        super().__init__(why)
        self.why, self.at = why, at


class TooCostly(ValueError):
    """The text is too long, or the look took too many steps."""


class _Node(NamedTuple):
    """A state: what it takes (None: nothing, it only leads on), where it leads, and where it must stand."""

    fits: Fits | None
    to: tuple[int, ...]
    edge: str = ""


class Pattern:
    """A pattern that was read.

    Raises:
        BadPattern: it was not.
    """

    def __init__(self, source: str) -> None:
        if len(source) > LONGEST:
            raise BadPattern(f"a pattern has at most {LONGEST} characters", LONGEST)
        self.source = source
        self._literal = source if re.fullmatch(r"[\w @,;:/%&=<>#~'\"!-]*", source) else None
        read = _Reader(source)
        self._nodes, self._start, self._end = read.nodes, read.start, read.end
        self._fold = read.fold
        self._kept: dict[tuple[frozenset[int], str], frozenset[int]] = {}

    def found_in(self, text: str) -> bool:
        """Whether it fits some part of a text.

        Raises:
            TooCostly: that would take too long.
        """
        if len(text) > TEXT:
            raise TooCostly(f"a text of {len(text):,} characters, and {TEXT:,} are looked at")
        if self._literal is not None:
            return self._literal in text
        return self._run(text.lower() if self._fold else text)

    def _run(self, text: str) -> bool:
        last = len(text) - 1
        states = self._closed([self._start], begins=True, ends=not text)
        left = STEPS
        for at, char in enumerate(text):
            if self._end in states:
                return True
            key = (states, char)
            known = self._kept.get(key) if at != last else None
            if known is None:
                left -= len(states)
                if left < 0:
                    raise TooCostly(f"more than {STEPS:,} steps")
                known = self._next(states, char, ends=at == last)
                if at != last:
                    self._keep(key, known)
            states = known
        return self._end in states

    def _keep(self, key: tuple[frozenset[int], str], states: frozenset[int]) -> None:
        if len(self._kept) >= _KEPT:
            self._kept.clear()
        self._kept[key] = states

    def _next(self, states: Iterable[int], char: str, *, ends: bool) -> frozenset[int]:
        after = [
            to for state in states if (fits := self._nodes[state].fits) and fits(char) for to in self._nodes[state].to
        ]
        return self._closed([*after, self._start], begins=False, ends=ends)

    def _closed(self, states: Iterable[int], *, begins: bool, ends: bool) -> frozenset[int]:
        """With all that they lead to without taking anything."""
        found: set[int] = set()
        left = list(states)
        while left:
            state = left.pop()
            node = self._nodes[state]
            if state in found or (node.edge == "^" and not begins) or (node.edge == "$" and not ends):
                continue
            found.add(state)
            if node.fits is None:
                left += node.to
        return frozenset(found)


class _Reader:
    """Reads a pattern into states, from its end to its beginning: each part is told what follows it."""

    def __init__(self, source: str) -> None:
        self.fold = source.startswith("(?i)")
        self._text, self._at = source, 4 if self.fold else 0
        self.nodes: list[_Node] = [_Node(None, ())]
        self.end = self._deep = self._copies = 0
        part = self._either()
        if self._at < len(source):
            raise BadPattern("a ) without its (", self._at)
        self.start = part(self.end)

    def _add(self, node: _Node) -> int:
        if len(self.nodes) >= STATES:
            raise BadPattern(f"too large: it has more than {STATES:,} states", self._at)
        self.nodes.append(node)
        return len(self.nodes) - 1

    def _peek(self) -> str:
        return self._text[self._at : self._at + 1]

    def _either(self) -> "Part":
        parts = [self._sequence()]
        while self._peek() == "|":
            self._at += 1
            parts.append(self._sequence())
        if len(parts) == 1:
            return parts[0]
        return lambda after: self._add(_Node(None, tuple(part(after) for part in parts)))

    def _sequence(self) -> "Part":
        parts: list[Part] = []
        while self._peek() not in ("", "|", ")"):
            parts.append(self._repeated(self._one()))

        def made(after: int) -> int:
            for part in reversed(parts):
                after = part(after)
            return after

        return made

    def _one(self) -> "Part":
        began, char = self._at, self._peek()
        self._at += 1
        match char:
            case "(":
                return self._group(began)
            case "[":
                return self._taking(self._class(began))
            case "^" | "$":
                return lambda after: self._add(_Node(None, (after,), char))
            case ".":
                return self._taking(lambda one: one != "\n")
            case "*" | "+" | "?" | "{":
                raise BadPattern(f"nothing before {char} to repeat", began)
            case "\\":
                return self._taking(self._escaped())
            case _:
                return self._taking(self._same(char))

    def _taking(self, fits: Fits) -> "Part":
        return lambda after: self._add(_Node(fits, (after,)))

    def _same(self, char: str) -> Fits:
        wanted = char.lower() if self.fold else char
        return lambda one: one == wanted

    def _group(self, began: int) -> "Part":
        self._deep += 1
        if self._deep > DEEPEST:
            raise BadPattern(f"more than {DEEPEST} groups within each other", began)
        if self._peek() == "?":
            if self._text[self._at : self._at + 2] != "?:":
                raise BadPattern("(?…) is not known here, but for (?:…), and (?i) at the beginning", began)
            self._at += 2
        part = self._either()
        if self._peek() != ")":
            raise BadPattern("a ( without its )", began)
        self._at += 1
        self._deep -= 1
        return part

    def _escaped(self) -> Fits:
        char = self._peek()
        self._at += 1
        if char.lower() in _SETS:
            known = _SETS[char.lower()]
            return (lambda one: one in known) if char.islower() else (lambda one: one not in known)
        return self._same(self._plain(char))

    def _plain(self, char: str) -> str:
        if char in _PLAIN:
            return _PLAIN[char]
        if not char or char.isalnum():
            raise BadPattern(f"\\{char} is not known here", self._at - 2)
        return char

    def _class(self, began: int) -> Fits:
        negated = self._peek() == "^"
        self._at += negated
        fits: list[Fits] = []
        while self._peek() != "]" or not fits:
            if not self._peek():
                raise BadPattern("a [ without its ]", began)
            fits.append(self._member())
        self._at += 1
        return (
            (lambda one: not any(fit(one) for fit in fits)) if negated else (lambda one: any(fit(one) for fit in fits))
        )

    def _member(self) -> Fits:
        char = self._peek()
        self._at += 1
        if char == "\\":
            if self._peek().lower() in _SETS:
                return self._escaped()
            self._at += 1
            char = self._plain(self._text[self._at - 1 : self._at])
        if self._peek() != "-" or self._text[self._at + 1 : self._at + 2] in ("]", ""):
            return self._same(char)
        high = self._text[self._at + 1]
        self._at += 2
        if high == "\\":
            self._at += 1
            high = self._plain(self._text[self._at - 1 : self._at])
        if high < char:
            raise BadPattern(f"{char}-{high} goes backwards", self._at - 3)
        return self._between(char, high)

    def _between(self, low: str, high: str) -> Fits:
        if self.fold:
            return lambda one: low <= one <= high or low <= one.upper() <= high
        return lambda one: low <= one <= high

    def _repeated(self, part: "Part") -> "Part":
        while (char := self._peek()) in ("*", "+", "?", "{"):
            began, least, most = self._at, 0, None
            self._at += 1
            if char == "{":
                least, most = self._braces(began)
            elif char == "+":
                least = 1
            elif char == "?":
                most = 1
            self._at += self._peek() == "?"  # which of several fits is found first is all the same here
            part = self._times(part, least, most)
        return part

    def _braces(self, began: int) -> tuple[int, int | None]:
        match = re.compile(r"(\d{1,4})(,?)(\d{0,4})\}").match(self._text, self._at)
        if match is None:
            raise BadPattern("a { begins {m}, {m,} or {m,n}; write \\{ for the character", began)
        least, comma, most = match.groups()
        self._at = match.end()
        upper = (int(most) if most else None) if comma else int(least)
        if max(int(least), upper or 0) > REPEAT or (upper is not None and upper < int(least)):
            raise BadPattern(f"a repetition goes up to {REPEAT}, and not backwards", began)
        return int(least), upper

    def _times(self, part: "Part", least: int, most: int | None) -> "Part":
        def made(after: int) -> int:
            last = after
            if most is None:
                again = self._add(_Node(None, ()))
                self.nodes[again] = _Node(None, (part(again), after))
                after = again
            for _ in range((most or least) - least):
                after = self._add(_Node(None, (part(after), last)))
            for _ in range(least):
                self._count()
                after = part(after)
            return after

        return made

    def _count(self) -> None:
        """A repetition of nothing makes no states, and takes its time all the same."""
        self._copies += 1
        if self._copies > STATES:
            raise BadPattern(f"too large: it repeats more than {STATES:,} times", self._at)


#: Makes the states of a part, given the one that follows it; the first of them.
Part = Callable[[int], int]
