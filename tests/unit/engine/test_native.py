"""A standard library that something has patched: an app works with what fits its threads, or says why it cannot."""

import _thread
import asyncio
import contextlib
import gc
import queue
import select
import socket
import threading

import pytest

from forebay import ConfigError, Forebay
from forebay.engine.aside import Aside
from forebay.engine.native import forget_unsent, pipe, shut_down, simple_queue, unix_datagrams
from forebay.locate import locate
from forebay.model.errors import EngineError
from forebay.testing import drain
from forebay.work.dev import working


@pytest.fixture(autouse=True)
def _alone():
    """Apps that earlier tests dropped are closed before anything is patched under them."""
    gc.collect()


class ForGreenlets:
    """What gevent puts in place of a class; no thread can use it."""

    def __init__(self, *_args, **_options):
        raise AssertionError("threads of the system were given what serves greenlets")


@pytest.fixture
def greenlets(monkeypatch):
    """Threads are started by a function in Python now, which is how those of gevent and eventlet are."""
    original = _thread.start_new_thread

    def start(*args):
        return original(*args)

    monkeypatch.setattr(_thread, "start_new_thread", start)


def cooperative(monkeypatch):
    original = select.select

    def wait(*args):
        return original(*args)

    monkeypatch.setattr(select, "select", wait)


def test_queues_that_serve_greenlets_are_not_given_to_threads(tmp_path, monkeypatch):
    monkeypatch.setattr(queue, "SimpleQueue", ForGreenlets)
    app = Forebay(f"sqlite:///{tmp_path}/q.db")

    @app.task
    def double(n: int) -> int:
        return 2 * n

    with app:
        handle = double.enqueue(21)
        drain(app)
        assert handle.result(timeout=60) == 42


def test_nor_are_sockets(monkeypatch):
    monkeypatch.setattr(socket, "socket", ForGreenlets)
    monkeypatch.setattr(socket, "socketpair", ForGreenlets)
    unix_datagrams().close()
    ours, theirs = pipe()
    ours.send_bytes(b"hello")
    shut_down(ours.fileno(), socket.SHUT_WR)
    assert theirs.recv_bytes() == b"hello"
    with pytest.raises(EOFError):
        theirs.recv_bytes()
    ours.close()
    theirs.close()


def sent_to_who_does_not_listen(give_up=None):
    """How many bytes somebody sent, and how many arrived after they had closed their end."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        ours = socket.create_connection(server.getsockname())
        theirs, _ = server.accept()
    ours.setblocking(False)
    sent = arrived = 0
    with theirs:
        with contextlib.suppress(BlockingIOError):
            while True:
                sent += ours.send(b"x" * 65536)
        if give_up is not None:
            give_up(ours.fileno())
        ours.close()
        theirs.settimeout(20)
        with contextlib.suppress(ConnectionResetError):
            while some := theirs.recv(65536):
                arrived += len(some)
    return sent, arrived


def test_what_was_not_received_when_a_connection_is_given_up_never_comes():
    sent, arrived = sent_to_who_does_not_listen()
    assert arrived == sent
    sent, arrived = sent_to_who_does_not_listen(give_up=forget_unsent)
    assert arrived < sent


def test_threads_that_are_greenlets_get_a_queue_made_of_what_is_theirs(greenlets):
    items = simple_queue()
    threading.Timer(0.01, items.put, ("item",)).start()
    assert items.get(timeout=60) == "item"


def test_greenlets_beside_a_select_of_the_system_are_refused_when_an_app_opens(greenlets, tmp_path):
    with pytest.raises(ConfigError, match=r"monkey\.patch_all\(thread=False\)"):
        Forebay(f"sqlite:///{tmp_path}/q.db").queues()


def test_greenlets_with_a_select_of_theirs_are_welcome(greenlets, monkeypatch, tmp_path):
    cooperative(monkeypatch)
    with Forebay(f"sqlite:///{tmp_path}/q.db") as app:
        assert app.queues() == []


def test_tasks_are_not_run_where_threads_are_greenlets(greenlets, monkeypatch):
    cooperative(monkeypatch)

    async def work():
        async with working(Forebay("memory://")):
            pass

    with pytest.raises(ConfigError, match="tasks need those of the system"):
        asyncio.run(work())


def test_an_import_that_fails_among_greenlets_names_them(greenlets, tmp_path, monkeypatch):
    (tmp_path / "unimportable.py").write_text("raise RuntimeError('cannot release un-acquired lock')")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ConfigError, match="greenlets"):
        locate("unimportable:app")


class Broken(Exception):
    """What a thread of ours never meets."""


class Ending(Aside):
    """Its thread ends."""

    def _work(self, patience):
        raise Broken("of a queue")


def test_whoever_waits_for_a_thread_that_ends_is_told():
    async def ask():
        await Ending().ask(lambda: 1)

    with pytest.raises(EngineError, match="ended with Broken: of a queue"):
        asyncio.run(asyncio.wait_for(ask(), 60))
