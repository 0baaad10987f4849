"""Lesson 3: how a message waits: delayed, due, by priority, once only, for a while, elsewhere, with headers."""

import asyncio
import time
from datetime import UTC, datetime, timedelta

import pytest

from forebay import ConfigError, Context, State, TaskFailed
from fundamentals.lesson import work


@pytest.fixture
def ran():
    return []


@pytest.fixture
def note(app, ran):
    @app.task
    async def note(name: str) -> str:
        ran.append(name)
        return name

    return note


def until_after(moment: float) -> None:
    while time.time() <= moment:
        time.sleep(0.001)


def test_a_delayed_message_is_scheduled_until_it_is_due(app, note):
    started = time.time()
    handle = note.using(delay=0.2).enqueue("later")
    assert handle.status() is State.SCHEDULED
    work(app, handle)
    found = handle.find()
    assert found.finished >= found.created + 0.2
    assert found.created >= started - 1


def test_due_is_a_time_with_a_zone_or_seconds_since_the_epoch(app, note):
    later, soon = (datetime.now(UTC) + timedelta(seconds=seconds) for seconds in (3600, 0.2))
    handles = note.using(due=later).enqueue("datetime"), note.using(due=later.timestamp()).enqueue("seconds")
    assert [handle.find().due for handle in handles] == [pytest.approx(later.timestamp())] * 2
    handles = note.using(due=soon).enqueue("datetime"), note.using(due=soon.timestamp()).enqueue("seconds")
    work(app, *handles)
    assert all(handle.find().finished >= soon.timestamp() for handle in handles)


def test_a_time_without_a_zone_is_refused(note):
    naive = datetime(2026, 1, 1)  # noqa: DTZ001 - this is the mistake
    with pytest.raises(ConfigError, match="due needs a time zone"):
        note.using(due=naive)


def test_higher_priority_runs_first_then_the_older(app, note, ran):
    handles = [note.using(priority=priority).enqueue(f"{priority}") for priority in (0, 9, -1, 5)]
    handles.append(note.enqueue("0 again"))
    work(app, *handles, concurrency=1)
    assert ran == ["9", "5", "0", "0 again", "-1"]


def test_a_task_may_have_a_priority_of_its_own(app, note, ran):
    @app.task(priority=7)
    async def urgent() -> None:
        ran.append("urgent")

    handles = note.enqueue("usual"), urgent.enqueue()
    work(app, *handles, concurrency=1)
    assert ran == ["urgent", "usual"]


def test_a_unique_message_is_there_once_until_it_has_ended(app, note, ran):
    once = note.using(unique="welcome:7")
    first, second = once.enqueue("first"), once.enqueue("second")
    assert (first.duplicate, second.duplicate) == (False, True)
    assert second.id == first.id
    work(app, first)
    assert ran == ["first"]
    third = once.enqueue("third")
    assert (third.duplicate, third.id != first.id) == (False, True)


def test_an_id_of_ones_own_makes_it_safe_to_enqueue_again_even_after_the_end(app, note, ran):
    first = note.using(id="bill:order-77").enqueue("first")
    assert (first.id, note.using(id="bill:order-77").enqueue("second").duplicate) == ("bill:order-77", True)
    work(app, first)
    assert note.using(id="bill:order-77").enqueue("third").duplicate
    assert ran == ["first"]
    with pytest.raises(ConfigError, match="is for one message, and 2 were given"):
        note.using(id="bill:order-78").enqueue_many([("one",), ("two",)])


def test_an_expired_message_is_not_started(app, note, ran):
    handle = note.using(expires=0.001).enqueue("yesterday's weather")
    until_after(handle.find().expires)
    work(app, handle)
    assert ran == []
    assert handle.status() is State.EXPIRED
    with pytest.raises(TaskFailed, match="is expired"):
        handle.result()


def test_a_queue_may_give_its_messages_a_time_to_live(app, ran):
    app.queue("news", ttl=0.05)

    @app.task(queue="news")
    async def tell(name: str) -> None:
        ran.append(name)

    old, lasting = tell.enqueue("old"), tell.using(expires=60).enqueue("lasting")
    until_after(old.find().expires)
    work(app, old, lasting)
    assert (ran, old.status()) == (["lasting"], State.EXPIRED)


def test_what_would_have_expired_when_it_is_due_is_refused(app, note):
    """A delay counts from when a message is enqueued, and so does its expiry: this one could never run."""
    app.queue("news", ttl=5)
    with pytest.raises(ConfigError, match=r"it is due in 10s, and expires before that \(expires=5"):
        note.using(delay=10, expires=5)
    with pytest.raises(ConfigError, match=r"due in 10s.*\(expires=10"):
        note.using(debounce=10, unique="doc:1", expires=10)
    with pytest.raises(ConfigError, match=r"note: it is due in 1h, and expires before that \(expires=60"):
        note.using(due=datetime.now(UTC) + timedelta(hours=1), expires=60).enqueue("late")
    with pytest.raises(ConfigError, match=r"note: it is due in 10s.*\(ttl=5 of queue news"):
        note.using(queue="news", delay=10).enqueue("late")
    with pytest.raises(ConfigError, match=r"news: it is due in 10s.*\(ttl=5 of queue news"):
        app.publish("news", "late", delay=10)
    assert app.messages() == []
    assert note.using(queue="news", delay=10, expires=20).enqueue("in time").status() is State.SCHEDULED
    assert note.using(due=datetime.now(UTC) + timedelta(hours=1), delay=99, expires=7200).enqueue("in time").id


def test_key_and_headers_travel_along(app):
    @app.task
    def look(ctx: Context) -> list[str | None]:
        return [ctx.key, ctx.headers["origin"]]

    handle = look.using(key="tenant-7", headers={"origin": "shop"}).enqueue()
    work(app, handle)
    assert handle.result() == ["tenant-7", "shop"]


def test_a_message_may_wait_in_another_queue_than_its_task_names(app, note, ran):
    app.queue("slow")
    handle = note.using(queue="slow").enqueue("elsewhere")
    assert handle.find().queue == "slow"
    work(app, handle, queues=("slow",))
    assert ran == ["elsewhere"]


def test_a_worker_of_other_queues_leaves_it_alone(app, note, ran):
    app.queue("other")
    waiting = note.enqueue("waiting")
    other = note.using(queue="other").enqueue("other")
    work(app, other, queues=("other",))
    assert ran == ["other"]
    assert waiting.status() is State.READY


def test_ways_to_wait_may_be_chosen_once_and_used_often(app, note, ran):
    quiet = note.using(priority=-5, headers={"from": "batch"})
    handles = [quiet.enqueue("a"), asyncio.run(quiet.aenqueue("b")), *quiet.enqueue_many([("c",), ("d",)])]
    work(app, *handles, concurrency=1)
    assert ran == ["a", "b", "c", "d"]
    assert {handle.find().state for handle in handles} == {State.DONE}


@pytest.mark.parametrize(
    ("ways", "says"),
    [
        ({"delay": -1}, "delay must be a finite number of seconds, 0 or more"),
        ({"expires": "soon"}, "expires 'soon' is not a duration"),
        ({"expires": 10**400}, "expires must be a finite number of seconds"),
        ({"priority": "high"}, "priority is an int, not 'high'"),
        ({"priority": 2**40}, "out of range"),
        ({"key": ""}, "key must have 1 to 512 characters"),
        ({"unique": "x" * 513}, "unique must have 1 to 512 characters"),
        ({"id": "no spaces"}, "id 'no spaces' is not allowed"),
        ({"id": ""}, "id '' is not allowed"),
        ({"queue": "no spaces"}, "queue name 'no spaces' is not allowed"),
        ({"headers": {"a": 1}}, "headers is a dict from str to str"),
        ({"due": float("inf")}, "due must be seconds since the epoch"),
        ({"dealy": 1}, "known are .*delay"),
    ],
)
def test_a_way_that_makes_no_sense_is_refused_at_once(note, ways, says):
    with pytest.raises(ConfigError, match=says):
        note.using(**ways)
