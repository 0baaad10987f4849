"""Log records as lines: whose text it is, no record begins a line of its own making, and JSON is always JSON."""

import json
import logging
import re

import pytest

from forebay.model.delivery import Delivery
from forebay.produce.context import Context, enter, leave
from forebay.work.records import Json, Text

FORGED = "2026-11-25 21:13:59,532 1958 W forebay.supervisor: worker 0 (process 1) ended with SIGKILL"
NASTY = f"x\n{FORGED}\r{FORGED}\x0b\x0c\x1c\x85{FORGED}\u2028{FORGED}\u2029\u202e\u200f\u2066\ufeff\x1b[2J\0\ud800"
LINE_ENDS = re.compile("[\n\r\x0b\x0c\x1c\x1d\x1e\x85\u2028\u2029]")


def record(message="hello", *args, error=None, stack=None, **extra):
    made = logging.LogRecord("shop", logging.WARNING, "f.py", 1, message, args, error and (type(error), error, None))
    made.__dict__.update(extra)
    made.stack_info = stack
    return made


class Evil:
    def __str__(self):
        raise RuntimeError("no")

    __repr__ = __str__


class EvilError(Exception):
    def __str__(self):
        raise RuntimeError("no")


@pytest.mark.parametrize(
    "made",
    [
        record(NASTY),
        record("%s", NASTY),
        record("x", error=ValueError(NASTY)),
        record("x", error=ExceptionGroup(NASTY, [ValueError(NASTY)])),
        record("x", stack=NASTY),
        record("x", exc_text=NASTY),
        record("x", message_id=NASTY, task=NASTY, attempt=NASTY),
        record("%d of %d", "text"),
        record("%s", Evil()),
        record(Evil()),
        record({"order": Evil()}),
        record("x", error=EvilError()),
    ],
)
def test_no_text_of_others_begins_a_line_or_changes_how_one_is_shown(made):
    text = Text().format(made)
    first, *rest = LINE_ENDS.split(text)
    assert all(line.startswith("    ") for line in rest)
    assert first.startswith("20")
    assert all(line.isprintable() for line in [first, *rest])
    line = Json().format(made)
    assert len(LINE_ENDS.split(line)) == 1
    assert line.isascii()
    assert json.loads(line)["logger"] == "shop"


def test_a_traceback_stays_readable():
    try:
        raise ValueError("boom")
    except ValueError as error:
        text = Text().format(record("it failed", error=error))
    assert text.splitlines()[0].endswith("W shop: it failed")
    assert "    ValueError: boom" in text.splitlines()


def test_what_a_task_logs_says_whose_it_is_in_whatever_logger():
    delivery = Delivery(id="0a1b", queue="mail", task="send", attempt=2, fence=1, body=b"", created=0.0, receipt=1)
    token = enter(Context(delivery))
    try:
        text, line = Text().format(record()), json.loads(Json().format(record(order=7)))
    finally:
        leave(token)
    assert "shop [send 0a1b #2]: hello" in text
    assert (line["task"], line["message_id"], line["attempt"], line["queue"]) == ("send", "0a1b", 2, "mail")
    assert (line["order"], line["level"], line["message"]) == (7, "warning", "hello")


def test_a_text_that_names_its_message_is_left_as_it_is():
    made = record("send 0a1b: done", message_id="0a1b", task="send", attempt=2)
    assert Text().format(made).endswith("W shop: send 0a1b: done")


@pytest.mark.parametrize(
    "value", [float("nan"), float("inf"), {1: 2}, {(1, 2): 3}, {1, 2}, b"\xff", Evil(), [[[Evil()]]], 2**200]
)
def test_a_field_of_any_kind_is_json(value):
    line = Json().format(record(odd=value))
    assert "odd" in json.loads(line, parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))


def test_a_field_that_holds_itself_is_json():
    circle = []
    circle.append(circle)
    assert json.loads(Json().format(record(odd=circle)))["message"] == "hello"


def test_a_field_cannot_stand_in_for_what_every_record_has():
    line = json.loads(Json().format(record(time="never", level="none", pid=0, logger="forged")))
    assert (line["level"], line["logger"]) == ("warning", "shop")
    assert line["time"].endswith("+00:00")
