"""Unions that offer a class beside its plain form: a value arrives as what it is, or is refused."""

from typing import Any

import pytest
from pydantic import BaseModel, RootModel

from forebay import BadArguments, Forebay
from forebay.testing import drain


class Order(BaseModel):
    number: int = 1


class Numbers(RootModel[list[int]]):
    pass


def sent_and_arrived(annotation, value):
    """What a task gets and returns of a value."""
    app = Forebay("memory://")

    def same(x):
        return x

    same.__annotations__ = {"x": annotation, "return": annotation}
    with app:
        handle = app.task(same).enqueue(value)
        drain(app)
        return handle.result(timeout=60)


@pytest.mark.parametrize(
    ("annotation", "value"),
    [
        (Order | dict, {"number": 1}),
        (Order | Any, {"number": 1}),
        (Order | None | dict, {"number": 1}),
        (list[Order | dict], [{"number": 1}]),
        (dict[str, Order | dict[str, Any]], {"one": {"number": 1}}),
        (dict | Order, Order()),
    ],
    ids=str,
)
def test_what_nothing_tells_apart_once_it_is_sent_is_refused_with_the_place(annotation, value):
    with pytest.raises(BadArguments, match=r"\$\.x.* which would arrive as"):
        sent_and_arrived(annotation, value)


@pytest.mark.parametrize(
    ("annotation", "value"),
    [
        (Order | dict, Order(number=2)),
        (Order | dict, {"number": "none"}),
        (dict | Order, {"number": 1}),
        (Order | str, "an order"),
        (Order | None, Order()),
        (Numbers | None, Numbers([1])),
        (frozenset | set, {1}),
        (set | frozenset, frozenset({1})),
        (frozenset[int] | set[int], {1}),
        (list | tuple, (1,)),
    ],
    ids=str,
)
def test_all_else_arrives_as_it_was_sent(annotation, value):
    arrived = sent_and_arrived(annotation, value)
    assert (type(arrived), arrived) == (type(value), value)
