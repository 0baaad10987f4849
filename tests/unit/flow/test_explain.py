"""Why something waits: each hurdle has its sentence, the one that weighs most comes first, and says what to do."""

import pytest
from msgspec.structs import replace

from forebay.flow.explain import Closed, Numbers, Place, Server, Subject, explain, explain_queue, root
from forebay.model.lifecycle import State

NOW = 1_000.0


def server(running: int = 0, *, state: str = "running", proved: float = 0.1) -> Server:
    return Server(worker="w1", where="process 7 on h", running=running, concurrency=10, state=state, proved=proved)


def place(*servers: Server, gates: tuple[Closed, ...] = (), elsewhere: tuple[str, ...] = ()) -> Place:
    alive = len(servers) + bool(elsewhere)
    return Place(now=NOW, queue="mail", servers=servers, gates=gates, elsewhere=elsewhere, alive=alive, app="shop:app")


PAUSED = Closed(lane=None, by="ann@host", reason="provider is down", since=NOW - 180)


def told(state: State, around: Place, **fields: object) -> list[str]:
    return [reason.text for reason in explain(Subject(id="x", state=state, **fields), around)]  # type: ignore[arg-type]


def test_no_worker_is_the_reason_where_there_is_none():
    (reason,) = explain(Subject(id="x", state=State.READY), place())
    assert reason.text == "no worker serves queue mail: none is running"
    assert (
        reason.advice
        == "start one: `forebay worker -A shop:app -Q mail`, or see the log of one that hangs at its start"
    )
    assert told(State.READY, place(elsewhere=("a", "b"))) == ["no worker serves queue mail: those running serve a, b"]


def test_without_a_worker_nobody_finds_out_that_a_provider_is_back():
    down = ("smtp", "provider smtp has been down for 18m, the next probe is due")
    reasons = explain_queue(Numbers(ready=5), replace(place(), providers=[down]))
    assert [reason.code for reason in reasons] == ["no-worker", "provider"]
    reasons = explain_queue(Numbers(ready=5), replace(place(server()), providers=[down]))
    assert [reason.code for reason in reasons] == ["provider"]


def test_a_pause_says_who_and_why_and_since_when():
    assert told(State.READY, place(server(), gates=(PAUSED,))) == [
        "queue mail has been paused for 3m by ann@host: provider is down"
    ]


def test_in_line_it_is_said_how_many_are_ahead_and_whether_the_slots_are_taken():
    line = [
        "every worker of queue mail is busy: 10 of 10 slots",
        "1,204 others are ahead of it",
    ]
    assert told(State.READY, place(server(10)), ahead=1204, eta=NOW) == line
    soon = "it is expected to start in 2m"
    assert told(State.READY, place(server(10)), ahead=1204, eta=NOW + 120) == [*line, soon]
    late = "it is expected to start in 2m, and expires 1m from now"
    assert told(State.READY, place(server(10)), ahead=1204, eta=NOW + 120, expires=NOW + 60) == [*line, late]
    unknown = "nobody knows when it starts: nothing of its queue has ended yet, to tell how long one takes"
    assert told(State.READY, place(server(10)), ahead=1204) == [*line, unknown]
    assert told(State.READY, place(server(3))) == ["next in line: a worker takes it as soon as a slot is free"]
    assert told(State.READY, place(server(3)), key="t7") == [
        "next in line: a worker takes it as soon as a slot is free, in a fair queue one of the share of its key"
    ]


def advice(state: State, around: Place, **fields: object) -> str:
    return explain(Subject(id="x", state=state, **fields), around)[-1].advice  # type: ignore[arg-type]


def test_what_will_be_late_is_told_what_would_help_and_nothing_that_would_not():
    busy, held = place(server(10)), place(server(3), gates=(PAUSED,))
    line = {"eta": NOW + 120, "expires": NOW + 60}
    assert advice(State.READY, busy, **line).startswith("more workers, or a longer expires=")
    assert advice(State.READY, held, **line).startswith("see what holds it up, or a longer expires=")
    assert advice(State.PARKED, held, **line).startswith("see what holds it up, or a longer expires=")
    before = advice(State.SCHEDULED, place(server(3)), due=NOW + 120, **line)
    assert before.startswith("it expires before it is due: give it a longer expires= (or its queue a longer ttl=)")


def test_workers_that_leave_or_cannot_lease_count_as_none():
    assert told(State.READY, place(server(state="draining"))) == ["every worker of queue mail is shutting down"]
    assert told(State.READY, place(server(proved=40.0))) == ["no worker of queue mail has been able to lease for 40s"]


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"due": NOW + 200}, "scheduled: due in 3m 20s"),
        (
            {"due": NOW + 3, "attempt": 1, "attempts": 5, "failure": "KeyError: 'x'"},
            "attempt 1 of 5 failed (KeyError: 'x'); the next one is due in 3s",
        ),
        (
            {"due": NOW + 3, "cause": "no worker here knows task 'x'"},
            "no worker here knows task 'x'; offered again in 3s",
        ),
    ],
)
def test_what_is_scheduled_says_until_when_and_what_came_before(fields, text):
    assert told(State.SCHEDULED, place(server()), **fields) == [text]


def test_what_runs_says_where_and_a_lost_lease_is_told():
    fields = {"worker": "w1", "started": NOW - 65, "attempt": 2}
    running = "running for 1m 5s, attempt 2, on worker w1"
    assert told(State.RUNNING, place(server(1)), holder=server(1), **fields) == [f"{running} (process 7 on h)"]
    assert told(State.RUNNING, place(), **fields) == [f"{running}, whose lease ran out"]


def test_what_is_parked_says_which_lane_is_closed_by_whom():
    gate = Closed(lane="smtp", by="breaker", reason="503", since=NOW - 5, until=NOW + 10)
    other = Closed(lane="other", by="breaker", reason="", since=NOW)
    assert told(State.PARKED, place(server(), gates=(gate, other)), lane="smtp") == [
        "lane smtp of queue mail has been closed for 5s by breaker: 503; it opens by itself in 10s"
    ]


def test_what_a_rule_pauses_is_told_in_the_words_of_rules():
    gate = Closed(lane="rule.pause-1", by="rule pause-1", reason="bounces", since=NOW - 5, until=NOW + 10)
    assert told(State.PARKED, place(server(), gates=(gate,)), lane="rule.pause-1") == [
        "what rule pause-1 matches in queue mail has been paused for 5s: bounces; it opens by itself in 10s"
    ]


@pytest.mark.parametrize("around", [{"gates": (Closed(lane=None, by="ann", reason="", since=NOW),)},
                                    {"providers": (("smtp", "provider smtp has been down"),)}])  # fmt: skip
def test_a_full_queue_asks_for_no_more_workers_where_they_would_only_wait_too(around):
    numbers = Numbers(parked=9, limit=9, full=NOW - 1)
    advice = {one.code: one.advice for one in explain_queue(numbers, replace(place(server()), **around))}["full"]
    assert "start more" not in advice
    open_ = {one.code: one.advice for one in explain_queue(numbers, place(server()))}["full"]
    assert "start more" in open_


def test_an_end_says_how_it_ended_and_a_dead_letter_what_to_do():
    (reason,) = explain(Subject(id="x", state=State.DEAD, finished=NOW - 9, attempt=5, cause="no address"), place())
    assert reason.text == "dead 9s ago, attempt 5: no address"
    assert reason.advice == "`forebay dead redrive x` to run it again"


def test_workers_that_have_lowered_themselves_are_no_reason_for_more_of_them():
    lowered = replace(server(10), most=40)
    (busy, _) = explain_queue(Numbers(ready=5, age=3.0), place(lowered))
    lead = "every worker of queue mail is busy: 10 of 10 slots"
    assert busy.text == f"{lead}, lowered from 40 since tasks time out or take longer than usual"
    assert busy.advice == "look at what they wait for: more workers would ask more of it"


def test_a_queue_says_whom_it_has_no_room_for():
    """Also where nobody was refused yet; of a queue with a reserve, that urgent messages still get in."""

    def said(ready: int, reserved: int = 2) -> list[str]:
        reasons = explain_queue(Numbers(ready=ready, limit=10, reserved=reserved), place(server()))
        return [reason.text for reason in reasons if reason.code in {"full", "reserve"}]

    assert said(7) == said(9, reserved=0) == []
    text = "only priorities above 0 get in: {} messages waiting, and the last {} kept for them by reserve= (limit=10)"
    assert said(8) == [text.format(8, "2 places are")]
    assert said(9, reserved=1) == [text.format(9, "place is")]
    (full,) = said(10)
    assert full.startswith("full: 10 messages waiting, and limit=10; ")


def test_a_message_of_a_task_that_nobody_knows_is_not_expected_to_start():
    """It is offered again, and handed back again."""
    found = explain(
        Subject(id="x", state=State.SCHEDULED, cause="no worker here knows task 'f'", eta=NOW + 2), place(server())
    )
    assert [reason.code for reason in found] == ["unknown-task"]


def test_a_full_queue_says_since_when():
    reasons = explain_queue(Numbers(ready=9, scheduled=1, limit=10, full=NOW - 65), place(server()))
    (full,) = [reason for reason in reasons if reason.code == "full"]
    assert full.text.startswith("full for 1m 5s: 10 messages waiting, and limit=10")
    heavy = Numbers(ready=9, limit_bytes=5_000, size=4_900, full=NOW - 65)
    (by_bytes,) = [reason for reason in explain_queue(heavy, place(server())) if reason.code == "full"]
    assert by_bytes.text.startswith("full for 1m 5s: 9 messages waiting, with 4,900 bytes, and limit_bytes=5,000; prod")
    assert "start more of them" in full.advice


def test_a_queue_says_what_holds_it_up_or_that_nothing_waits():
    def queue(around: Place, **counts: object) -> list[str]:
        return [reason.text for reason in explain_queue(Numbers(**counts), around)]  # type: ignore[arg-type]

    assert queue(place(server()), running=2) == ["nothing waits on queue mail; 2 messages running"]
    assert queue(place(server()), ready=1, age=2) == ["1 message ready, the oldest for 2s"]
    assert queue(place(), ready=1) == ["no worker serves queue mail: none is running"]
    assert queue(place(server()), scheduled=3) == ["3 messages scheduled for later"]
    unknown = ("no worker here knows task 'x'", 4)
    assert queue(place(server()), scheduled=4, causes=(unknown,)) == [f"4 messages handed back: {unknown[0]}"]


def test_whoever_is_held_or_slowed_by_pressure_is_told_once():
    why = "queue d is at 100 of 100, fed by task third"
    gate = Closed(lane=None, by="pressure", reason=why, since=NOW - 3.0, until=NOW + 7.0, task="third")
    slow = (("third", 10.0, "d"), ("other", 5.0, "d"))
    reasons = explain_queue(Numbers(parked=5), replace(place(gates=(gate,)), paced=slow))
    assert [(reason.code, reason.text) for reason in reasons if reason.code == "pressure"] == [
        ("pressure", "task third has been held by pressure: queue d is at 100 of 100, fed by task third; for 3s"),
        ("pressure", "task other has been slowed by pressure to 5/s: queue d, which it feeds, was full"),
    ]


def test_a_stage_that_is_held_names_what_holds_up_the_end_of_its_chain():
    gate = Closed(
        lane=None, by="pressure", reason="queue b is at 9 of 9, fed by task first", since=NOW - 9, task="first"
    )
    around = replace(place(server(), gates=(gate,)), root=("d", "waits, because provider smtp has been down for 1h"))
    reason, full = explain_queue(Numbers(parked=5, limit=5, full=NOW - 9), around)
    assert reason.text == (
        "task first has been held by pressure: queue b is at 9 of 9, fed by task first; for 9s; "
        "the cause is at queue d: provider smtp has been down for 1h"
    )
    assert reason.advice == "it goes on by itself when queue d does: `forebay why d`"
    assert (full.code, full.advice) == ("full", "")  # more workers would only wait with the others


def test_what_holds_up_the_end_of_a_chain_is_one_sentence():
    down = replace(place(server()), providers=[("smtp", "provider smtp has been down for 1h")])
    assert root(Numbers(parked=5), down) == "waits, because provider smtp has been down for 1h"
    assert root(Numbers(ready=5), place()).startswith("no worker serves queue mail")
    assert root(Numbers(ready=5, running=10), place(server(running=10))).startswith(
        "every worker of queue mail is busy"
    )
    assert root(Numbers(ready=5, running=2), place(server())) == "2 messages running there, and more come than end"


def test_when_nobody_knows_when_a_parked_message_starts_its_gate_is_why():
    subject = Subject(id="x", state=State.PARKED, ahead=3)
    assert [reason.code for reason in explain(subject, place(server(), gates=(PAUSED,)))] == ["paused", "behind"]
