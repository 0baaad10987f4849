"""How a provider stands once the store's clock was set back: by times that are as far away as they were."""

import msgspec
from msgspec.structs import replace

from forebay.flow.breaker import advance
from forebay.flow.capacity import usual
from forebay.flow.dated import dated, overlong
from forebay.model.gate import Gate
from forebay.model.provider import Bucket, Call, Capacity, Provider, SpentKey, Stand, Terms

NOW, BACK = 1_790_000_000.0, 3600.0
FULL = Provider(
    name="smtp", stand=Stand.OPEN, at=NOW, since=NOW - 1, fence=NOW - 2, until=NOW + 5, probing=NOW - 3, down=NOW - 60,
    throttled=NOW + 7, spent=NOW + 50, spent_at=NOW - 4, buckets=(Bucket(NOW - 1, 3, 2, 1),),
    keys=(SpentKey("eu", NOW + 50, "", NOW - 5, throttled=NOW + 9),),
    capacity=Capacity(limit=4, since=NOW - 5, fence=NOW - 6, lowered=NOW - 7, at=NOW - 8),
)  # fmt: skip


def times(one):
    """What has to be as far away as it was."""
    found = [one.at, one.since, one.fence, one.until, one.probing, one.down, one.throttled, one.spent_at]
    found += [one.buckets[0].at, one.keys[0].at, one.keys[0].throttled]
    return [*found, one.capacity.since, one.capacity.fence, one.capacity.lowered, one.capacity.at]


def test_all_that_was_written_down_is_as_far_away_as_it_was():
    after = dated(FULL, NOW - BACK)
    assert times(after) == [time - BACK for time in times(FULL)]
    assert (after.stand, after.buckets[0].ok, after.capacity.limit) == (Stand.OPEN, 3, 4)


def test_windows_of_budgets_begin_by_the_date():
    after = dated(FULL, NOW - BACK)
    assert (after.spent, after.keys[0].until) == (FULL.spent, FULL.keys[0].until)


def test_a_clock_that_goes_on_or_seems_a_little_behind_changes_nothing():
    assert [dated(FULL, now) is FULL for now in (NOW, NOW + BACK, NOW - 0.9)] == [True] * 3


def test_a_row_of_before_says_nothing_of_when_it_was_written():
    old = replace(FULL, at=0.0)
    assert dated(old, NOW - BACK) is old
    assert msgspec.msgpack.decode(msgspec.msgpack.encode({"name": "smtp"}), type=Provider).at == 0.0


def test_a_gate_opens_as_much_later_as_it_was_to():
    gate = Gate("mail", "smtp", since=NOW, until=NOW + 5)
    assert overlong(gate, NOW - BACK) == NOW - BACK + 5
    assert overlong(gate, NOW + 1) is None
    assert overlong(replace(gate, until=None), NOW - BACK) is None


def test_an_adaptive_limit_goes_on_as_it_would_have():
    terms = Terms(concurrency=50, adaptive=True)
    low = Provider(name="geo", terms=terms, at=NOW, capacity=Capacity(limit=2, since=NOW, fence=NOW, at=NOW))
    now = NOW - BACK
    one = dated(low, now)
    for _ in range(20):
        now += 2.0
        one = advance(one, [Call(now, True, took=0.1)] * 20, now, 0.5, 20)
    assert usual(one) > 40
