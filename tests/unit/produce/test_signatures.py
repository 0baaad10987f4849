"""Functions of every shape: obeyed, or refused where the task is made."""

import enum
import functools
import inspect
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass, field
from typing import Annotated, Any, NotRequired, Optional, ParamSpec, TypedDict, TypeVar, Unpack

import pytest

from forebay import BadArguments, ConfigError, Context, Forebay
from forebay.produce.codec import Codec
from forebay.testing import drain

P = ParamSpec("P")
MISSING = object()


@dataclass
class Pair:
    a: int = 0
    more: list[int] = field(default_factory=list)


class Mode(enum.Enum):
    FAST = "fast"


class Options(TypedDict):
    a: int
    b: NotRequired[str]


class Doubler:
    def __call__(self, x: Pair) -> int:
        return x.a * 2

    def double(self, x: int) -> int:
        return x * 2


class Later:
    async def __call__(self, x: int) -> int:
        return x


def wrapped(function):
    @functools.wraps(function)
    def wrapper(*args, **kwargs):
        return function(*args, **kwargs)

    return wrapper


def with_session(function):
    """Gives the first argument itself, and says so."""

    @functools.wraps(function)
    def wrapper(*args, **kwargs):
        return function("session", *args, **kwargs)

    _, *rest = inspect.signature(function).parameters.values()
    wrapper.__signature__ = inspect.Signature(rest)
    return wrapper


def hidden(function: Callable[P, Any]) -> Callable[P, Any]:
    def wrapper(*args: P.args, **kwargs: P.kwargs) -> Any:
        return function(*args, **kwargs)

    return wrapper


def every(a: int, b: str = "x", /, c: int = 3, *rest: Pair, d: int, **named: int) -> list[Any]:
    return [a, b, c, [pair.a for pair in rest], d, named]


def alike(a, /, **named):
    return [a, named]


async def answer(x: int) -> int:
    return x + 1


def of_coroutine(x: int) -> Coroutine[Any, Any, Pair]:
    async def later():
        return Pair(x)

    return later()


def of_awaitable(x: int) -> Awaitable[int]:
    return answer(x)


def unpacked(**options: Unpack[Options]):
    return options


def starred(*pair: *tuple[int, str]):
    return pair


def sessions(session, x: int):
    return [session, x]


def clashing(task, args=1, *, kwargs=2, name=3, id=4, queue=5, function=6, context=7):
    return [task, args, kwargs, name, id, queue, function, context]


def optional(x, ctx: Context | None = None):
    return [x, ctx.attempt]


def old_optional(x, ctx: Optional[Context] = None):  # noqa: UP045 - as users write it
    return [x, ctx.attempt]


def documented(x, *, ctx: Annotated[Context, "the message"]):
    return [x, ctx.attempt]


def amid(x=1, /, ctx: Context | None = None, *rest):
    return [x, ctx.attempt, rest]


def implicit(x: int = None, y: Pair = None) -> tuple[int | None, Pair | None]:  # noqa: RUF013 - as users write it
    return x, y


def marked(x=MISSING, y: int = MISSING, mode=Mode.FAST):
    return [x is MISSING, y is MISSING, mode is Mode.FAST]


def changing(x=Pair(1), y: list[int] = [], z: Any = {"a": [Mode.FAST]}):  # noqa: B006, B008 - as users write it
    x.a += 1
    y.append(1)
    z["a"].append(1)
    return [x.a, y, len(z["a"])]


Bound = TypeVar("Bound", bound=Pair)


def bound(x: Bound) -> Bound:
    return x


OBEYED = [
    (every, (1,), {"d": 4}, [1, "x", 3, [], 4, {}]),
    (every, (1, "y", 2, Pair(5), {"a": 6}), {"d": 4, "e": 5}, [1, "y", 2, [5, 6], 4, {"e": 5}]),
    (alike, (1,), {"a": 2}, [1, {"a": 2}]),
    (unpacked, (), {"a": 1}, {"a": 1}),
    (starred, (1, "a"), {}, (1, "a")),
    (wrapped(every), (1,), {"d": 4}, [1, "x", 3, [], 4, {}]),
    (hidden(every), (1,), {"d": 4}, [1, "x", 3, [], 4, {}]),
    (with_session(sessions), (1,), {}, ["session", 1]),
    (wrapped(answer), (1,), {}, 2),
    (functools.partial(every, 1, d=4), ("y",), {}, [1, "y", 3, [], 4, {}]),
    (functools.partial(answer, x=3), (), {}, 4),
    (Doubler(), (Pair(3),), {}, 6),
    (Doubler().double, (3,), {}, 6),
    (Later(), (3,), {}, 3),
    (of_coroutine, (3,), {}, Pair(3)),
    (of_awaitable, (3,), {}, 4),
    (len, ([1, 2],), {}, 2),
    (clashing, (), {"task": 1, "args": 2, "queue": 9}, [1, 2, 2, 3, 4, 9, 6, 7]),
    (optional, (1,), {}, [1, 1]),
    (old_optional, (1,), {}, [1, 1]),
    (documented, (1,), {}, [1, 1]),
    (amid, (2, 3, 4), {}, [2, 1, (3, 4)]),
    (implicit, (), {}, (None, None)),
    (implicit, (None,), {"y": Pair(1)}, (None, Pair(1))),
    (marked, (), {}, [True, True, True]),
    (marked, (MISSING, 3), {}, [True, False, True]),
    (changing, (), {}, [2, [1], 2]),
    (bound, (Pair(3),), {}, Pair(3)),
]


@pytest.mark.parametrize(
    ("function", "args", "kwargs", "result"), [pytest.param(*o, id=f"{n}") for n, o in enumerate(OBEYED)]
)
def test_a_signature_is_obeyed(function, args, kwargs, result):
    app = Forebay("memory://")
    task = app.task(name="t", retry=1)(function)
    for _ in range(2):  # a default that one run changes is not the next one's
        handle = task.enqueue(*args, **kwargs)
        drain(app, raising=True)
        assert handle.result() == result


def generating(x: int):
    yield x


async def generating_later(x: int):
    yield x


def two(a: Context, b: Context | None = None): ...
def many(*contexts: Context): ...
def named(**contexts: Context): ...
def mixed(x: Context | int): ...
def method(self, x: int): ...
def unresolved(x: "Nowhere"): ...  # noqa: F821 - that is the point


REFUSED = [
    (generating, "it is a generator"),
    (generating_later, "it is a generator"),
    (functools.partial(generating, 1), "it is a generator"),
    (two, "a and b are both a Context: one is enough"),
    (many, "is any number of contexts: take one"),
    (named, "is any number of contexts: take one"),
    (mixed, "`x`: Context can never be sent"),
    (method, "it is a method, and `self` cannot be sent"),
    (Doubler.double, "is a method"),
    (Doubler, "decorate a function"),
    (max, "does not say what it takes"),
    (unresolved, "name 'Nowhere' is not defined; .* import it outside of `if TYPE_CHECKING`"),
]


@pytest.mark.parametrize(("function", "says"), [pytest.param(*each, id=f"{n}") for n, each in enumerate(REFUSED)])
def test_a_function_that_could_never_run_as_a_task_is_refused(function, says):
    with pytest.raises(ConfigError, match=says):
        Forebay("memory://").task(name="t")(function)


@pytest.mark.parametrize(
    ("function", "args", "kwargs", "says"),
    [
        (every, (), {"d": 1}, "missing a required argument: 'a'"),
        (every, (1,), {}, "missing a required .*argument: 'd'"),
        (every, (1,), {"d": 1, "e": "x"}, r"Expected `int`, got `str` - at `\$\.named\[\.\.\.\]`"),
        (unpacked, (), {"a": 1, "c": 2}, r"\$\.options has the key 'c', which its type does not know"),
        (unpacked, (), {}, "missing required field `a`"),
        (starred, (1,), {}, "length 2"),
    ],
)
def test_a_call_that_does_not_fit_is_refused_where_it_is_made(function, args, kwargs, says):
    with pytest.raises(BadArguments, match=says):
        Codec("t", function).encode(args, kwargs)
