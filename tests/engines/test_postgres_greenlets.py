"""PostgreSQL where something made threads greenlets after psycopg was imported: nobody holds up all of them."""

import _thread
import select

import pytest
from psycopg import waiting

from engines.servers import postgres
from engines.servers.found import needed
from forebay import Forebay


def held_up(*_args, **_options):
    raise AssertionError("a wait in C, which no greenlet but its own outlasts")


@pytest.fixture
def greenlets(monkeypatch):
    """As gevent leaves the standard library: threads are started by a function in Python, and select is one too."""
    for module, name in ((_thread, "start_new_thread"), (select, "select")):
        original = getattr(module, name)
        monkeypatch.setattr(module, name, lambda *args, _original=original: _original(*args))


def test_it_waits_as_greenlets_do_whatever_psycopg_chose_when_it_was_imported(greenlets, monkeypatch):
    with postgres.emptied() as settings:
        monkeypatch.setattr(waiting, "wait", held_up)
        with Forebay(needed("postgres"), namespace=settings.namespace) as app:

            @app.task
            def double(n: int) -> int:
                return 2 * n

            assert double.enqueue(21).status() == "ready"
