"""Lesson 5: raw messages without a task: publish any data, and consume it in whole batches."""

from dataclasses import dataclass

import pytest

from forebay import BadArguments, ConfigError, DeadLetter, Message, PayloadTooLarge, Snooze, State
from fundamentals.lesson import work


@dataclass
class Click:
    page: str


def test_a_consumer_gets_messages_in_batches(app):
    batches = []

    @app.consume("clicks", batch=4, max_wait=0.05)
    async def load(messages: list[Message]) -> None:
        batches.append([message.value for message in messages])

    handles = app.publish_many("clicks", list(range(10)))
    work(app, *handles)
    assert batches == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]


def test_a_batch_that_does_not_fill_up_is_handed_over_after_a_while(app):
    sizes = []

    @app.consume("clicks", batch=500, max_wait=0.05)
    def load(messages: list[Message]) -> None:
        sizes.append(len(messages))

    work(app, *app.publish_many("clicks", ["a", "b", "c"]))
    assert sizes == [3]


def test_a_message_carries_its_value_key_and_headers(app):
    seen = []

    @app.consume("clicks")
    async def load(messages: list[Message]) -> None:
        seen.extend(messages)

    work(app, app.publish("clicks", Click("/home"), key="visitor-9", headers={"agent": "curl"}))
    (message,) = seen
    assert (message.value, message.key, message.headers) == ({"page": "/home"}, "visitor-9", {"agent": "curl"})
    assert (message.queue, message.attempt) == ("clicks", 1)


def test_a_batch_that_fails_is_tried_again_each_message_by_its_own_count(app):
    tries = []

    @app.consume("clicks", batch=10, max_wait=0.02, retry=2)
    def load(messages: list[Message]) -> None:
        tries.append([message.attempt for message in messages])
        if len(tries) == 1:
            raise ConnectionError("the warehouse is away")

    handles = app.publish_many("clicks", ["a", "b"])
    work(app, *handles)
    assert tries[0] == [1, 1]
    assert sorted(attempt for batch in tries[1:] for attempt in batch) == [2, 2]
    assert {handle.status() for handle in handles} == {State.DONE}


def test_a_batch_that_will_never_succeed_is_dead_lettered(app):
    @app.consume("clicks")
    async def load(messages: list[Message]) -> None:
        raise DeadLetter("no such table")

    handle = app.publish("clicks", 1)
    work(app, handle)
    assert (handle.status(), handle.find().cause) == (State.DEAD, "no such table")


@pytest.mark.parametrize("way", ["raised", "returned", "raised in a group"])
def test_a_consumer_may_snooze_its_batch_and_no_attempt_counts(app, way):
    seen = []

    @app.consume("clicks", retry=1)
    def load(messages: list[Message]) -> Snooze | None:
        seen.append([message.attempt for message in messages])
        if len(seen) > 1:
            return None
        if way == "returned":
            return Snooze(0.01)
        raise Snooze(0.01) if way == "raised" else ExceptionGroup("several", [KeyError("id"), Snooze(0.01)])

    handle = app.publish("clicks", 1)
    work(app, handle)
    assert (seen, handle.status()) == ([[1], [1]], State.DONE)


def test_a_queue_without_a_consumer_keeps_its_messages(app):
    @app.task
    def other() -> None: ...

    waiting = app.publish("clicks", 1)
    work(app, other.enqueue())
    assert waiting.status() is State.READY


def test_raw_messages_wait_in_the_same_ways_as_tasks(app):
    later = app.publish("clicks", 1, delay=3600)
    once = [app.publish("clicks", 1, unique="u") for _ in range(2)]
    assert later.status() is State.SCHEDULED
    assert [handle.duplicate for handle in once] == [False, True]


def test_what_cannot_be_sent_is_refused(app):
    with pytest.raises(BadArguments, match="the payload cannot be encoded"):
        app.publish("clicks", lambda: None)
    with pytest.raises(PayloadTooLarge, match=r"clicks: 1,048,58. bytes is over the limit of 1,048,576"):
        app.publish("clicks", b"x" * 2**20)
    with pytest.raises(ConfigError, match="queue name"):
        app.publish("no spaces", 1)


@pytest.mark.parametrize(
    ("options", "says"),
    [({"batch": 0}, "batch is the most messages"), ({"max_wait": -1}, "max_wait must be a finite number")],
)
def test_options_of_a_consumer_are_checked_when_it_is_declared(app, options, says):
    with pytest.raises(ConfigError, match=says):

        @app.consume("clicks", **options)
        def load(messages) -> None: ...


def test_a_queue_has_one_consumer_which_takes_one_argument(app):
    @app.consume("clicks")
    def load(messages) -> None: ...

    with pytest.raises(ConfigError, match="queue 'clicks' has a consumer already: load"):

        @app.consume("clicks")
        def other(messages) -> None: ...

    with pytest.raises(ConfigError, match="must take exactly one argument: the list of messages"):

        @app.consume("more")
        def two(messages, more) -> None: ...
