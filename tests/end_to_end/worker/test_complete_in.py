"""Tasks that are done in a transaction of their own: effect and ack are committed together, once, or neither is."""

import contextlib
import os
import random
import signal
import time
from pathlib import Path

import apsw
import pytest

from engines.servers import postgres
from fleet import Place, until

APP = Path(__file__).with_name("completing.py")


class Ledger(Place):
    """A place with a ledger beside the queue."""

    def __init__(self, folder, engine):
        self._sqlite = f"{folder}/queue.db" if engine == "sqlite" else ""
        self.table = "ledger" if engine == "sqlite" else f'"{postgres.NAMESPACE}".ledger'
        more = {"test_ledger": self._sqlite, "test_table": self.table}
        if engine != "sqlite":
            settings = postgres.empty()
            more |= {"url": settings.url, "namespace": settings.namespace, "durability": "normal"}
            more["test_ledger"] = settings.url
        super().__init__(folder, APP, **more)
        self.url = self.own["FOREBAY_URL"]
        self.rows(f"drop table if exists {self.table}")
        self.rows(f"create table {self.table} (id text, what text)")

    def rows(self, text):
        if not self._sqlite:
            return postgres.run(text)
        with contextlib.closing(apsw.Connection(self._sqlite)) as db:
            db.set_busy_timeout(10_000)
            return list(db.execute(text))

    def written(self):
        """What the tasks have committed, by message."""
        lines = {}
        for id_, what in self.rows(f"select id, what from {self.table}"):
            lines.setdefault(id_, []).append(what)
        return lines

    def close(self):
        super().close()
        self.rows(f"drop table {self.table}")


@pytest.fixture(params=["sqlite", "postgresql"])
def ledger(request, tmp_path):
    place = Ledger(tmp_path, request.param)
    yield place
    place.close()


#: What each task leaves: its state, what it has written, the words of its failure or cause; its result.
ENDS = {
    "commits": ("done", ["commits"], "", 7),
    "undoes": ("dead", [], "was to be done in a transaction", None),
    "fails_within": ("dead", [], "within", None),
    "fails_after": ("done", ["fails after"], "", 1),
    "succeeds_at_last": ("done", ["attempt 2"], "", 2),
    "says_otherwise": ("done", ["says otherwise"], "", 1),
    "snoozes": ("done", ["snoozes"], "", 1),
    "asynchronous": ("done", ["asynchronous"], "", 5),
    "apart": ("done", ["apart"], "", 3),
    "apart_undone": ("dead", [], "was to be done in a transaction", None),
    "once": ("done", [], "", None),
    "twice": ("done", ["twice"], "", 1),
    "wrong_result": ("dead", [], "result", None),
}


def test_a_task_is_done_if_its_transaction_is_and_else_it_has_failed(ledger):
    app = ledger.crew.app
    with ledger.fleet("-c", "4", "--cpu", "2", "--log-level", "debug") as fleet:
        handles = {name: app.registry.tasks[name].enqueue() for name in ENDS}
        until(lambda: all(one.status() in ("done", "dead") for one in handles.values()), "all of them")
        until(lambda: [depth.done for depth in app.queues("default")] == [10], "the child")
        last = ledger.crew.dies.enqueue()  # and takes its worker along, right after its commit
        assert last.result(30) == 1
        assert ledger.crew.asynchronous.enqueue().result(30) == 5
        said = fleet.said
    assert (ledger.found(last).attempt, ledger.written()[last.id]) == (1, ["dies"])
    written = ledger.written()
    for name, handle in handles.items():
        state, lines, words, result = ENDS[name]
        found = ledger.found(handle)
        assert (name, handle.status(), written.get(handle.id, [])) == (name, state, lines)
        assert words in f"{found.cause} {found.failure}"
        if state == "done":
            assert (name, handle.result(1)) == (name, result)
    (child,) = [one for one in app.messages(state="done") if one.task == "child"]
    assert child.headers["forebay-parent"] == handles["commits"].id
    assert "its lease was lost" not in said
    assert f"fails_after {handles['fails_after'].id} attempt 1: KeyError: 'after'; it is done all the same" in said
    assert f"{handles['says_otherwise'].id}: what it returned is not kept" in said
    assert "is at_most_once: it is done before it begins" in said
    assert "LeaseLost: this message is done already, by an earlier complete_in" in said


def test_killed_at_any_moment_each_effect_is_there_once_and_its_message_done(ledger):
    """Workers, and once all of them with their supervisor; between the commit and what a worker notes of it, too."""
    app, count = ledger.crew.app, 250
    handles = ledger.crew.effect.enqueue_many([(number,) for number in range(count)])
    with ledger.fleet("-p", "2", "-c", "4") as fleet:
        until(ledger.written, "some effects")
        time.sleep(random.uniform(0, 0.1))
        fleet.kill()
    with ledger.fleet("-p", "2", "-c", "4") as fleet:
        for pid in fleet.pids():  # one after the other, while the other one works
            before = len(ledger.written())
            until(lambda before=before: len(ledger.written()) > min(before, count - 1), "more effects")
            time.sleep(random.uniform(0, 0.05))
            os.kill(pid, signal.SIGKILL)
        until(lambda: sum((one.ready, one.scheduled, one.running) == (0, 0, 0) for one in app.queues("default")), "all")
        said = fleet.said
    effects = {id_: len(lines) for id_, lines in ledger.written().items()}
    done = {handle.id for handle in handles if handle.status() == "done"}
    (depth,) = app.queues("default")
    assert (set(effects), set(effects.values()), depth.done) == (done, {1}, len(done))
    assert len(done) + depth.dead == count  # what was hit three times is a dead letter
    assert depth.dead < 10
    assert "was to be done in a transaction" not in said
