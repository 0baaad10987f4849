"""Why a schedule has not fired: what is in its way, what to do, and what became of its last tick."""

from msgspec.structs import replace

from forebay.flow.explain_schedule import Ticking, explain_schedule
from forebay.model.lifecycle import State

NOW = 10_000.0
FINE = Ticking(name="tidy", when="@hourly, UTC", now=NOW, next=NOW + 600, alive=1)


def said(one: Ticking) -> list[str]:
    return [f"{reason.code}: {reason.text}" for reason in explain_schedule(one)]


def test_one_that_goes_on_says_when_and_what_became_of_its_last_tick():
    assert said(FINE) == ["due: schedule tidy fires in 10m (@hourly, UTC)", "last: it has not fired yet"]
    fired = replace(FINE, last=NOW - 3_000, message="id1")
    assert said(fired)[1] == "last: its last tick, 50m ago, made message id1, which has ended and is forgotten"
    dead = replace(fired, state=State.DEAD, cause="failed 3 of 3 attempts")
    assert said(dead)[1] == "last: its last tick, 50m ago, made message id1, which is dead (failed 3 of 3 attempts)"


def test_what_is_in_its_way_comes_first():
    assert (
        said(replace(FINE, by="ann@web-3"))[0] == "paused: schedule tidy has been paused by ann@web-3: it does not fire"
    )
    assert said(replace(FINE, flaw="no text"))[0] == "flaw: schedule tidy cannot be fired: no text"
    late = replace(FINE, next=NOW - 90)
    text = "no-scheduler: schedule tidy was due 1m 30s ago, and nobody has fired it: "
    assert said(late)[0] == text + "those running were started with --no-schedules, or hang"
    assert said(replace(late, alive=0))[0] == text + "no worker is running"
    assert said(replace(FINE, next=NOW - 30))[0] == "due: schedule tidy fires now (@hourly, UTC)"


def test_a_tick_that_is_skipped_names_the_message_that_it_waits_for():
    still = replace(FINE, last=NOW - 60, message="id1", state=State.RUNNING, held="skips ticks: an earlier one runs")
    _, reason, _ = explain_schedule(still)
    assert (reason.text, reason.advice) == (
        "it skips ticks: an earlier one runs",
        "`forebay why id1` says what becomes of it",
    )


def test_one_whose_queue_nobody_serves_says_that_its_messages_wait_there():
    _, reason, _ = explain_schedule(replace(FINE, deserted="q3"))
    assert reason.text == "its messages go to queue q3, which no worker serves: they wait there"
    assert reason.advice == (
        "start a worker with `-Q q3`, or `forebay schedules remove tidy` if the code no longer has it"
    )
    assert len(explain_schedule(replace(FINE, deserted="q3", by="ann@web-3"))) == 2, "paused, it makes none"
