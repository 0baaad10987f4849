"""Somebody has emptied or changed a table by hand: doctor says so, and what the page has sets the tallies right."""

import re
from pathlib import Path

import pytest

from engines.servers import postgres
from forebay import Forebay, QueueFull
from forebay.engine.postgres.checks import ServerChecks
from forebay.model.finding import Level
from forebay.testing import drain

PAGE = (Path(__file__).parents[2] / "docs" / "how-to" / "postgresql.md").read_text()
CURE = re.search(r"```sql\n(-- the tallies.*?)```", PAGE, re.DOTALL)[1]


@pytest.fixture
def app():
    settings = postgres.empty()
    made = Forebay(settings.url, namespace=postgres.NAMESPACE, durability="normal")
    made.queue("small", limit=4)
    made.queue("heavy", limit_bytes=100)
    made.queue("keyed", key_concurrency=1)

    @made.task(queue="small", retry=1)
    def work(fails: bool = False) -> int:
        if fails:
            raise ValueError
        return 1

    made.work = work
    with made:
        yield made


def filled(app):
    """Messages in each state and in lanes of keys, one of them dead."""
    app.work.enqueue(fails=True)
    app.work.using(queue="keyed", key="done").enqueue()
    drain(app)
    for delay in (None, None, 60.0, 60.0):
        app.work.using(delay=delay).enqueue()
    app.publish("heavy", b"x" * 90)
    for key in "abba":
        app.work.using(queue="keyed", key=key).enqueue()


def numbers():
    (found,) = [one for one in ServerChecks(postgres.settings()).examine() if one.check == "numbers"]
    return found


def test_a_queue_that_is_full_of_what_somebody_has_deleted_takes_messages_again(app):
    filled(app)
    postgres.run("truncate forebay.message, forebay.ended")
    found = numbers()
    assert (found.level, "small: dead 1, counted 0" in found.text) == (Level.FAIL, True)
    title = re.search(r'"(.*)"', found.advice)[1]
    assert f"## {title}\n" in PAGE
    with pytest.raises(QueueFull):
        app.work.enqueue()
    with pytest.raises(QueueFull):
        app.publish("heavy", b"x" * 90)
    postgres.run(CURE)
    assert numbers().level is Level.OK
    filled(app)
    assert numbers().level is Level.OK


def test_where_nothing_is_wrong_it_changes_nothing(app):
    filled(app)
    for folded in (False, True):
        if folded:
            drain(app)
        before = postgres.run("select count(*) from forebay.delta")
        postgres.run(CURE)
        assert postgres.run("select count(*) from forebay.delta") == before
