"""How many slots a queue wants: enough for what comes in and what waits, and none against what slots do not help."""

import math

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from forebay.flow.scale import Part, Pull, scale, total

BUSY = Pull(queue="mail", ready=600, running=10, slots=10, age=40.0, mean=2.0, arrivals=4.0)


def test_slots_for_what_comes_in_and_for_what_waits():
    """4 a second at 2 s each keep 8 slots busy; 1,200 s of work to be started within 30 s take 40 more."""
    answer = scale(BUSY, 30.0)
    assert (answer.wanted, answer.more, answer.work, answer.bottleneck) == (48, 38, 1200.0, "")


def test_an_idle_queue_wants_none():
    assert scale(Pull(queue="mail", slots=10, mean=2.0), 30.0).wanted == 0


def test_what_runs_keeps_its_slot():
    assert scale(Pull(queue="mail", running=7, slots=10, mean=2.0), 30.0).wanted == 7


def test_a_single_message_is_worth_a_slot():
    assert scale(Pull(queue="mail", ready=1, mean=0.001), 3600.0).wanted == 1


def test_what_waits_behind_a_gate_wants_no_slots_and_says_why():
    answer = scale(Pull(queue="mail", held=5000, running=2, slots=20, mean=2.0, why="closed by breaker"), 30.0)
    assert (answer.wanted, answer.more, answer.bottleneck) == (2, 0, "closed by breaker")


SMTP = Part(of="provider smtp", ready=600, running=1, room=2)


def test_what_all_waits_for_one_provider_wants_no_more_than_that_may_run():
    """Though one of its slots is free just now, and nothing is held."""
    answer = scale(replace(BUSY, running=1, slots=1, parts=(SMTP,)), 30.0)
    assert (answer.wanted, answer.more, answer.bottleneck) == (3, 2, "limit of provider smtp")
    slow = replace(SMTP, running=0, room=math.inf, rate=2.0)
    assert scale(replace(BUSY, running=0, slots=0, parts=(slow,)), 30.0).wanted == 4


def test_what_nothing_but_slots_is_in_the_way_of_wants_as_many_as_before():
    """Beside what waits for a provider: 8 for what comes in, 20 for 300 that wait 2 s each, and 2 for the provider."""
    answer = scale(replace(BUSY, parts=(replace(SMTP, ready=300),)), 30.0)
    assert (answer.wanted, answer.bottleneck) == (30, "limit of provider smtp")
    assert scale(replace(BUSY, parts=(replace(SMTP, ready=6),)), 30.0) == scale(BUSY, 30.0)


def test_keys_in_order_want_a_slot_each():
    each = tuple(Part(of="its keys", ready=200, room=1) for _ in range(3))
    assert scale(replace(BUSY, running=2, slots=2, parts=each), 30.0).wanted == 5


def test_a_limit_bounds_what_is_wanted():
    answer = scale(replace(BUSY, most=12), 30.0)
    assert (answer.wanted, answer.more, answer.bottleneck) == (12, 2, "concurrency 12")


def test_a_rate_bounds_what_is_wanted_to_what_it_keeps_busy():
    answer = scale(replace(BUSY, rate=5.0), 30.0)
    assert (answer.wanted, answer.more, answer.bottleneck) == (10, 0, "rate 5/s")


def test_as_long_as_no_run_has_ended_one_slot_finds_out_and_more_once_it_is_late():
    unknown = replace(BUSY, mean=None, running=0, slots=3)
    assert scale(replace(unknown, age=10.0), 30.0).wanted == 1
    assert scale(replace(unknown, age=40.0), 30.0).wanted == 6


def test_all_together_count_a_shared_worker_once():
    answer = total([scale(BUSY, 30.0), scale(replace(BUSY, queue="web", most=12), 30.0)], 10)
    assert (answer.wanted, answer.slots, answer.more, answer.bottleneck) == (60, 10, 50, "web: concurrency 12")


numbers = st.integers(0, 10**6)
pulls = st.builds(
    Pull,
    queue=st.just("q"),
    ready=numbers,
    held=numbers,
    running=numbers,
    slots=numbers,
    age=st.floats(0, 1e9),
    mean=st.none() | st.floats(0, 1e6),
    arrivals=st.floats(0, 1e6),
    most=st.none() | st.integers(1, 10**6),
    rate=st.none() | st.floats(1e-6, 1e6),
    why=st.just("closed"),
)


@given(pulls, st.floats(1e-3, 1e6))
def test_whatever_the_numbers_the_answer_is_sound(pull, target):
    answer = scale(pull, target)
    assert answer.wanted >= pull.running
    assert answer.more == max(0, answer.wanted - pull.slots)
    if pull.most is not None:
        assert answer.wanted <= max(pull.most, pull.running)
    if pull.ready:
        assert answer.wanted >= 1
    if not pull.ready and not pull.arrivals:
        assert answer.wanted == pull.running


@given(pulls, st.floats(1e-3, 1e6))
def test_more_work_never_wants_fewer_slots_and_what_is_held_wants_none(pull, target):
    more = scale(replace(pull, ready=pull.ready + 1), target)
    assert more.wanted >= scale(pull, target).wanted
    assert scale(replace(pull, held=pull.held + 1000), target).wanted == scale(pull, target).wanted
    assert math.isfinite(more.wanted)


def test_slots_that_adaptive_workers_do_without_are_there_and_no_more_are_wanted():
    """They were lowered since something is overloaded: workers beside them would ask more of it."""
    answer = scale(replace(BUSY, slots=40, lowered=30), 30.0)
    assert (answer.wanted, answer.more, answer.slots) == (40, 0, 40)
    assert answer.bottleneck == "tasks take too long, 10 of 40 slots in use (--adaptive)"
    assert scale(replace(BUSY, ready=0, slots=40, lowered=30), 30.0).wanted == BUSY.running
