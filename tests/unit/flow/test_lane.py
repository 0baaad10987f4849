"""The lane that a message waits in follows from what its queue tells apart, and its name says all about it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from forebay.flow.lane import Split, key_lane, own, parts, passes, place, renamed, shown, shut
from forebay.model.gate import Gate
from forebay.model.queue import QueueSpec

PLAIN = Split(QueueSpec(name="q"))
BY_KEY = Split(QueueSpec(name="q", key_rate=1.0))
ORDERED = Split(QueueSpec(name="q", ordered=True))
names = st.sampled_from(["", "cpu", "smtp"])


def test_what_a_queue_does_not_tell_apart_stays_in_one_line():
    assert place("", "send", "t7", PLAIN) == ""
    assert place("cpu", "send", "t7", PLAIN) == "cpu"
    assert place("", "send", None, BY_KEY) == ""


def test_keys_tasks_and_meters_have_lanes_of_their_own():
    paused = Split(QueueSpec(name="q"), tasks=("send",), keys=("t7",))
    assert place("cpu", "send", "t1", paused) == "cpu|task:send"
    assert place("", "other", "t7", paused) == "|key:t7" == key_lane("t7")
    assert place(own("cpu", ["provider:smtp"]), "send", "t7", BY_KEY) == "cpu|meter:provider:smtp|key:t7"


def test_in_an_ordered_queue_all_of_one_key_are_one_line():
    assert place("cpu", "send", "t7", ORDERED) == place("", "other", "t7", ORDERED) == "|key:t7"
    assert place("cpu", "send", None, ORDERED) == "cpu"


@given(lane=names, meters=st.lists(st.sampled_from(["a", "provider:smtp"]), max_size=2), key=st.none() | st.text())
def test_a_name_says_what_it_was_made_of(lane, meters, key):
    split = Split(QueueSpec(name="q", key_concurrency=1), tasks=("send",))
    found = parts(place(own(lane, meters), "send", key, split))
    assert found == (lane, tuple(meters), "send", key)


def test_a_message_passes_the_meters_of_its_queue_task_and_key_and_those_that_it_names():
    assert passes("q", own("", ["provider:smtp"]), "send", "t:7") == [
        "queue:q", "provider:smtp", "task:q:send", "key:q:t:7",
    ]  # fmt: skip
    assert passes("q", "", "", None) == ["queue:q"]


def test_parked_it_keeps_its_meters():
    assert renamed(own("", ["provider:smtp"]), "smtp") == own("smtp", ["provider:smtp"])


def test_a_gate_holds_what_it_is_about():
    waiting = ("q", "smtp", "send", "t7")
    assert all(shut(gate, *waiting) for gate in (
        Gate("q"), Gate("q", "smtp"), Gate("q", task="send"), Gate("", task="send"), Gate("q", key="t7"),
        Gate("", key="t7"),
    ))  # fmt: skip
    assert not any(shut(gate, *waiting) for gate in (
        Gate("p"), Gate("q", ""), Gate("q", task="other"), Gate("p", task="send"), Gate("q", key="t1"),
    ))  # fmt: skip


@pytest.mark.parametrize(
    ("lane", "words"),
    [
        ("", "the main lane"),
        ("slow|task:send|key:t7", "lane slow, task send, key t7"),
        ("smtp|meter:provider:smtp", "provider smtp"),
        ("smtp:cpu|meter:provider:smtp", "provider smtp:cpu"),
        ("smtp~ann|meter:provider:smtp", "key ann of provider smtp"),
        ("smtp|meter:provider:smtp|meter:rule:slow", "provider smtp, meter rule:slow"),
        ("rule.slow-1|meter:rule:slow-1", "rule slow-1"),
        ("rule.slow-1|meter:rule:slow-1|key:t7", "rule slow-1, key t7"),
    ],
)
def test_a_lane_is_told_in_the_words_of_whoever_made_it(lane, words):
    assert shown(lane) == words
