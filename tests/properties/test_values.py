"""Generated values, nested, through every way that a value goes: argument, result, raw message, progress.

What arrives equals what was sent, with its types and its zones. `--hypothesis-seed` of a failure repeats it.
"""

from dataclasses import dataclass
from datetime import UTC, timedelta, timezone
from typing import Any, NamedTuple, TypedDict
from zoneinfo import ZoneInfo

import msgspec
import pydantic
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from forebay import Context, Forebay, Message
from forebay.produce.same import agree
from forebay.testing import drain


@dataclass
class Data:
    one: Any
    two: Any = None


class Row(msgspec.Struct, rename="camel", tag="row"):
    first_one: Any
    second_one: Any = None


class Pair(NamedTuple):
    one: Any
    two: Any


class Keys(TypedDict, total=False):
    one: Any
    two: Any


class Model(pydantic.BaseModel):
    one: Any
    two: Any = pydantic.Field(default=None, alias="second")


ZONES = st.sampled_from([
    None, *(ZoneInfo(name) for name in ("UTC", "Europe/Vienna", "America/New_York", "Australia/Lord_Howe")),
    UTC, *(timezone(timedelta(minutes=minutes)) for minutes in (-330, 1, 765)),
])  # fmt: skip
INTEGERS = st.integers(-(2**63), 2**64 - 1)
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=5)
KEYS = st.one_of(st.none(), st.booleans(), INTEGERS, TEXTS, st.binary(max_size=3), st.dates(), st.uuids())
LEAVES = st.one_of(
    *(KEYS, st.floats(), st.decimals(), st.timedeltas()),
    *(st.datetimes(timezones=ZONES, allow_imaginary=False), st.times(timezones=ZONES)),
)


def within(inner):
    keys = st.one_of(KEYS, st.tuples(KEYS, KEYS))
    few = st.lists(inner, max_size=3)
    return st.one_of(
        *(few, few.map(tuple), st.dictionaries(keys, inner, max_size=3)),
        *(st.sets(KEYS, max_size=3), st.frozensets(KEYS, max_size=3)),
    )


#: Of Python's own types.
OWN = st.recursive(LEAVES, within, max_leaves=12)
#: With an annotation for the outermost: the kind, and a value of it.
TYPED = st.one_of(
    st.tuples(st.just(Data), st.builds(Data, OWN, OWN)),
    st.tuples(st.just(list[Data]), st.lists(st.builds(Data, OWN, OWN), max_size=2)),
    st.tuples(st.just(Row | None), st.one_of(st.none(), st.builds(Row, OWN, OWN))),
    st.tuples(st.just(Pair), st.builds(Pair, OWN, OWN)),
    st.tuples(st.just(Keys), st.fixed_dictionaries({}, optional={"one": OWN, "two": OWN})),
    st.tuples(st.just(dict[str, Model]), st.dictionaries(TEXTS, st.builds(Model, one=OWN, second=OWN), max_size=2)),
    st.tuples(st.just(Any), OWN),
)
BOUNDED = settings(
    max_examples=75, deadline=None, print_blob=True, suppress_health_check=[HealthCheck.too_slow], database=None
)


@BOUNDED
@given(typed=TYPED)
def test_an_annotated_value_arrives_as_argument_and_as_result(typed):
    kind, value = typed
    app, seen = Forebay("memory://"), []

    def keep(x):
        seen.append(x)
        return x

    keep.__annotations__ = {"x": kind, "return": kind}
    task = app.task(retry=1)(keep)
    handle = task.enqueue(value)
    drain(app, raising=True)
    assert agree(seen[0], value)
    assert agree(handle.result(), value)


@BOUNDED
@given(value=OWN)
def test_a_value_of_pythons_own_types_arrives_without_an_annotation_wherever_it_goes(value):
    app, seen = Forebay("memory://"), []

    @app.task(retry=1)
    def keep(x, ctx: Context):
        seen.append(x)
        ctx.progress(x)
        return x

    @app.consume("raw")
    def load(messages: list[Message]) -> None:
        seen.extend(message.value for message in messages)

    handle = keep.enqueue(value)
    app.publish("raw", value)
    drain(app, raising=True)
    for arrived in (*seen, handle.result(), handle.progress()):
        assert agree(arrived, value)
    assert len(seen) == 2
