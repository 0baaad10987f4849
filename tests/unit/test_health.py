"""What `doctor` says of a reading: each trouble is named, with what to do, and nothing else is."""

import msgspec

from forebay import Forebay
from forebay.engine.contract import Depth
from forebay.engine.waiting import drive
from forebay.model.finding import Finding, Level
from forebay.model.gate import Gate
from forebay.model.message import Message
from forebay.model.provider import Provider, meter_of
from forebay.model.rule import Do, Rule
from forebay.observe.health import credited, examine, saturated
from forebay.observe.providers import Shown, shown
from forebay.observe.snapshot import Snapshot
from forebay.rules import gates_of
from forebay.store.records import AuditLine, Schedule, Steered, WorkerRow
from forebay.testing import ManualClock

NOW, LEASE = 1_000_000.0, 15.0


def worker(*queues: str, left: float = 14.0, proved: float = 0.2, started: float = NOW - 60) -> WorkerRow:
    return WorkerRow(
        worker="w1", host="h", pid=7, queues=queues, concurrency=10, running=0, done=0, failed=0, proved=proved,
        state="running", rss=0, started=started, left=left,
    )  # fmt: skip


def schedule(following: float, *, paused: bool = False) -> Schedule:
    return Schedule(
        name="tidy",
        cron="* * * * *",
        tz="UTC",
        message=Message(id="", queue="q", task="tidy"),
        next=following,
        paused=paused,
    )


def found(
    *queues: Depth,
    workers: tuple[WorkerRow, ...] = (),
    schedules: tuple[Schedule, ...] = (),
    gates: tuple[Gate, ...] = (),
) -> list[Finding]:
    now = Snapshot(at=NOW, tick=1.0, queues=queues, workers=workers, schedules=schedules, gates=gates)
    return list(examine(now, LEASE))


def troubles(findings: list[Finding]) -> dict[str, Level]:
    assert all(bool(one.advice) == (one.level is not Level.OK) for one in findings)
    return {one.check: one.level for one in findings if one.level is not Level.OK}


def test_a_served_queue_is_well():
    findings = found(Depth(queue="q", ready=5, age=1.0), workers=(worker("q"),), schedules=(schedule(NOW + 9),))
    assert troubles(findings) == {}
    assert {one.check for one in findings} == {"workers", "queues", "schedules", "dead", "clock"}


def test_a_queue_that_is_full_is_a_warning_that_says_since_when():
    full = Depth(queue="q", ready=8, scheduled=2, age=1.0, limit=10, full=NOW - 200)
    findings = found(full, workers=(worker("q"),), schedules=(schedule(NOW + 9),))
    assert troubles(findings) == {"limit": Level.WARN}
    (one,) = [one for one in findings if one.check == "limit"]
    assert one.text == "queue q has been full for 3m 20s: 10 wait, limit=10"


def test_no_worker_is_a_failure_only_if_something_waits():
    assert troubles(found(Depth(queue="q"))) == {"workers": Level.WARN}
    for waits in ("ready", "scheduled", "parked"):
        assert troubles(found(Depth(queue="q", **{waits: 1}))) == {"workers": Level.FAIL}


def test_a_queue_that_no_worker_serves_is_named():
    findings = found(Depth(queue="a", ready=1), Depth(queue="b", ready=2), workers=(worker("a"),))
    assert troubles(findings) == {"queues": Level.FAIL}
    assert "b: 2 ready" in next(one.text for one in findings if one.check == "queues")


def test_a_paused_queue_is_not_called_unserved_or_late():
    queue = Depth(queue="q", ready=3, age=9_000.0, paused=True)
    findings = found(queue, workers=(worker("other"),), gates=(Gate("q", None, "holidays", NOW - 600),))
    assert troubles(findings) == {"paused": Level.WARN}
    assert next(one.text for one in findings if one.check == "paused") == "q, for 10m, by operator: holidays"


def test_a_forgotten_pause_says_who_paused_it_and_what_waits_behind_it():
    queue, gate = Depth(queue="q", parked=3, held=7_200.0, paused=True), Gate("q", reason="holidays", since=NOW - 9_000)
    line = AuditLine(seq=1, at=gate.since, actor="ann@web-3", verb="pause", target="q", detail="reason=holidays")
    now = Snapshot(at=NOW, tick=0.0, queues=[queue, Depth(queue="r", parked=9)], workers=[], gates=[gate])
    (told,) = [one.text for one in examine(credited(now, [line]), LEASE) if one.check == "paused"]
    assert told == "q, for 2h 30m, by ann@web-3: holidays; 3 messages wait behind it, the oldest for 2h"


def test_a_worker_that_lives_but_cannot_lease_is_a_failure():
    assert troubles(found(workers=(worker("q", proved=LEASE + 1),))) == {"workers": Level.FAIL}
    assert troubles(found(workers=(worker("q", proved=LEASE - 2),))) == {}


def test_a_worker_whose_lease_ran_out_is_not_alive():
    assert troubles(found(workers=(worker("q", left=-1.0), worker("q")))) == {"workers": Level.WARN}
    assert troubles(found(Depth(queue="q", ready=1), workers=(worker("q", left=-1.0),)))["workers"]


def test_a_tick_that_nobody_fired_is_a_failure_after_a_minute():
    alive = (worker("q"),)
    assert troubles(found(workers=alive, schedules=(schedule(NOW - 59),))) == {}
    assert troubles(found(workers=alive, schedules=(schedule(NOW - 61),))) == {"schedules": Level.FAIL}
    assert troubles(found(workers=alive, schedules=(schedule(NOW - 61, paused=True),))) == {"schedules": Level.WARN}


def test_dead_letters_old_messages_and_a_clock_set_back_are_warnings():
    queue = Depth(queue="q", ready=1, age=601.0, dead=2)
    findings = found(queue, workers=(worker("q", started=NOW + 60),))
    assert troubles(findings) == {"backlog": Level.WARN, "dead": Level.WARN, "clock": Level.WARN}


def full(*, ready: int, done: int = 0, published: int = 0, running: int = 10) -> Snapshot:
    busy = msgspec.structs.replace(worker("q"), running=running)
    depth = Depth(queue="q", ready=ready, done=done, published=published)
    return Snapshot(at=NOW, tick=1.0 + done, queues=[depth], workers=[busy])


def slots(before: Snapshot | None, now: Snapshot) -> list[str]:
    return [one.text for one in examine(now, LEASE, before=before) if one.check == "slots"]


def test_a_queue_whose_slots_are_all_taken_is_named_if_nothing_ends_or_more_comes_than_ends():
    start = full(ready=5)
    (stuck,) = slots(start, full(ready=5))
    assert stuck.startswith("q: all 10 slots of its workers are taken, 5 ready, and nothing ended within ")
    (grows,) = slots(start, full(ready=9, done=3, published=7))
    assert grows == "q: all 10 slots of its workers are taken, 9 ready, and more come than end"
    assert slots(start, full(ready=2, done=3)) == []
    assert slots(start, full(ready=5, running=9)) == []
    assert slots(None, full(ready=5)) == []
    grown = full(ready=9, done=3, published=7)
    lowered = msgspec.structs.replace(grown, workers=[msgspec.structs.replace(one, most=40) for one in grown.workers])
    (advice,) = [one.advice for one in examine(lowered, LEASE, before=start) if one.check == "slots"]
    assert advice.startswith("they have lowered themselves from 40, since tasks time out")
    assert [depth.queue for depth in saturated(start)] == ["q"]
    assert saturated(full(ready=0)) == []


def test_a_message_that_was_created_in_the_future_is_a_clock_that_was_elsewhere():
    now = Snapshot(at=NOW, tick=1.0, queues=(Depth(queue="q"),), workers=(worker("q"),))
    for created, level in (([NOW - 5, NOW + 2], None), ([NOW + 86_400 * 400, NOW], Level.WARN)):
        assert troubles(list(examine(now, LEASE, created=created))).get("clock") is level


def test_a_provider_that_is_away_is_told_once_whatever_the_number_of_its_queues():
    gates = tuple(Gate(name, "smtp", "no connection", NOW - 9, "breaker") for name in ("a", "b", "c"))
    away = Shown(
        name="smtp", state="open", since=NOW - 9, until=NOW + 1, why="provider smtp has been down for 9s", waiting=4,
        running=0, slots=0, budgets=[], calls=9, failures=9, parks=9, throttles=0,
    )  # fmt: skip
    well = msgspec.structs.replace(away, name="llm", state="closed", why="")
    now = Snapshot(at=NOW, tick=1.0, queues=(), schedules=(), workers=(worker("a", "b", "c"),), gates=gates)
    assert [(one.check, one.level) for one in examine(now, LEASE, providers=[well])][-2] == ("providers", Level.OK)
    findings = list(examine(now, LEASE, providers=[away, well]))
    assert troubles(findings) == {"providers": Level.WARN}
    (one,) = [one for one in findings if one.level is Level.WARN]
    assert one.text == "provider smtp has been down for 9s; 4 messages wait for it"
    assert "forebay providers close smtp" in one.advice


def test_a_budget_that_is_used_up_is_no_breaker_that_somebody_could_close():
    """It is used up since it was found to be, however long the provider has been asked as usual."""
    with Forebay("memory://", clock=ManualClock(wall=NOW)) as app:
        spent = Provider(name="llm", since=NOW - 3600, spent=NOW + 60, spent_at=NOW - 9, budget="5/min")
        drive(app.store.steer([Steered(name=meter_of("llm"), body=msgspec.msgpack.encode(spent), generation=0)]))
        (shows,) = drive(shown(app.engine, app.store))
    assert (shows.state, shows.since, shows.until) == ("used up", NOW - 9, NOW + 60)
    now = Snapshot(at=NOW, tick=1.0, queues=(), workers=())
    (one,) = [one for one in examine(now, LEASE, providers=[shows]) if one.check == "providers"]
    assert "has used up its budget of 5/min" in one.text
    assert "raise its budget=" in one.advice
    assert "close" not in one.advice


def test_an_account_that_is_to_wait_is_told_where_it_does():
    gate = Gate("mail", "smtp~ann", "too many", NOW - 9, "throttle", NOW + 9)
    now = Snapshot(at=NOW, tick=1.0, queues=(), schedules=(), workers=(worker("mail"),), gates=(gate,))
    assert [one.text for one in examine(now, LEASE) if one.check == "paused"] == [
        "mail, lane smtp~ann, for 9s, by throttle: too many"
    ]


def test_what_a_rule_has_paused_says_to_remove_the_rule():
    """`resume` opens what an operator has closed, and nothing of a rule's."""
    rule, where = Rule(name="r1", do=Do.PAUSE, queue="q"), Rule(name="r2", do=Do.PAUSE, queue="q", where="args.n == 1")
    gates = [*gates_of(rule, ["q"]), *gates_of(where, ["q"]), Gate("q")]
    now = Snapshot(at=NOW, tick=1.0, queues=(Depth(queue="q"),), workers=(worker("q"),), gates=gates)
    assert [one.advice for one in examine(now, LEASE) if one.check == "paused"] == [
        "`forebay rules remove r1` when it may go on",
        "`forebay rules remove r2` when it may go on",
        "`forebay resume q` when it may go on",
    ]


def test_a_queue_that_nobody_serves_and_a_schedule_fills_says_how_to_end_that():
    """As when both have gone from the code: the schedule stays in the store, and makes a message at each tick."""
    elsewhere, advice = (worker("other"),), "start a worker with `-Q q`"
    filled = found(Depth(queue="q", ready=9), workers=elsewhere, schedules=(schedule(NOW + 9),))
    ends = f"{advice}, or, if the code no longer has them, `forebay schedules remove tidy`"
    assert [one.advice for one in filled if one.check == "queues"] == [ends]
    paused = found(Depth(queue="q", ready=9), workers=elsewhere, schedules=(schedule(NOW + 9, paused=True),))
    assert [one.advice for one in paused if one.check == "queues"] == [advice]
