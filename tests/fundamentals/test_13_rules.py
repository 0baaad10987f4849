"""Lesson 13: rules: what an operator does with messages while workers run, without a deploy."""

import secrets

import pytest

from forebay import ConfigError, Forebay, State
from forebay.engine.waiting import drive
from forebay.produce.rules import made, preview
from forebay.testing import ManualClock, drain


def app_with_a_task(**settings):
    """An app in memory, and what its task was called with."""
    app, sent = Forebay("memory://", **settings), []
    app.queue("aside")

    @app.task(queue="mail")
    def send(to: str, n: int = 0) -> str:
        sent.append(to)
        return f"sent to {to}"

    return app, send, sent


def test_a_rule_is_tried_out_before_it_is_added():
    app, send, _ = app_with_a_task()
    for n in range(10):
        send.enqueue(f"{n}@{'x' if n < 3 else 'y'}.com")
    found = app.rules.preview("drop", task=send, where='args.to ~ "@x"', lasts="2h")  # what `add` takes, too
    assert (found.matched, found.looked, found.whole, len(found.ids)) == (3, 10, True, 3)
    assert app.rules.list() == []


def test_what_is_dropped_says_by_which_rule():
    app, send, sent = app_with_a_task()
    rule = app.rules.add("drop", task=send, where='args.to == "a@x.com"', reason="bounces", name="x")
    assert rule.task == send.name
    gone, kept = send.enqueue("a@x.com"), send.enqueue("a@y.com")
    drain(app)
    assert (gone.status(), gone.find().cause) == (State.DISCARDED, "rule x: bounces")
    assert (sent, kept.status()) == (["a@y.com"], State.DONE)


def test_a_pause_ends_by_itself_when_its_time_has_passed():
    clock = ManualClock()
    app, send, sent = app_with_a_task(clock=clock)
    app.rules.add("pause", where='args.to ~ "@x"', lasts="1h")
    handle = send.enqueue("a@x.com")
    drain(app)
    assert (handle.status(), handle.find().attempt, sent) == (State.PARKED, 0, [])
    clock.advance(3600)
    drain(app)
    assert handle.result() == "sent to a@x.com"
    assert app.rules.list() == []


@pytest.mark.parametrize("keys", ["encryption_keys", "signing_keys"])
def test_a_sealed_message_is_the_same_in_another_queue(keys):
    app, send, sent = app_with_a_task(**{keys: [f"a:{secrets.token_hex(32)}"]})
    app.rules.add("reroute", queue="mail", to="aside", name="x")
    handle = send.enqueue("a@x.com")
    drain(app)
    assert (handle.find().queue, handle.find().attempt) == ("aside", 1)
    assert (handle.result(), sent) == ("sent to a@x.com", ["a@x.com"])


def test_two_rules_do_not_send_a_message_to_and_fro():
    app, send, sent = app_with_a_task()
    app.rules.add("reroute", queue="mail", to="aside")
    app.rules.add("reroute", queue="aside", to="mail")
    handle = send.enqueue("a@x.com")
    drain(app)
    assert handle.find().queue == "aside"
    assert sent == ["a@x.com"]


def test_a_body_that_is_sealed_for_others_cannot_be_judged_and_is_left_as_it_is():
    app, send, _ = app_with_a_task(encryption_keys=[f"a:{secrets.token_hex(32)}"])
    send.enqueue("a@x.com")
    app.rules.add("drop", where='args.to ~ "@x"', name="x")
    found = app.rules.preview("drop", where='args.to ~ "@x"')
    assert (found.matched, found.unread) == (1, 0)
    without_keys = preview(app.store, None, made("drop", {"where": 'args.to ~ "@x"'}))
    found = drive(without_keys)
    assert (found.matched, found.unread) == (0, 1)
    assert "its body is sealed (encrypted with key 'a'" in found.why


@pytest.mark.parametrize(
    ("do", "ways", "why"),
    [
        ("drop", {}, "would be about every message"),
        ("drop", {"queue": "q", "where": ""}, "where: the condition is empty"),
        ("explode", {"queue": "q"}, "it is one of pause, drop, reroute, throttle"),
        (
            "drop",
            {"quue": "q"},
            "unknown option quue: known are queue, task, key, where, to, rate, concurrency, reason, name, lasts",
        ),
        ("drop", {"queue": 5}, "queue is a str, not 5"),
        ("throttle", {"queue": "q", "concurrency": 1.5}, "concurrency is an int, not 1.5"),
        ("drop", {"task": "t", "where": "args.to ~ 5"}, "~ needs a pattern in quotes at character 11"),
        ("drop", {"task": "\udc80"}, "surrogates not allowed"),
        ("pause", {"queue": "q", "lasts": -1}, "lasts must be a finite number"),
        ("drop", {"queue": "q", "reason": "x" * 501}, "a reason has at most 500 characters"),
    ],
)
def test_what_cannot_be_carried_out_is_refused_at_once(do, ways, why):
    app, _, _ = app_with_a_task()
    with pytest.raises(ConfigError, match=r"(?s).*"):
        app.rules.add(do, **ways)
    with pytest.raises(ConfigError) as caught:
        app.rules.add(do, **ways)
    assert why in str(caught.value)
    assert app.rules.list() == []
