"""What is listed is the same whichever way leads to it: by what few are sorted, along an index, or along the table."""

import contextlib
import itertools
import random

import apsw
import pytest

from forebay.config import Settings
from forebay.engine.contract import Beat, Want
from forebay.engine.sqlite import looking, rows
from forebay.engine.sqlite.backend import Sqlite
from forebay.engine.waiting import drive
from forebay.model.clock import SystemClock
from forebay.model.ids import new_id
from forebay.model.lifecycle import State
from forebay.model.message import Message
from forebay.model.outcome import Park, Settlement, Snooze

QUEUES, TASKS = ("mail", "reports"), ("send", "tidy")


@pytest.fixture(scope="module")
def engine(tmp_path_factory):
    """Messages in every state, in some lanes, with some priorities; one in a state that does not exist."""
    chance = random.Random(7)
    opened = Sqlite(Settings(url=f"sqlite:///{tmp_path_factory.mktemp('look')}/q.db"), SystemClock())
    drive(opened.open())
    drive(opened.extend([Beat(worker="w", lease=1e6)]))

    def publish(count):
        drive(opened.publish([one(chance) for _ in range(count)]))

    publish(200)
    for fate in (Park("smtp"), Snooze(1e6), Snooze(0.0), None):
        if isinstance(fate, Park):
            for queue in QUEUES:
                drive(opened.close_gate(queue, "smtp"))
        leased = drive(opened.lease(Want("w", QUEUES, 20))).deliveries
        assert leased
        if fate is not None:
            assert all(drive(opened.settle("w", [Settlement(one, fate) for one in leased])))
        publish(30)
    with contextlib.closing(apsw.Connection(str(opened._db.path))) as other:
        other.execute("update message set state = 9 where seq = (select max(seq) from message where state = 1) - 3")
    yield opened
    drive(opened.close())


def one(chance):
    return Message(
        id=new_id(),
        queue=chance.choice(QUEUES),
        task=chance.choice(TASKS),
        lane=chance.choice(("", "", "cpu", "smtp")),
        priority=chance.choice((0, 0, -1, 5)),
        delay=chance.choice((0, 0, 0, 1e6)),
    )


def expected(engine, queue, task, state):
    number = None if state is None else rows.stored(state)
    where = "(?1 is null or queue = ?1) and (?2 is null or task = ?2) and (?3 is null or state = ?3)"
    if number == rows.READY:
        where += f" and lane {'=' if state is State.PARKED else '<>'} 'smtp'"
    return [
        seq for (seq,) in engine._db.read(f"select seq from message where {where} order by seq", (queue, task, number))
    ]


def listed(engine, queue, task, state, page):
    sought = looking.Sought("message", queue=queue, task=task, state=state)
    found, after = [], 0
    while part := drive(looking.look(engine._db.read, sought, after, page)):
        found, after = found + part, part[-1]
    return found


@pytest.mark.parametrize("few", [0, 10_000])
@pytest.mark.parametrize("places", [0, 1_000])
def test_each_choice_lists_what_it_means_in_order_page_by_page(engine, few, places, monkeypatch):
    monkeypatch.setattr(looking, "FEW", few)
    monkeypatch.setattr(looking, "PLACES", places)
    states = [None, *rows.LIVE_STATES]
    for queue, task, state in itertools.product((None, *QUEUES), (None, *TASKS), states):
        wanted = expected(engine, queue, task, state)
        assert listed(engine, queue, task, state, 7) == wanted, (queue, task, state)
        assert wanted, "there is something to be seen"


def test_a_page_of_a_large_queue_is_read_along_an_index(engine, monkeypatch):
    """Not sorted and not walked to: what a page costs does not depend on what else waits."""
    monkeypatch.setattr(looking, "FEW", 0)
    texts = []

    def read(text, bindings):
        texts.append((text, bindings))
        return engine._db.read(text, bindings)

    drive(looking.look(read, looking.Sought("message", queue="mail", state=State.READY), 0, 10))
    plans = [engine._db.read(f"explain query plan {text}", bindings) for text, bindings in texts if "order by" in text]
    assert len(plans) > 4
    assert not [step for plan in plans for *_, step in plan if "B-TREE" in step or "SCAN" in step]
