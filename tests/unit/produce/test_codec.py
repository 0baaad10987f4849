"""The codec: calls of every shape go through bytes and come back as the same call, or are refused."""

from typing import Any

import msgspec
import pytest

from forebay.flow.snooze import Snooze
from forebay.model.errors import BadArguments, BadResult, ConfigError
from forebay.produce.codec import Codec, decode_value, encode_value
from forebay.produce.context import Context


def there_and_back(function, *args, **kwargs):
    codec = Codec("f", function)
    return codec.decode(codec.encode(args, kwargs))


def test_positional_and_keyword_arguments_of_every_kind():
    def plain(a, b=2): ...
    def positional(a, /, b): ...
    def keyword(a, *, b, c=3): ...
    def variable(a, *more: int, **named: str): ...

    assert there_and_back(plain, 1) == ((1, 2), {})
    assert there_and_back(plain, b=1, a=0) == ((0, 1), {})
    assert there_and_back(positional, 1, b=2) == ([1, 2], {})
    assert there_and_back(keyword, 1, b=2) == ([1], {"b": 2, "c": 3})
    assert there_and_back(variable, 1, 2, 3, x="y") == ([1, 2, 3], {"x": "y"})
    assert there_and_back(variable, 1) == ([1], {})


def test_the_wire_form_is_a_map_from_name_to_value():
    def send(to, *, subject=""): ...

    assert decode_value(Codec("send", send).encode(("ada",), {"subject": "x"})) == {"to": "ada", "subject": "x"}


def test_a_mutable_default_is_never_shared_between_calls():
    def collect(items: list[int] = [], options: dict[str, int] = {"a": 1}): ...  # noqa: B006 - as users write

    (first, options), _ = there_and_back(collect)
    first.append(1)
    options["b"] = 2
    assert there_and_back(collect) == (([], {"a": 1}), {})


@pytest.mark.parametrize(("args", "kwargs"), [((), {}), ((1, 2), {}), ((1,), {"a": 1}), ((1,), {"x": 1}), (("1",), {})])
def test_what_python_would_refuse_is_refused(args, kwargs):
    def one(a: int): ...

    with pytest.raises(BadArguments, match=r"task f: .*; it takes"):
        there_and_back(one, *args, **kwargs)


def test_a_context_is_put_where_the_function_wants_it_and_never_sent():
    def first(ctx: Context, a): ...
    def middle(a, ctx: Context, b): ...
    def by_name(a, *, ctx: Context): ...

    context = Context(None)  # type: ignore[arg-type] - it is only handed on
    for function, args, expected in (
        (first, (1,), ((context, 1), {})),
        (middle, (1, 2), ((1, context, 2), {})),
        (by_name, (1,), ((1,), {"ctx": context})),
    ):
        codec = Codec("f", function)
        body = codec.encode(args, {})
        assert "ctx" not in decode_value(body)
        placed, named = codec.inject(*codec.decode(body), context)
        assert (tuple(placed), named) == expected


@pytest.mark.parametrize(
    ("function_return", "good", "bad"),
    [
        (int, 3, "3"),
        (list[int], [1], ["1"]),
        (str | None, None, 3),
        (str | Snooze, "x", 3),
        (dict[str, int], {}, {"a": "b"}),
    ],
)
def test_a_result_is_checked_against_its_annotation(function_return, good, bad):
    def function(): ...

    function.__annotations__["return"] = function_return
    codec = Codec("f", function)
    assert codec.decode_result(codec.encode_result(good)) == good
    with pytest.raises(BadResult, match="task f: its result is not usable"):
        codec.encode_result(bad)


@pytest.mark.parametrize(
    "blob", [b"", b"\xc1", b"\x81", b"\x92\x01", b"\x81\xa1a\xa1b", b"\x81\xa1b\x01", b"\xff" * 50]
)
def test_a_body_that_does_not_fit_is_refused_whatever_it_holds(blob):
    def one(a: int): ...

    with pytest.raises(BadArguments, match="task f: "):
        Codec("f", one).decode(blob)


def test_an_argument_that_the_task_does_not_have_is_refused_not_ignored():
    def one(a: int, *, b: int = 1): ...

    with pytest.raises(BadArguments, match="task f: unknown argument `c`; it takes"):
        Codec("f", one).decode(encode_value({"a": 1, "c": 2}))


def test_a_body_nested_too_deeply_is_refused():
    with pytest.raises(BadArguments, match="the payload is not MessagePack"):
        decode_value(b"\x91" * 100_000 + b"\x01")
    deep: list[Any] = []
    for _ in range(100_000):
        deep = [deep]
    with pytest.raises(BadArguments, match="the payload cannot be encoded"):
        encode_value(deep)
    while deep:  # taken apart by hand: the interpreter would do it by recursion
        deep = deep.pop()


@pytest.mark.parametrize("value", [None, True, 3, 2.5, "x", b"bytes", [1, [2]], {"a": {"b": 1}}, {1: 2}])
def test_plain_values_survive(value):
    assert decode_value(encode_value(value)) == value


def test_a_number_that_no_wire_carries_is_refused():
    with pytest.raises(BadArguments, match="the payload cannot be encoded"):
        encode_value(2**64)


def test_an_annotation_without_a_form_on_the_wire_is_refused_at_once():
    class One(msgspec.Struct):
        a: int

    class Two(msgspec.Struct):
        b: int

    def either(value: One | Two): ...

    with pytest.raises(ConfigError, match="task f: `value`: an annotation has no form on the wire"):
        Codec("f", either)


def test_which_parameters_are_left_to_be_named():
    def f(a, /, b, c, *, d): ...

    codec = Codec("f", f)
    assert [sorted(codec.open_after(count)) for count in range(4)] == [
        ["b", "c", "d"],
        ["b", "c", "d"],
        ["c", "d"],
        ["d"],
    ]
