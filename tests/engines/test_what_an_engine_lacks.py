"""An app that asks for what its engine has not is told so when it is opened: what asks, for what, and who has it."""

import pytest

from engines.lesser import Lesser
from forebay import ConfigError, Forebay, ResultTimeout
from forebay.config import Settings
from forebay.engine.backend import joined
from forebay.engine.capabilities import HOUSE
from forebay.engine.registry import backend
from forebay.model.clock import SystemClock
from forebay.model.queue import QueueSpec
from forebay.testing import drain


def app_without(*lacks, **settings):
    return Forebay(f"engines.lesser+memory://?lacks={','.join(lacks)}", **settings)


def refused(app):
    with pytest.raises(ConfigError) as caught, app:
        pass
    return str(caught.value)


def test_an_app_that_asks_for_nothing_more_is_opened():
    app = app_without("priorities", "delays", "unique", "cancel", "browse", "meters")

    @app.task
    def plain(number: int) -> int:
        return number

    with app:
        handle = plain.enqueue(7)
        drain(app)
        assert handle.result(timeout=60) == 7


def test_a_task_is_named_with_what_it_asks_for_and_with_the_engines_that_have_it():
    app = app_without("priorities")
    app.task(lambda: None, name="a.usual")
    app.task(lambda: None, name="mail.send", priority=5)
    text = refused(app)
    assert "has no priorities: task mail.send asks for priorities (priority=5)" in text
    able = [f"{name}://" for name, has in HOUSE.items() if has.priorities]
    assert "memory://" in able
    assert text.endswith(f"use {' or '.join(able)}, or do without")
    assert "a.usual" not in text


def test_all_that_is_lacking_is_told_in_one_error():
    app = app_without("priorities", "unique")
    app.periodic("@daily", unique="nightly", name="tidy")(lambda: None)
    app.task(lambda: None, name="urgent", priority=1)
    text = refused(app)
    assert "has no priorities, no unique keys: " in text
    assert "task urgent asks for priorities (priority=1); schedule " in text
    assert "asks for unique keys (unique='nightly')" in text


def test_a_queue_with_a_rate_needs_meters():
    app = app_without("meters")
    app.registry.add(QueueSpec(name="mail", rate=50.0))
    assert (
        "has no rates and concurrency limits: queue mail asks for rates and concurrency limits (rate=50.0)"
        in refused(app)
    )


def test_a_fair_queue_is_refused_where_nothing_shares():
    app = app_without("fair")
    app.queue("reports", fair=True)
    text = refused(app)
    assert "has no fair queues: queue reports asks for fair queues (fair=True)" in text
    assert all(f"{name}://" in text for name, has in HOUSE.items() if has.fair)


def test_what_was_declared_after_the_opening_is_found_at_the_next_use():
    app = app_without("priorities")
    with app:
        app.task(lambda: None, name="first", priority=9, queue="new")
        with pytest.raises(ConfigError, match="task first asks for priorities"):
            app.publish("other", {})


@pytest.mark.parametrize(
    ("lacks", "ways"),
    [
        ("priorities", {"priority": 3}),
        ("delays", {"delay": 5}),
        ("delays", {"due": 1e10}),
        ("unique", {"unique": "k"}),
        ("unique", {"unique": "k", "debounce": 5}),
    ],
)
def test_one_message_may_not_ask_for_more_either_and_is_not_published(lacks, ways):
    words = {"unique": "unique keys"}.get(lacks, lacks)
    with app_without(lacks) as app:
        send = app.task(lambda: None, name="send")
        with pytest.raises(ConfigError, match=f"has no {words}: send asks for {words}"):
            send.using(**ways).enqueue()
        with pytest.raises(ConfigError, match=f"has no {words}: raw asks for {words}"):
            app.publish("raw", 1, **ways)
        assert [depth.published for depth in app.queues()] == [0]
        assert send.enqueue().status() == "ready"


def test_verbs_that_it_has_not_are_refused():
    with app_without("cancel", "browse") as app:
        handle = app.publish("raw", 1)
        with pytest.raises(ConfigError, match="has no cancel"):
            handle.cancel()
        with pytest.raises(ConfigError, match="has no browse"):
            app.messages()


def test_where_only_ends_can_be_found_a_result_is_waited_for():
    app = app_without("browse")
    double = app.task(lambda number: 2 * number, name="double")
    with app:
        handle = double.enqueue(4)
        with pytest.raises(ResultTimeout, match=r"is still not done after 0\.05 s"):
            handle.result(timeout=0.05)
        drain(app)
        assert handle.result(timeout=60) == 8


def test_an_engine_that_keeps_no_results_needs_a_store():
    with pytest.raises(ConfigError, match=r"keeps no results and schedules: give it a store, store='sqlite:///"):
        app_without("results")
    app_without("results", store="memory://")


@pytest.mark.parametrize("url", ["memory://", "sqlite:///q.db"])
@pytest.mark.parametrize("setting", ["store", "namespace"])
def test_a_store_or_a_namespace_without_effect_is_refused(url, setting, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    value, says = {
        "store": ("postgresql://me:secret@host/db", r"is its own store: leave out store='postgresql://…@host/db'"),
        "namespace": ("shop", "namespace='shop' has no effect on .*: give each app a URL of its own"),
    }[setting]
    with pytest.raises(ConfigError, match=says):
        Forebay(url, **{setting: value})
    monkeypatch.setenv(f"FOREBAY_{setting.upper()}", value)
    with pytest.raises(ConfigError, match=says):
        Forebay(url)
    monkeypatch.setenv(f"FOREBAY_{setting.upper()}", "")
    Forebay(url)
    assert list(tmp_path.iterdir()) == []


def test_a_namespace_is_a_name():
    with pytest.raises(ConfigError, match="namespace name 'a b' is not allowed"):
        Forebay("memory://", namespace="a b")


def test_each_engine_says_of_itself_what_the_house_says_of_it(tmp_path):
    for scheme, has in HOUSE.items():
        url = {"sqlite": f"sqlite:///{tmp_path}/q.db", "redis": "redis://127.0.0.1"}.get(scheme, f"{scheme}://")
        assert backend(Settings(url=url), SystemClock()).engine.capabilities == has


def test_parts_from_several_objects_are_joined_to_one():
    whole = backend(Settings(url="memory://"), SystemClock())
    assert joined(whole) is whole.engine
    lesser = Lesser(whole.engine, ["browse"])
    both = joined(whole._replace(results=lesser))
    assert both.find == lesser.find
    assert both.publish == whole.engine.publish
    assert both.capabilities.browse
