"""A word that is no text, half of a surrogate pair as Python reads odd bytes of a command line or a path, in a verb of
an operator or a handle: it is the answer to whoever said it, and takes nobody else along.
"""

import asyncio
import time

import pytest

from engines.servers.places import place
from forebay import ConfigError, EngineError, Forebay
from forebay.config import Settings
from forebay.engine.contract import Beat
from forebay.engine.registry import build
from forebay.engine.waiting import drive
from forebay.model.clock import SystemClock
from forebay.model.ids import new_id
from forebay.model.message import Message
from forebay.store.records import Choice, Query

NO_TEXT = "a\udcffb"
#: Far beyond what any of it takes, and far below what an engine waits for a server that is away.
SOON = 5.0


@pytest.fixture(params=["memory", "sqlite", "redis", "postgresql"])
def settings(request, tmp_path):
    with place(request.param, tmp_path) as (url, namespace):
        yield Settings(url=url, **{"namespace": namespace} if namespace else {})


@pytest.fixture
def engine(settings):
    made = build(settings, SystemClock())
    drive(made.open())
    drive(made.extend([Beat(worker="w", lease=60)]))
    yield made
    drive(made.close())


ASKS = {
    "find": lambda engine: engine.find([NO_TEXT]),
    "ending": lambda engine: engine.ending(NO_TEXT, 5),
    "cancel": lambda engine: engine.cancel([NO_TEXT]),
    "messages of a queue": lambda engine: engine.messages(Query(queue=NO_TEXT)),
    "messages after one": lambda engine: engine.messages(Query(after=NO_TEXT)),
    "messages of a key": lambda engine: engine.messages(Query(key=NO_TEXT)),
    "redrive": lambda engine: engine.redrive(Choice(key=NO_TEXT)),
    "watch": lambda engine: engine.watch([NO_TEXT], 0.01, 0),
    "watch what is longer than any": lambda engine: engine.watch(["k" * 10_000], 0.01, 0),
    "watch a NUL": lambda engine: engine.watch(["a\0b"], 0.01, 0),
    "depth": lambda engine: engine.depth([NO_TEXT]),
    "meters": lambda engine: engine.meters([NO_TEXT]),
}


@pytest.mark.parametrize("ask", ASKS)
def test_what_is_no_text_is_the_answer_to_whoever_said_it_and_takes_nobody_along(engine, ask):
    async def beside_others():
        good = [engine.publish([Message(id=new_id(), queue="q")]) for _ in range(3)]
        return await asyncio.gather(*good, ASKS[ask](engine), engine.depth(["q"]), return_exceptions=True)

    before = time.monotonic()
    *published, said, depth = asyncio.run(beside_others())
    assert time.monotonic() - before < SOON
    assert [one for one in [*published, depth] if isinstance(one, BaseException)] == []
    if isinstance(said, BaseException):  # where it is no answer that nothing is there
        assert isinstance(said, ConfigError)
        assert "is no text" in str(said) or "NUL" in str(said)
    assert drive(engine.depth(["q"]))[0].ready == 3


NUL = "a\0b"
SAYS = {
    "a key": lambda app: app.publish("q", 1, key=NUL),
    "a unique key": lambda app: app.publish("q", 1, unique=NUL),
    "a key of many": lambda app: app.publish_many("q", [1, 2], key=NUL),
    "messages of a key": lambda app: app.messages(key=NUL),
    "messages of a task": lambda app: app.messages(task=NUL),
    "messages of a queue": lambda app: app.messages(queue=NUL),
    "a weight": lambda app: app.queue("fair", fair=True, weights={NUL: 2}),
    "a rule's key": lambda app: app.rules.add("pause", key=NUL),
    "a rule's task": lambda app: app.rules.add("pause", task=NUL),
    "a rule's reason": lambda app: app.rules.add("pause", key="k", reason=NUL),
    "a gate's key": lambda app: drive(app.store.close_gate("q", key=NUL)),
    "a gate's task": lambda app: drive(app.store.close_gate("q", task=NUL)),
    "a gate's reason": lambda app: drive(app.store.close_gate("q", reason=NUL)),
}


@pytest.mark.parametrize("say", SAYS)
def test_a_nul_is_refused_alike_on_every_engine(settings, say):
    """PostgreSQL has no text with a NUL in it: what one engine takes can be moved to any other."""
    with Forebay(settings.url, **{"namespace": settings.namespace} if settings.namespace else {}) as app:
        with pytest.raises((ConfigError, EngineError), match=r"it holds a NUL character, .* leave it out"):
            SAYS[say](app)
        sent = app.publish("q", NUL, key="k", headers={NUL: NUL})  # these are bytes on every engine
        (found,) = app.messages(queue="q")
        assert (found.id, found.headers) == (sent.id, {NUL: NUL})
        assert drive(app.store.gates()) == []


@pytest.mark.parametrize("id_", ["", NO_TEXT, "a\0b"], ids=ascii)
def test_what_can_be_no_id_is_refused_alike_before_any_engine_is_asked(id_):
    with Forebay("memory://") as app, pytest.raises(ConfigError, match="the id of a message is a text"):
        app.handle(id_)


@pytest.mark.parametrize("name", [NO_TEXT, 5, None, b"q"], ids=ascii)
def test_what_can_be_no_queue_is_refused_alike_before_any_engine_is_asked(name):
    with Forebay("memory://") as app, pytest.raises(ConfigError, match="the name of a queue is a text"):
        app.queues("q", name)
