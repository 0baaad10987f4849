"""The small values: durations, ids, names, the text of outcomes and failures."""

import os
import threading
from datetime import timedelta

import pytest

from forebay.model import outcome
from forebay.model.duration import seconds
from forebay.model.errors import ConfigError
from forebay.model.ids import Ids
from forebay.model.message import Failure
from forebay.model.outcome import describe
from forebay.model.queue import check_name


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (3, 3.0), (0, 0.0), (0.25, 0.25), (timedelta(minutes=2), 120.0), ("15", 15.0), ("15s", 15.0),
        (" 1.5 h ", 5400.0),
        ("250ms", 0.25), ("2m", 120.0), ("1d", 86400.0),
    ],
)  # fmt: skip
def test_a_duration_is_seconds_a_timedelta_or_text(value, expected):
    assert seconds(value) == expected


@pytest.mark.parametrize(
    ("value", "says"),
    [
        (-1, "0 or more"), (float("inf"), "finite"), (float("nan"), "finite"), (timedelta(days=-1), "0 or more"),
        ("", "is not a duration: write seconds"), ("soon", "is not a duration"), ("-3s", "is not a duration"),
        ("3 weeks", "is not a duration"), (None, "must be seconds, a timedelta"),
        ([3], "must be seconds, a timedelta"),
        (True, "must be seconds, a timedelta"),
    ],
)  # fmt: skip
def test_anything_else_is_refused_by_its_name(value, says):
    with pytest.raises(ConfigError, match=f"delay.*{says}"):
        seconds(value, "delay")


def test_ids_are_unique_and_sort_in_the_order_they_were_made():
    ids = Ids()
    made = [ids() for _ in range(5_000)]
    assert made == sorted(set(made))
    assert all(len(one) == 32 and int(one, 16) >= 0 for one in made)


def test_ids_of_many_threads_never_meet():
    ids, made = Ids(), []
    threads = [threading.Thread(target=lambda: made.extend(ids() for _ in range(500))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(made)) == 4_000


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this platform has no fork")
def test_a_forked_process_makes_other_ids():
    read, write = os.pipe()
    ids = Ids()
    ids()
    pid = os.fork()
    if pid == 0:
        os.write(write, ids().encode())
        os._exit(0)
    os.waitpid(pid, 0)
    assert os.read(read, 32).decode()[16:] != ids()[16:]
    os.close(read)
    os.close(write)


@pytest.mark.parametrize("name", ["a", "mail", "_x", "9", "a.b-c_d", "x" * 128])
def test_a_name_is_letters_digits_and_a_few_signs(name):
    assert check_name("queue", name) == name


@pytest.mark.parametrize("name", ["", ".a", "-a", "a b", "a/b", "*", "x" * 129, "ä", "a\n", None, 3])
def test_other_names_are_refused(name):
    with pytest.raises(ConfigError, match=r"queue name .* is not allowed: use 1 to 128 letters.* begin with a letter"):
        check_name("queue", name)


@pytest.mark.parametrize(
    ("fate", "text"),
    [
        (outcome.Ack(), "done"),
        (outcome.Retry(1.25, Failure("ValueError", "x")), "retry in 1.2 s after ValueError: x"),
        (outcome.Snooze(60), "snooze for 60.0 s"),
        (outcome.DeadLetter("no account"), "dead-letter: no account"),
        (outcome.Discard("old"), "discard: old"),
        (outcome.Park("smtp"), "park"),
        (outcome.Lose("killed"), "lose: killed"),
    ],
)
def test_an_outcome_has_a_short_line_for_the_log(fate, text):
    assert describe(fate) == text


def test_a_failure_without_a_message_is_its_type():
    assert str(Failure("KeyError", "")) == "KeyError"
