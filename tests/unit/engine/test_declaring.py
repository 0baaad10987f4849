"""Who sets the limits of a queue: the worker that was started last; and that each change is told."""

import logging

from forebay.config import Settings
from forebay.engine.declaring import changes
from forebay.engine.facade import Facade
from forebay.engine.registry import build
from forebay.engine.waiting import drive
from forebay.model.clock import SystemClock
from forebay.model.errors import EngineUnreachable
from forebay.model.queue import Declared, QueueSpec


class Program:
    """One of several programs on one engine, with what it declares."""

    def __init__(self, inner, *specs):
        self.specs, self.audit = list(specs), []
        self.facade = Facade(inner, lambda: self.specs, note=self._note)

    async def _note(self, *line):
        self.audit.append(line)

    def open(self, **how):
        drive(self.facade.open(**how))
        return self


def mail(**bounds):
    return QueueSpec(name="mail", **bounds)


def memory():
    return build(Settings(url="memory://"), SystemClock())


def slots(inner):
    return {meter.name: meter.slots for meter in drive(inner.meters(None))}.get("queue:mail")


def test_the_worker_that_was_started_last_sets_the_limits_and_a_producer_does_not_undo_that():
    inner = memory()
    producer, old, new = (Program(inner, mail(concurrency=n)) for n in (1, 2, 6))
    producer.open()
    assert slots(inner) == 1
    old.open(starts=True)
    new.open(starts=True)
    Program(inner, mail(concurrency=1)).open()
    assert slots(inner) == 6
    assert [one.audit for one in (producer, old, new)] == [
        [("declare", "mail", f"concurrency {change}")] for change in ("none → 1", "1 → 2", "2 → 6")
    ]


def test_who_has_declared_once_declares_later_only_what_is_new():
    """A module that a long-lived process imports late, with a queue of its own, brings no old limit back."""
    inner = memory()
    old = Program(inner, mail(concurrency=1)).open(starts=True)
    Program(inner, mail(concurrency=6)).open(starts=True)
    old.specs.append(QueueSpec(name="late", concurrency=2))
    old.open()
    assert slots(inner) == 6
    assert old.audit[1:] == [("declare", "late", "concurrency none → 2")]


def test_who_only_looks_declares_nothing():
    inner = memory()
    looker = Program(inner, mail(concurrency=1))
    looker.facade.declares = False
    looker.open()
    assert drive(inner.depth()) == []
    assert looker.audit == []


def test_a_declaration_that_has_no_effect_is_said_aloud(caplog):
    inner = memory()
    Program(inner, mail(concurrency=6)).open(starts=True)
    Program(inner, mail(concurrency=1, rate=0.5)).open()
    (record,) = [record for record in caplog.records if record.levelno == logging.WARNING]
    assert "concurrency 6 → 1" in record.getMessage()
    assert "started last" in record.getMessage()


def test_limits_that_are_taken_away_are_told(caplog):
    caplog.set_level(logging.INFO, "forebay.limits")
    inner = memory()
    Program(inner, mail(concurrency=6, rate=50.0, ordered=True)).open(starts=True)
    Program(inner, mail(ttl=3600.0)).open(starts=True)
    assert "rate 50/s → none, concurrency 6 → none, ordered on → off" in caplog.text
    assert "ttl none → 1h" in caplog.text


def test_an_audit_that_cannot_be_written_undoes_no_declaration(caplog):
    inner = memory()
    one = Program(inner, mail(concurrency=6))

    async def refuse(*_):
        raise EngineUnreachable("gone")

    one.facade = Facade(inner, lambda: one.specs, note=refuse)
    one.open(starts=True)
    assert slots(inner) == 6
    assert "the audit lacks this change: gone" in caplog.text


def test_changes_are_in_the_words_of_app_queue():
    before, now = mail(rate=1 / 3600, key_rate=100 / 60, ttl=90.0), mail(burst=2.0, key_burst=3.0, key_concurrency=1)
    assert changes(Declared(before, now)) == (
        "ttl 1m 30s → none, rate 1/h → none, burst none → 2, key_rate 100/m → none, key_burst none → 3, "
        "key_concurrency none → 1"
    )
