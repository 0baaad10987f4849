"""When a message is expected to start: by slots, run times, rates and gates; and by how the queue moved lately."""

import itertools
from typing import NamedTuple

import pytest

from forebay.flow.grant import grant
from forebay.flow.ticket import STEP, WINDOW, Line, Pace, Reading, crowd, expected, lane_of, pace, waiting
from forebay.model.meter import Meter


class Lane(NamedTuple):
    lane: str
    ready: int = 0
    parked: int = 0
    why: str = ""


def line(ahead: int = 0, **more: object) -> Line:
    return Line(**{"now": 1000.0, "ahead": ahead, "among": ahead, "slots": 2, "free": 2, **more})  # type: ignore[arg-type]


def test_nobody_knows_without_a_worker_nor_behind_a_gate_without_an_end() -> None:
    assert expected(line(slots=0)) is None
    assert expected(line(shut=[None, 1010.0])) is None
    assert expected(line(ahead=2)) is None, "nothing has ever ended: who knows how long one takes?"
    assert expected(line(ahead=1)) == 1000.0, "for what starts at once that does not matter"


@pytest.mark.parametrize(("ahead", "wait"), [(0, 0.0), (1, 0.0), (2, 5.0), (3, 10.0), (201, 1000.0)])
def test_beyond_the_free_slots_it_waits_for_one_end_after_the_other(ahead: int, wait: float) -> None:
    assert expected(line(ahead, pace=Pace(10.0))) == 1000.0 + wait


def test_how_fast_it_moved_lately_wins_over_what_slots_and_run_times_promise() -> None:
    """Its workers may serve others as well."""
    assert expected(line(12, pace=Pace(10.0, 1.0))) == 1011.0


def test_the_latest_of_all_that_holds_it_up_counts() -> None:
    slow = Meter(name="queue:q", rate=0.1, burst=1, tat=1000.0)
    assert expected(line(3, pace=Pace(10.0), shared=[slow])) == 1030.0
    assert expected(line(3, pace=Pace(10.0), shared=[slow], shut=[1100.0])) == 1130.0
    assert expected(line(3, pace=Pace(10.0), due=1500.0)) == 1510.0
    taken = Meter(name="key:q:k", slots=1, running=1)
    assert expected(line(3, pace=Pace(10.0), own=[taken])) == 1040.0


@pytest.mark.parametrize(
    ("rate", "burst", "nth"), list(itertools.product([0.5, 3.0, 70.0], [None, 1.0, 5.0], [1, 2, 7, 30]))
)
def test_a_rate_lets_it_start_when_the_meter_itself_would(rate: float, burst: float | None, nth: int) -> None:
    """Tried by asking the meter for one after the other, as soon as it lets one through."""
    meter, now = Meter(name="queue:q", rate=rate, burst=burst, tat=1000.7), 1000.0
    for _ in range(nth):
        answer = grant(meter, now, 1)
        if not answer.n:
            now = answer.again or 0.0
            answer = grant(meter, now, 1)
        assert answer.n == 1
        meter = Meter(name="queue:q", rate=rate, burst=burst, tat=answer.tat)
    assert expected(
        line(nth - 1, slots=99, free=99, shared=[Meter(name="queue:q", rate=rate, burst=burst, tat=1000.7)])
    ) == pytest.approx(now)


def test_a_pace_is_told_by_what_ended_in_between() -> None:
    ever = Reading(100.0, 50, 500.0, 9)
    assert pace(None, ever) == Pace(10.0)
    assert pace(None, Reading(100.0, 0, 0.0, 9)) == Pace()
    assert pace(ever, Reading(100.0 + STEP / 2, 60, 520.0, 9)) == Pace(520.0 / 60), "too short a time to tell"
    assert pace(ever, Reading(110.0, 60, 520.0, 9)) == Pace(2.0, 1.0)
    assert pace(ever, Reading(110.0, 60, 520.0, 0)) == Pace(2.0), "nothing waited any more: it could have been faster"
    assert pace(ever, Reading(110.0, 50, 500.0, 9)) == Pace(10.0), "nothing has ended since"
    assert pace(ever, Reading(110.0, 3, 3.0, 9)) == Pace(1.0), "the queue was made anew"
    assert WINDOW > STEP


def test_its_lane_is_the_one_that_tells_most_of_it() -> None:
    lanes = [Lane(""), Lane("smtp"), Lane("smtp|key:a"), Lane("|key:b"), Lane("|task:send"), Lane("sms")]
    assert lane_of(lanes, "smtp", "send", "a") == "smtp|key:a"
    assert lane_of(lanes, "smtp", "send", "z") == "smtp"
    assert lane_of(lanes, "other", "send", "b") == "|key:b", "in order, all of a key are one line"
    assert lane_of(lanes, "", "send", None) == "|task:send"
    assert lane_of(lanes, "", "tidy", None) == ""


def test_lanes_take_turns_and_those_at_a_limit_of_their_own_take_none() -> None:
    lanes = [Lane("", 0), Lane("|key:a", 10), Lane("|key:b", 1, 1), Lane("|key:c", 10, 0, "1 of 1 slots taken")]
    assert (waiting(lanes, 30, ""), waiting(lanes, 30, "|key:b"), waiting(lanes, 30, "|key:z")) == (8, 2, 0)
    assert crowd(lanes, 30, "|key:a", 4) == 4 + 4 + 1, "the main lane has as many turns, the other key only one"
    assert crowd(lanes, 30, "", 0) == 1, "of its own round half of the others go before"
