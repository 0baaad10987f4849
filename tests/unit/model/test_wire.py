"""The bytes of values: what MessagePack has not, and what somebody else may have written there."""

import contextlib
import subprocess
import sys
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from uuid import UUID
from zoneinfo import ZoneInfo

import msgspec
import pytest
from msgspec.msgpack import Ext

from forebay.model.wire import exactly, unpack

VIENNA = ZoneInfo("Europe/Vienna")
pack = msgspec.msgpack.encode


def no_instances(value):
    raise TypeError(type(value).__name__)


def there_and_back(value):
    return unpack(pack(exactly(value, no_instances)))


@pytest.mark.parametrize(
    "value",
    [
        None,
        True,
        1,
        1.5,
        "x",
        b"x",
        [1, [2]],
        {"a": {1: 2}},
        (1, ("a", [2])),
        {1, (2, 3)},
        frozenset({frozenset(), 1}),
        {(1, 2): {date(2027, 1, 1): 3}},
        {"a": ({"b": {1}},)},
        datetime(2026, 10, 25, 2, 30, fold=1, tzinfo=VIENNA),
        datetime(2026, 1, 1, tzinfo=timezone(timedelta(hours=5, minutes=45, seconds=1, microseconds=2))),
        datetime(2026, 1, 1, tzinfo=UTC),
        datetime(1, 1, 1),  # noqa: DTZ001 - one without a zone
        datetime(9999, 12, 31, 23, 59, 59, 999_999),  # noqa: DTZ001
        date.min,
        time(9, 30, 1, 5, fold=1, tzinfo=VIENNA),
        time(9, tzinfo=timezone(-timedelta(hours=3))),
        timedelta.min,
        timedelta.max,
        Decimal("-0.00"),
        Decimal("1E+5"),
        Decimal("Infinity"),
        UUID(int=2**128 - 1),
        Path("a/b"),
        (),
        set(),
    ],
    ids=repr,
)
def test_a_value_of_pythons_own_types_comes_back_equal_and_of_its_type(value):
    back = there_and_back(value)
    assert back == value
    assert type(back) is type(value)
    if isinstance(value, datetime | time):
        assert (back.replace(tzinfo=None), back.utcoffset(), back.fold) == (
            value.replace(tzinfo=None), value.utcoffset(), value.fold
        )  # fmt: skip
        assert getattr(back.tzinfo, "key", None) == getattr(value.tzinfo, "key", None)


def test_what_messagepack_has_itself_is_written_plainly():
    value = {"a": [None, True, 1, 2.5, "x", b"x", {1: 2}]}
    assert pack(exactly(value, no_instances)) == pack(value)


def test_a_not_a_number_comes_back_as_the_one_it_is():
    assert there_and_back(Decimal("sNaN12")).as_tuple() == Decimal("sNaN12").as_tuple()


def test_an_extension_of_somebody_else_stays_what_it_is():
    assert unpack(pack(Ext(99, b"x"))) == Ext(99, b"x")


GARBAGE = [
    *(None, 1, "x", "9999", b"", [], [1], [[1]], {"a": 1}, ["a", 0, None], [2**62] * 3, [[[], 1]]),
    *(["2026-01-01", 0, 2**60], ["2026-01-01", 7, "UTC"], ["2026-01-01", 0, "../../etc/passwd"]),
    ["2026-01-01", 0, "Europe"],
]


@pytest.mark.parametrize("code", range(12))
def test_an_extension_of_garbage_is_refused_and_nothing_worse(code):
    for blob in (b"", b"\xc1", *map(pack, GARBAGE)):
        with contextlib.suppress(msgspec.MsgspecError, ValueError, TypeError, RecursionError):
            unpack(pack(Ext(code, blob)))


def test_extensions_nested_without_end_are_refused_and_the_process_lives():
    code = (
        "from msgspec.msgpack import Ext, encode\n"
        "from forebay.model.wire import unpack\n"
        "blob = encode([])\n"
        "while len(blob) < 200_000:\n"
        "    blob = encode(Ext(1, encode([Ext(1, blob)])))\n"
        "    if len(blob) > 100_000: break\n"
        "for _ in range(5_000): blob = encode(Ext(1, blob))\n"
        "try: unpack(blob)\n"
        "except RecursionError: print('refused')\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=60)
    assert done.stdout == "refused\n", done
