"""Debounced messages as a program sends them: the last arguments win, once it is quiet, or after the longest wait."""

import pytest

from forebay import ConfigError, Forebay
from forebay.testing import ManualClock, drain


@pytest.fixture(params=["memory", "sqlite", "signed", "encrypted"])
def app(request, tmp_path):
    keys = {"signed": {"signing_keys": f"k:{'ab' * 32}"}, "encrypted": {"encryption_keys": f"k:{'ab' * 32}"}}
    url = "memory://" if request.param == "memory" else f"sqlite:///{tmp_path}/q.db"
    with Forebay(url, clock=ManualClock(), **keys.get(request.param, {})) as app:

        @app.task
        def index(text: str) -> str:
            return text

        yield app


def send(app, text, **ways):
    return app.registry.tasks["index"].using(**{"unique": "doc:9", "debounce": 5, **ways}).enqueue(text)


def test_the_last_arguments_win_once_it_is_quiet(app):
    first = send(app, "a")
    app.clock.advance(4)
    second = send(app, "b", key="tenant-7", headers={"n": "2"})
    assert (second.id, second.merged, second.duplicate, first.merged) == (first.id, True, False, False)
    assert drain(app, ahead=4) == []
    assert [end.value for end in drain(app, ahead=1)] == ["b"]
    assert first.result(timeout=0) == "b"
    assert not send(app, "c").merged


def test_nobody_waits_longer_than_the_longest_wait(app):
    started = app.clock.now()
    for text in "abcdefgh":
        send(app, text, max_wait=12)
        ended = drain(app, ahead=3)
        if ended:
            break
    assert [end.value for end in ended] == ["d"]
    assert 12 <= app.clock.now() - started <= 13


def test_raw_messages_can_be_debounced_too(app):
    seen = []

    @app.consume("edits")
    def load(messages) -> None:
        seen.extend(message.value for message in messages)

    for value in (1, 2, 3):
        app.publish("edits", value, unique="edit", debounce="5s")
    drain(app, ahead=5)
    assert seen == [3]


def test_calls_of_many_are_debounced_one_by_one(app):
    index = app.registry.tasks["index"]
    calls = [index.call(text).using(unique=f"doc:{text[0]}", debounce=5) for text in ("a1", "b1", "a2")]
    handles = index.enqueue_many(calls)
    assert [handle.merged for handle in handles] == [False, False, True]
    assert sorted(end.value for end in drain(app, ahead=5)) == ["a2", "b1"]


@pytest.mark.parametrize(
    ("ways", "says"),
    [
        ({"unique": None}, "debounce= needs unique="),
        ({"id": "one"}, "leave out id=, delay= and due="),
        ({"delay": 5}, "leave out id=, delay= and due="),
        ({"due": 2e9}, "leave out id=, delay= and due="),
        ({"max_wait": 4}, "max_wait=4 is shorter than debounce=5"),
        ({"debounce": 0, "max_wait": 4}, "give it debounce= as well"),
        ({"debounce": -1}, "debounce must be a finite number"),
        ({"debounce": float("inf")}, "debounce must be a finite number"),
        ({"max_wait": "soon"}, "max_wait 'soon' is not a duration"),
    ],
)
def test_what_makes_no_sense_is_refused(app, ways, says):
    with pytest.raises(ConfigError, match=says):
        send(app, "a", **ways)
    assert app.messages() == []


def test_many_at_once_are_refused_because_only_one_could_win(app):
    with pytest.raises(ConfigError, match="debounce= is for one message, and 2 were given"):
        app.registry.tasks["index"].using(unique="u", debounce=5).enqueue_many([("a",), ("b",)])
