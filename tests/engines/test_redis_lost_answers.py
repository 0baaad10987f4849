"""An answer that is lost: what was asked for happens once, and whoever asked is told what came of it."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from engines.servers import redis
from forebay.engine import patience
from forebay.engine.contract import Beat, Fate, Receipt, Want
from forebay.engine.redis.link import Broken
from forebay.engine.registry import build
from forebay.engine.waiting import drive
from forebay.model.clock import SystemClock
from forebay.model.errors import EngineUnreachable
from forebay.model.lifecycle import State
from forebay.model.message import Failure, Message
from forebay.model.outcome import Ack, DeadLetter, Retry, Settlement
from forebay.store.records import Schedule

BOOM = Failure("ValueError", "boom")


def ident(number):
    return f"{number:032x}"


@pytest.fixture
def settings():
    with redis.empty() as made:
        yield made


@pytest.fixture
def backend(settings):
    made = build(settings, SystemClock())
    drive(made.open())
    drive(made.extend([Beat(worker="w", lease=60)]))
    yield made
    drive(made.close())


@pytest.fixture
def bury(settings):
    """Called, it buries the worker, as another process would."""

    def buried():
        other = build(settings, SystemClock())
        drive(other.open())
        drive(other.recover(["w"]))
        drive(other.close())

    return buried


@pytest.fixture
def deaf(backend, monkeypatch):
    """Called, it has the next batch carried out and its answer lost."""
    link = backend._server.talk._link
    exchange = link.exchange

    def lose(meanwhile=None):
        def lost(commands, patience=None):
            monkeypatch.setattr(link, "exchange", exchange)
            exchange(commands)
            link.drop()
            if meanwhile is not None:
                with ThreadPoolExecutor(1) as elsewhere:
                    elsewhere.submit(meanwhile).result()
            raise Broken(ConnectionResetError("cut"), sent=True)

        monkeypatch.setattr(link, "exchange", lost)

    return lose


def publish(backend, *numbers, **more):
    return drive(backend.publish([Message(id=ident(number), queue="q", **more) for number in numbers]))


def lease(backend, limit=10):
    return drive(backend.lease(Want("w", ["q"], limit))).deliveries


def settle(backend, outcome, *deliveries):
    return drive(backend.settle("w", [Settlement(delivery, outcome) for delivery in deliveries]))


@pytest.mark.parametrize("more", [{}, {"delay": 60}, {"unique": "k"}, {"unique": "k", "debounce": 5}], ids=str)
def test_a_message_is_accepted_once(backend, deaf, more):
    deaf()
    assert publish(backend, 1, **more) == [Receipt(ident(1))]
    assert drive(backend.depth(["q"]))[0].published == 1


@pytest.mark.parametrize("more", [{}, {"delay": 60}], ids=str)
def test_what_was_there_before_is_a_duplicate_whatever_answer_is_lost(backend, deaf, more):
    publish(backend, 1)
    deaf()
    assert [receipt.fate for receipt in publish(backend, 1, 2, **more)] == [Fate.DUPLICATE, Fate.ACCEPTED]


@pytest.mark.parametrize("more", [{}, {"delay": 60}], ids=str)
def test_of_two_equal_ids_in_one_batch_the_second_is_the_duplicate(backend, deaf, more):
    deaf()
    receipts = publish(backend, *[1, 2, 1] * 10, **more)
    assert [receipt.fate for receipt in receipts] == [Fate.ACCEPTED] * 2 + [Fate.DUPLICATE] * 28
    assert drive(backend.depth(["q"]))[0].published == 2


def test_what_was_leased_is_given_again_and_nothing_else(backend, deaf):
    publish(backend, *range(6))
    deaf()
    first = lease(backend, 4)
    assert [delivery.id for delivery in first] == [ident(number) for number in range(4)]
    assert {delivery.attempt for delivery in first} == {1}
    assert [delivery.id for delivery in lease(backend)] == [ident(4), ident(5)]
    assert settle(backend, Ack(), *first) == [True] * 4


def test_what_several_feeds_of_a_worker_leased_in_one_batch_is_given_again_to_each(backend, deaf):
    queues = [f"q{number}" for number in range(40)]
    drive(backend.publish([Message(id=ident(number), queue=queue) for number, queue in enumerate(queues)]))

    def at_once(batch):
        readings = [backend._leasing.lease(batch, Want("w", [queue], 10)) for queue in queues]
        return lambda: [reading().deliveries for reading in readings]

    async def leased():
        return await backend._server.talk.carry(at_once)

    deaf()
    given = drive(leased())
    assert [[delivery.id for delivery in one] for one in given] == [[ident(number)] for number in range(40)]
    assert {delivery.attempt for one in given for delivery in one} == {1}


OUTCOMES = pytest.mark.parametrize(
    ("outcome", "state"),
    [
        (Ack(), State.DONE),
        (Ack(b"\xc3"), State.DONE),
        (Retry(60, BOOM), State.SCHEDULED),
        (DeadLetter("bug"), State.DEAD),
    ],
    ids=str,
)


@OUTCOMES
def test_what_was_settled_is_said_to_be(backend, deaf, outcome, state):
    publish(backend, 1, 2)
    held = lease(backend)
    deaf()
    assert settle(backend, outcome, *held) == [True, True]
    assert [one.state for one in drive(backend.find([ident(1), ident(2)]))] == [state, state]
    assert settle(backend, outcome, *held) == [False, False]


@OUTCOMES
def test_what_was_settled_is_said_to_be_even_if_its_worker_was_buried_meanwhile(backend, deaf, bury, outcome, state):
    publish(backend, 1, 2)
    first, second = lease(backend)
    deaf(bury)
    assert settle(backend, outcome, first) == [True]
    assert [one.state for one in drive(backend.find([ident(1), ident(2)]))] == [state, State.READY]
    deaf()
    assert settle(backend, outcome, second) == [False], "this was never done under that lease"


@OUTCOMES
def test_what_was_settled_is_said_to_be_though_whoever_asked_had_given_up(backend, bury, monkeypatch, outcome, state):
    publish(backend, 1, 2)
    first, second = lease(backend)
    link = backend._server.talk._link
    exchange = link.exchange

    def deaf(commands, patience=None):
        if any(ident(1) in command for command in commands):
            exchange(commands)
        link.drop()
        raise Broken(ConnectionResetError("cut"), sent=True)

    with monkeypatch.context() as patch:
        patch.setattr(patience, "DEADLINE", 0.2)
        patch.setattr(link, "exchange", deaf)
        with pytest.raises(EngineUnreachable):
            settle(backend, outcome, first)
    bury()
    assert settle(backend, outcome, first, second) == [True, False], "only the first one was ever done"
    assert [one.state for one in drive(backend.find([ident(1), ident(2)]))] == [state, State.READY]
    assert settle(backend, outcome, first) == [False]


def test_a_tick_fires_once(backend, deaf):
    form = Message(id="", queue="q")
    drive(backend.put_schedules([Schedule(name="s", cron="* * * * *", tz="UTC", message=form, next=1000.0)]))
    deaf()
    drive(backend.fire("s", 1000.0, 2000.0, [Message(id=ident(1), queue="q")]))
    assert drive(backend.depth(["q"]))[0].published == 1
    assert drive(backend.schedules())[0].next == 2000.0


def test_a_beat_stands(backend, deaf):
    deaf()
    assert drive(backend.extend([Beat(worker="w", lease=60), Beat(worker="v", lease=60)])) == [True, True]
    assert sorted(row.worker for row in drive(backend.workers())) == ["v", "w"]


def test_scripts_that_were_forgotten_are_learnt_again(backend):
    publish(backend, 1)
    with redis.client() as server:
        server.script_flush()
    publish(backend, 2)
    assert len(lease(backend)) == 2


def test_a_connection_that_was_cut_is_made_again(backend):
    publish(backend, 1)
    with redis.client() as server:
        for one in server.client_list():
            if one["name"] == "forebay" and one["addr"] == _address(backend):
                server.client_kill(one["addr"])
    publish(backend, 2)
    assert len(lease(backend)) == 2


def _address(backend):
    host, port = backend._server.talk._link._socket.getsockname()
    return f"{host}:{port}"
