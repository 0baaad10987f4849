"""A `Signal`: what is remembered of news, and that nothing is missed for what is forgotten."""

import tracemalloc
import uuid

import pytest

from forebay import Forebay, ForebayError
from forebay.engine.waiting import TOPICS, Signal, drive


def test_what_is_kept_of_news_does_not_grow_with_the_topics_that_there_have_been():
    """Ids of messages are topics: a web server that waits for results hears of ever new ones."""
    signal = Signal()
    tracemalloc.start()
    try:
        for _ in range(5 * TOPICS):
            signal.notify([str(uuid.uuid4())])
        kept, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert kept < 300 * TOPICS, "bytes: each topic takes about half as many, a key, a number and a place"


def test_news_from_before_the_others_were_forgotten_is_news_to_whoever_has_not_seen_it():
    signal = Signal()
    signal.notify(["mine"])
    for number in range(2 * TOPICS):
        signal.notify([f"another {number}"])
    assert drive(signal.wait(0, 0.0, ["mine"]))
    assert not drive(signal.wait(signal.version, 0.0, ["mine"]))


def test_what_was_heard_since_is_told_apart_again():
    signal = Signal()
    for number in range(TOPICS + 1):
        signal.notify([f"another {number}"])
    seen = signal.version
    signal.notify(["mine"])
    assert drive(signal.wait(seen, 0.0, ["mine"]))
    assert not drive(signal.wait(seen, 0.0, ["yours"]))


def test_a_coroutine_on_another_loop_than_that_of_asyncio_is_told_what_to_do_and_nothing_is_sent(tmp_path):
    with Forebay(f"sqlite:///{tmp_path}/jobs.db") as app:
        handle = app.publish("mail", "first")
        for call in (app.apublish("mail", "second"), handle.aresult(timeout=1), handle.acancel()):
            with pytest.raises(ForebayError, match=r"none runs here: .* without its `a` in a thread"):
                call.send(None)  # as trio does
        assert [(found.id, found.state) for found in app.messages()] == [(handle.id, "ready")]
