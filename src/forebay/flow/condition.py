"""The condition of a rule, `args.to ~ "@x.com" and attempt > 2`: read, with one clear error, and judged on a message.

Pure, and of bounded cost: no code is run, a pattern looks at each character once. What cannot be judged (an argument
that is not there, two kinds that do not compare, a body that is sealed) is neither true nor false, as in SQL: `or` with
something true is true, `and` with something false is false, and else nobody knows.

    condition = and { "or" and }          and = not { "and" not }         not = "not" not | "(" condition ")" | test
    test = path ( "==" | "!=" | "<" | "<=" | ">" | ">=" | "~" | "!~" ) value | path "in" "[" value { "," value } "]"
    path = ( "args" | "kwargs" | "headers" | "body" ) { "." name | "[" number or text "]" } | a field (see FIELDS)
"""

import math
import operator
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, Protocol, cast

from forebay.flow.pattern import BadPattern, Pattern, TooCostly
from forebay.model.errors import ConfigError

#: What a path may begin with.
FIELDS = ("args", "kwargs", "headers", "body", "id", "queue", "task", "key", "priority", "attempt", "age")
#: Characters of a condition; brackets within each other; characters of it that an error repeats.
LONGEST, DEEPEST, _SHOWN = 2_000, 50, 30
_DEEP = ("args", "kwargs", "headers", "body")
#: What is of one kind in every message, so that a condition which takes it for another could never be judged.
_ALWAYS: Mapping[str, str] = {
    **dict.fromkeys(("id", "queue", "task", "key", "headers"), "a text"),
    **dict.fromkeys(("priority", "attempt", "age"), "a number"),
}
_TOKEN = re.compile(
    r"""\s*(?:(?P<number>-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?(?![\w.]))|(?P<name>[^\W\d][\w-]*)"""
    r"""|(?P<text>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')|(?P<sign>==|!=|<=|>=|!~|[<>~()\[\],.]))""",
    re.DOTALL,
)
_COMPARE: Mapping[str, Callable[[Any, Any], bool]] = {
    "==": operator.eq, "!=": operator.ne, "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge,
}  # fmt: skip
_SIGNS = (*_COMPARE, "~", "!~")
_WORDS: Mapping[str, object] = {"true": True, "false": False, "null": None}


class Facts(Protocol):
    """A message, as a condition sees it."""

    def fact(self, name: str) -> Any:
        """One of `FIELDS`.

        Raises:
            Unknown: it is not to be had.
        """
        ...


class Unknown(Exception):
    """It cannot be judged, and why."""


#: True, false, or why nobody knows.
Answer = bool | str
#: A condition that was read.
Condition = Callable[[Facts], Answer]


def parse(text: str) -> Condition:
    """Read a condition.

    Raises:
        ConfigError: it is none; with the place.
    """
    if len(text) > LONGEST:
        raise ConfigError(f"where: a condition has at most {LONGEST:,} characters, not {len(text):,}")
    reader = _Reader(text)
    condition = reader.either()
    reader.ended()
    return condition


class _Token(NamedTuple):
    kind: str
    text: str
    at: int


class _Reader:
    """Goes over the tokens of a condition once."""

    def __init__(self, text: str) -> None:
        self._source, self._deep, self._next = text, 0, 0
        self._tokens = list(self._split(text))

    def _split(self, text: str) -> "list[_Token]":
        tokens, at = list[_Token](), 0
        while text[at:].strip():
            match = _TOKEN.match(text, at)
            if match is None:
                at += len(text[at:]) - len(text[at:].lstrip())
                raise self._bad(_unreadable(text[at]), at)
            kind = str(match.lastgroup)
            tokens.append(_Token(kind, match[kind], match.start(kind)))
            at = match.end()
        return [*tokens, _Token("end", "", len(text))]

    def _bad(self, why: str, at: int) -> ConfigError:
        rest = self._source[at : at + _SHOWN]
        place = f"at character {at + 1}, {rest!r}" if rest else "at its end"
        return ConfigError(f"where: {why} {place}: write a condition such as 'args.to ~ \"@example.com\"'")

    @property
    def _now(self) -> _Token:
        return self._tokens[self._next]

    def _take(self, *texts: str) -> _Token | None:
        """The next token, if it is one of these signs or words."""
        one = self._now
        if one.kind not in ("name", "sign") or one.text not in texts:
            return None
        self._next += 1
        return one

    def _need(self, text: str) -> None:
        if self._take(text) is None:
            raise self._bad(f"{text} is missing", self._now.at)

    def ended(self) -> None:
        """Nothing is left."""
        if self._now.kind != "end":
            raise self._bad("expected `and`, `or` or the end", self._now.at)

    def either(self) -> Condition:
        parts = [self._both()]
        while self._take("or"):
            parts.append(self._both())
        return parts[0] if len(parts) == 1 else lambda facts: _any(parts, facts)

    def _both(self) -> Condition:
        parts = [self._not()]
        while self._take("and"):
            parts.append(self._not())
        return parts[0] if len(parts) == 1 else lambda facts: _all(parts, facts)

    def _not(self) -> Condition:
        one = self._take("not", "(")
        if one is None:
            return self._test()
        self._deep += 1
        if self._deep > DEEPEST:
            raise self._bad(f"more than {DEEPEST} brackets within each other", one.at)
        if one.text == "not":
            inner = self._not()
            condition: Condition = lambda facts: _not(inner(facts))  # noqa: E731
        else:
            condition = self.either()
            self._need(")")
        self._deep -= 1
        return condition

    def _test(self) -> Condition:
        path = self._path()
        if self._take("in"):
            at, values = self._now.at, self._values()
            self._comparable(path, values, at)
            return lambda facts: _tested(path, facts, lambda found: _within(found, values, path))
        sign = self._take(*_SIGNS)
        if sign is None:
            raise self._bad(f"expected a comparison ({' '.join(_SIGNS)} or in)", self._now.at)
        at, value = self._now.at, self._value()
        if sign.text in ("~", "!~"):
            pattern, wanted = self._pattern(value, at), sign.text == "~"
            self._comparable(path, [value], at)
            return lambda facts: _tested(path, facts, lambda found: _fits(pattern, found, path, wanted=wanted))
        if sign.text not in ("==", "!=") and not isinstance(value, str | int | float):
            raise self._bad(f"{sign.text} compares numbers or texts", at)
        self._comparable(path, [value], at)
        return lambda facts: _tested(path, facts, lambda found: _compared(sign.text, found, value, path))

    def _comparable(self, path: "_Path", values: Sequence[object], at: int) -> None:
        """At least one of them may be what stands there."""
        always = _ALWAYS.get(path.root)
        if always is not None and all(value is not None and _named(value) != always for value in values):
            raise self._bad(f"{path} is {always}, which does not compare with {_named(values[0])}", at)

    def _pattern(self, value: object, at: int) -> Pattern:
        if not isinstance(value, str):
            raise self._bad("~ needs a pattern in quotes", at)
        try:
            return Pattern(value)
        except BadPattern as error:
            raise self._bad(f"pattern: {error.why} (character {error.at + 1} of it)", at) from None

    def _path(self) -> "_Path":
        one = self._now
        if one.kind != "name" or one.text not in FIELDS:
            raise self._bad(f"expected one of {', '.join(FIELDS)}", one.at)
        self._next += 1
        steps: list[str | int] = []
        while one.text in _DEEP and (sign := self._take(".", "[")):
            steps.append(self._name() if sign.text == "." else self._index())
        if one.text != "body" and one.text in _DEEP and not steps:
            raise self._bad(f"{one.text} needs a name, such as {one.text}.to", self._now.at)
        return _Path(one.text, tuple(steps))

    def _name(self) -> str:
        one = self._now
        if one.kind != "name":
            raise self._bad("expected a name after the dot", one.at)
        self._next += 1
        return one.text

    def _index(self) -> str | int:
        at, value = self._now.at, self._value()
        if isinstance(value, bool) or not isinstance(value, str | int):
            raise self._bad("expected a number or a text in [ ]", at)
        self._need("]")
        return value

    def _values(self) -> list[object]:
        self._need("[")
        values = [self._value()]
        while self._take(","):
            values.append(self._value())
        self._need("]")
        return values

    def _value(self) -> object:
        one = self._now
        self._next += one.kind != "end"
        match one.kind:
            case "text":
                return re.sub(r"\\(.)", _unescaped, one.text[1:-1], flags=re.DOTALL)
            case "number":
                return self._number(one)
            case "name" if one.text in _WORDS:
                return _WORDS[one.text]
            case _:
                raise self._bad("expected a value: a text in quotes, a number, true, false or null", one.at)

    def _number(self, one: _Token) -> int | float:
        number = float(one.text) if any(char in one.text for char in ".eE") else int(one.text)
        if isinstance(number, float) and math.isinf(number):
            raise self._bad("too large a number", one.at)
        return number


class _Path(NamedTuple):
    root: str
    steps: tuple[str | int, ...]

    def __str__(self) -> str:
        return self.root + "".join(f".{step}" if isinstance(step, str) else f"[{step}]" for step in self.steps)

    def found(self, facts: Facts) -> Any:
        value = facts.fact(self.root)
        for step in self.steps:
            value = self._step(value, step)
        return value

    def _step(self, value: Any, step: str | int) -> Any:
        if isinstance(value, dict) and isinstance(step, int) and self.root in ("args", "kwargs"):
            value = [*cast("dict[str, Any]", value).values()]  # arguments travel by name, in the order of the signature
        fits = str if isinstance(value, dict) else int
        try:
            if isinstance(value, dict | list) and type(step) is fits:
                return cast("Any", value)[step]
        except (KeyError, IndexError):
            pass
        raise Unknown(f"it has no {self}")


def _unreadable(char: str) -> str:
    if char == "=":
        return "write == to compare,"
    return "a text without its closing quote" if char in "\"'" else "cannot read"


def _unescaped(match: re.Match[str]) -> str:
    """A quote or a backslash. All else is the pattern's own: a backslash before a dot need not be doubled."""
    return match[1] if match[1] in "\"'\\" else match[0]


def _tested(path: _Path, facts: Facts, test: Callable[[Any], bool]) -> Answer:
    try:
        return test(path.found(facts))
    except Unknown as why:
        return str(why)


def _compared(sign: str, found: Any, value: object, path: _Path) -> bool:
    if sign in ("==", "!=") and (found is None or value is None):
        return (found is value) == (sign == "==")
    if _kind(found) is None or _kind(found) is not _kind(value):
        raise Unknown(f"its {path} is {_named(found)}, which does not compare with {_named(value)}")
    return _COMPARE[sign](found, value)


def _within(found: Any, values: Sequence[object], path: _Path) -> bool:
    alike = [value for value in values if value is None or found is None or _kind(value) is _kind(found)]
    if not alike or (found is not None and _kind(found) is None):
        raise Unknown(f"its {path} is {_named(found)}, which does not compare with any of these")
    return any(_compared("==", found, value, path) for value in alike)


def _fits(pattern: Pattern, found: Any, path: _Path, *, wanted: bool) -> bool:
    if not isinstance(found, str):
        raise Unknown(f"its {path} is {_named(found)}, and ~ looks at texts")
    try:
        return pattern.found_in(found) is wanted
    except TooCostly as error:
        raise Unknown(f"its {path} cannot be matched: {error}") from None


def _kind(value: object) -> type | None:
    """What compares with each other: texts, numbers, truths."""
    if isinstance(value, bool):
        return bool
    return float if isinstance(value, int | float) else str if isinstance(value, str) else None


def _named(value: object) -> str:
    kind = _kind(value)
    if kind is not None:
        return "true or false" if kind is bool else "a number" if kind is float else "a text"
    return "null" if value is None else "a list" if isinstance(value, list) else "a map"


def _not(answer: Answer) -> Answer:
    return answer if isinstance(answer, str) else not answer


def _any(parts: Sequence[Condition], facts: Facts) -> Answer:
    unknown: Answer = False
    for part in parts:
        answer = part(facts)
        if answer is True:
            return True
        unknown = answer if isinstance(answer, str) and unknown is False else unknown
    return unknown


def _all(parts: Sequence[Condition], facts: Facts) -> Answer:
    unknown: Answer = True
    for part in parts:
        answer = part(facts)
        if answer is False:
            return False
        unknown = answer if isinstance(answer, str) and unknown is True else unknown
    return unknown
