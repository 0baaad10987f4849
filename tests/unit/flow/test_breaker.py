"""A breaker opens when it should, asks one at a time, comes back by steps, and is moved by nothing that came late."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from forebay.flow.breaker import advance, closed, next_look, opened, overdue, pause, probe_of, probed, sent, slots, told
from forebay.flow.grant import grant
from forebay.flow.ramp import first, following, top
from forebay.model.provider import Call, Provider, Stand, Terms, Trip

NOW = 1_000.0
SMTP = Provider(name="smtp", terms=Terms(concurrency=20), since=NOW)


def went(one, calls, now=NOW, draw=0.5, running=0, **more):
    return advance(one, calls, now, draw, running, **more)


def calls(ok=0, failed=0, slow=0, began=NOW, **more):
    good = [Call(began, True)] * ok + [Call(began, True, slow=True)] * slow
    return [*good, *[Call(began, False, reason="503", **more)] * failed]


def test_half_of_the_calls_failed_and_it_opens():
    one = went(SMTP, calls(ok=5, failed=5))
    assert (one.stand, one.until, one.trips) == (Stand.OPEN, NOW + 5, 1)
    assert one.reason == "5 of 10 calls within 10s failed; the last: 503"
    assert slots(one, NOW) == 0


def test_fewer_calls_than_the_sample_are_not_judged():
    assert went(SMTP, calls(ok=1, failed=8)).stand is Stand.CLOSED


def test_so_many_failures_one_after_another_open_it_whatever_was_before():
    one = went(SMTP, calls(ok=500))
    one = went(one, calls(failed=9))
    assert one.stand is Stand.CLOSED
    assert went(one, calls(failed=1)).reason.startswith("10 calls failed one after another")


def test_what_is_older_than_the_window_does_not_count():
    one = went(SMTP, calls(ok=2, failed=7))
    later = NOW + 11
    one = went(one, calls(ok=1, began=later), later)
    assert went(one, calls(failed=3, ok=3, began=later), later).stand is Stand.CLOSED


def test_slow_calls_open_it_where_it_was_said_what_is_slow():
    assert went(SMTP, calls(ok=5, slow=6)).stand is Stand.CLOSED
    slow = replace(SMTP, terms=Terms(breaker=Trip(slow=2.0)))
    one = went(slow, calls(ok=5, slow=6))
    assert (one.stand, one.reason) == (Stand.OPEN, "6 of 11 calls within 10s took longer than 2s")


def test_rejections_and_faults_of_ones_own_say_nothing():
    assert went(SMTP, [Call(NOW, None)] * 100) == replace(SMTP, calls=100)


def test_a_call_that_is_to_be_made_later_shuts_it_until_then_and_fails_nothing():
    one = went(SMTP, [Call(NOW, None, until=NOW + 30, reason="429")])
    assert (one.stand, one.streak, slots(one, NOW), next_look(one, NOW)) == (Stand.CLOSED, 0, 0, NOW + 30)
    assert slots(one, NOW + 30) == 20
    assert told(one, NOW) == "provider smtp asked to wait, for another 30s: 429"
    assert went(one, [Call(NOW, None, until=NOW + 5)]).throttled == NOW + 30


def test_a_task_that_says_it_is_down_needs_no_sample():
    one = went(SMTP, [Call(NOW, False, down=True, until=NOW + 3600, reason="quota")])
    assert (one.stand, one.until, one.reason) == (Stand.OPEN, NOW + 3600, "quota")


def test_without_a_breaker_failures_open_nothing():
    one = replace(SMTP, terms=Terms(breaker=None))
    assert went(one, calls(failed=1000)).stand is Stand.CLOSED


def test_then_one_probe_goes_and_when_it_fails_the_pause_is_longer():
    one = went(SMTP, calls(failed=10))
    assert went(one, [], NOW + 4.9).stand is Stand.OPEN
    probing = went(one, [], NOW + 5)
    assert (probing.stand, slots(probing, NOW + 5)) == (Stand.HALF_OPEN, 1)
    pauses = []
    now = NOW + 5
    for _ in range(6):
        one = went(probing, calls(failed=1, began=now), now)
        pauses.append(one.until - now)
        now = one.until
        probing = went(one, [], now)
    assert pauses == [10, 20, 40, 60, 60, 60]


def test_when_the_probe_succeeds_it_comes_back_by_steps():
    one = probed(went(SMTP, calls(failed=10)), NOW + 5, 0)
    now, levels = NOW + 5, []
    one = went(one, calls(ok=1, began=now), now)
    while one.stand is Stand.RAMP:
        levels.append(slots(one, now))
        assert went(one, [], now + 100, running=1).level == one.level  # nothing has answered in this step
        now += one.terms.ramp / 4 + 0.001
        one = went(one, calls(ok=1, began=now), now)
    assert (levels, one.stand, one.down, slots(one, now)) == ([2, 4, 8, 16], Stand.CLOSED, None, 20)


def test_on_its_way_back_it_opens_again_for_longer():
    one = probed(went(SMTP, calls(failed=10)), NOW + 5, 0)
    one = went(one, calls(ok=1, began=NOW + 5), NOW + 5)
    one = went(one, calls(ok=1, failed=2, began=NOW + 6), NOW + 6)
    assert (one.stand, one.until, one.trips) == (Stand.OPEN, NOW + 6 + 10, 2)


@pytest.mark.parametrize("ok", [True, False])
def test_an_answer_to_what_began_before_the_probe_changes_nothing(ok):
    one = probed(went(SMTP, calls(failed=10)), NOW + 5, 3)
    late = [Call(NOW - 60, ok)]
    assert went(one, late, NOW + 6, running=4, sent=True).stand is Stand.HALF_OPEN
    assert slots(one, NOW + 6) == 4  # three slots are theirs, one is the probe's


def test_when_calls_end_that_began_before_the_probe_no_further_one_starts():
    """They hang for as long as their timeouts say, and end one by one, or all at once, while a probe is out."""
    one = probed(went(SMTP, calls(failed=10)), NOW + 5, 3)
    meter = probe_of("smtp")
    assert not sent(meter, NOW + 5)
    meter = replace(meter, tat=grant(meter, NOW + 5, 5, cost=40.0).tat)
    assert sent(meter, NOW + 5)
    assert grant(meter, NOW + 1e6, 5).n == 0
    for running in (4, 3, 2, 1):
        after = went(one, [Call(NOW - 60, False)], NOW + 6, running=running, sent=True)
        assert (after.stand, after.probes) == (Stand.HALF_OPEN, 0), "the same probe"


@pytest.mark.parametrize(("ends", "running"), [([Call(NOW + 6, None)], 3), ([], 0)], ids=["said nothing", "killed"])
def test_after_a_probe_that_told_nothing_another_one_may_go(ends, running):
    one = probed(went(SMTP, calls(failed=10)), NOW + 5, 3)
    after = went(one, ends, NOW + 7, running=running, sent=True)
    assert (after.stand, after.probes) == (Stand.HALF_OPEN, 1)
    late = went(after, [Call(NOW + 6, True)], NOW + 7.2, running=1, sent=True)
    assert late.stand is Stand.RAMP, "and its word counts, if it comes after all"


def test_a_probe_that_does_not_end_has_failed():
    one = probed(went(SMTP, calls(failed=10)), NOW + 5, 0)
    one = went(one, [], NOW + 10, running=1, sent=True)
    assert went(one, [], NOW + 69, running=1, sent=True).stand is Stand.HALF_OPEN
    one = went(one, [], NOW + 71, running=1, sent=True)
    assert (one.stand, one.reason) == (Stand.OPEN, "the probe did not end within 1m")


def test_without_a_probe_it_waits_for_one_for_ever():
    one = probed(went(SMTP, calls(failed=10)), NOW + 5, 0)
    assert went(one, [], NOW + 1e6).stand is Stand.HALF_OPEN


def test_what_began_before_gets_time_to_end_before_a_probe_goes():
    one = went(SMTP, calls(failed=10))
    assert went(one, [], NOW + 6, running=5).stand is Stand.OPEN
    assert went(one, [], NOW + 6, running=0).stand is Stand.HALF_OPEN
    assert slots(went(one, [], NOW + 10, running=5), NOW + 10) == 6


def test_by_hand_it_stays_open_until_somebody_closes_it():
    one = opened(SMTP, NOW, None, "maintenance", "ann")
    one = went(one, calls(ok=50), NOW + 1e6)
    assert (one.stand, slots(one, NOW + 1e6)) == (Stand.OPEN, 0)
    assert "was opened by ann" in told(one, NOW + 1e6)
    assert slots(closed(one, NOW + 1e6), NOW + 1e6) == 20


def test_how_long_one_has_waited_counts_from_the_outage_or_from_its_own_beginning():
    one = replace(opened(SMTP, NOW, NOW + 5, ""), terms=Terms(max_outage=60))
    assert not overdue(one, NOW - 999, NOW + 60)
    assert overdue(one, NOW - 999, NOW + 61)
    assert not overdue(one, NOW + 30, NOW + 61)
    assert not overdue(replace(one, terms=Terms()), NOW, NOW + 1e9)


def test_a_ramp_that_nobody_asks_in_ends_with_time():
    one = went(probed(opened(SMTP, NOW, NOW, "503"), NOW, 0), calls(ok=1), NOW + 1)
    assert one.stand is Stand.RAMP
    end = NOW + 1 + SMTP.terms.ramp + SMTP.terms.breaker.window
    assert went(one, [], end).stand is Stand.RAMP
    assert went(one, [], end + 0.1, running=1).stand is Stand.RAMP
    assert went(replace(one, throttled=end), [], end + 0.1).stand is Stand.RAMP
    assert went(one, calls(failed=1, began=end), end + 0.1).stand is Stand.OPEN
    assert went(one, [], end + 0.1).stand is Stand.CLOSED


@pytest.mark.parametrize(
    ("bound", "levels"), [(1, []), (2, []), (3, [2]), (20, [2, 4, 8, 16]), (None, [2, 4, 8, 16, 32])]
)
def test_a_ramp_doubles_up_to_what_is_usual(bound, levels):
    terms, found = Terms(concurrency=bound, ramp=4), []
    level = first(terms)
    while level is not None:
        found.append(level)
        level = following(terms, level, 4)
    assert found == levels
    assert first(replace(terms, ramp=0)) is None
    assert all(level < top(bound) for level in levels)


@settings(max_examples=100, deadline=None)
@given(
    steps=st.lists(
        st.tuples(
            st.floats(0, 30),
            st.lists(st.tuples(st.sampled_from([True, False, None]), st.floats(-40, 0), st.booleans()), max_size=15),
            st.integers(0, 5),
        ),
        max_size=40,
    )
)
def test_whatever_happens_it_is_asked_within_its_bounds_and_never_while_it_is_open(steps):
    one, now = SMTP, NOW
    for wait, ends, running in steps:
        now += wait
        before = one
        one = advance(one, [Call(now + began, ok, slow=slow) for ok, began, slow in ends], now, 0.5, running)
        free = slots(one, now)
        assert (free == 0) == one.shut(now)
        assert free is not None
        assert free <= 20 or one.stand is Stand.HALF_OPEN
        if one.stand is Stand.OPEN and before.stand is not Stand.OPEN:
            assert one.until >= now + 0.9 * pause(replace(one, trips=one.trips - 1))
        if before.stand is Stand.OPEN and one.stand is not Stand.OPEN:
            assert now >= before.until
            assert one.stand is Stand.HALF_OPEN
        if one.stand is Stand.CLOSED and before.stand is not Stand.CLOSED:
            assert before.stand is Stand.RAMP
