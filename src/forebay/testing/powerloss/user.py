"""Somebody who uses an engine at random: one verb at a time, each one commit, the same from the same seed.

Owns what a worker would know (its id, what it holds). It does not know that the power may go.
"""

import random
from collections.abc import Callable

from forebay.engine.contract import Beat, Want
from forebay.engine.sqlite import Sqlite
from forebay.engine.waiting import drive
from forebay.model.delivery import Delivery
from forebay.model.message import Failure, Message
from forebay.model.outcome import Ack, Cancel, DeadLetter, Discard, Outcome, Park, Release, Retry, Settlement, Snooze
from forebay.store.records import Choice, Schedule
from forebay.testing.clock import ManualClock

QUEUES = ("mail", "clicks", "reports")
_FAILURE = Failure("ValueError", "boom", "Traceback ...")
_LONG = 1e6


class User:
    """A producer, a worker and an operator in one."""

    def __init__(self, engine: Sqlite, clock: ManualClock, chance: random.Random, name: str) -> None:
        self._engine, self._clock, self._chance, self._name = engine, clock, chance, name
        self._held: list[Delivery] = []
        self._published: list[str] = []
        self._count = 0
        self._known = False

    def act(self) -> bool:
        """Do one thing; a new worker has to say that it is there first. Whether it was a lease or a beat."""
        if not self._known:
            self._beat()
            return True
        self._clock.advance(self._chance.expovariate(0.2))
        acts: list[tuple[int, Callable[[], object]]] = [
            (8, self._publish), (8, self._lease), (10, self._settle), (1, self._beat), (1, self._recover),
            (2, self._cancel), (2, self._redrive), (1, self._purge), (2, self._gate), (1, self._schedule),
            (1, self._fire), (2, self._tidy),
        ]  # fmt: skip
        weights, choices = zip(*acts, strict=True)
        act = self._chance.choices(choices, weights)[0]
        act()
        return act in (self._lease, self._beat)

    def _message(self) -> Message:
        chance = self._chance
        size = chance.choice((10, 200, 3_000, 20_000))
        return Message(
            id=chance.randbytes(16).hex(),
            queue=chance.choice(QUEUES),
            task="send",
            body=chance.randbytes(size),
            priority=chance.choice((0, 0, 5)),
            key=chance.choice((None, "tenant")),
            delay=chance.choice((0.0, 0.0, 0.0, 20.0)),
            ttl=chance.choice((None, None, 30.0)),
            unique=chance.choice((None, None, None, "once")),
            headers=chance.choice((None, {"from": "test"})),
        )

    def _publish(self) -> None:
        messages = [self._message() for _ in range(self._chance.choice((1, 1, 2, 5, 20)))]
        drive(self._engine.publish(messages))
        self._published += [message.id for message in messages]

    def _lease(self) -> None:
        want = Want(self._name, QUEUES, self._chance.randint(1, 10))
        self._held += drive(self._engine.lease(want)).deliveries

    def _settle(self) -> None:
        self._chance.shuffle(self._held)
        count = self._chance.randint(0, len(self._held))
        batch, self._held = self._held[:count], self._held[count:]
        acks_only = self._chance.random() < 0.5
        drive(self._engine.settle(self._name, [Settlement(held, self._outcome(acks_only)) for held in batch]))

    def _outcome(self, acks_only: bool) -> Outcome:
        ack = Ack(result=self._chance.choice((None, b"\xa4done")), keep=self._chance.choice((0.0, 60.0)))
        if acks_only:
            return ack
        others = (Retry(10.0, _FAILURE), Snooze(5.0), Park("smtp"), DeadLetter("bad", _FAILURE), Discard("old"))
        return self._chance.choice((ack, *others, Cancel(), Release()))

    def _beat(self) -> None:
        drive(self._engine.extend([Beat(worker=self._name, lease=_LONG, queues=QUEUES)]))
        self._known = True

    def _recover(self) -> None:
        if self._chance.random() < 0.3:  # the worker is given up, and comes back under another name
            lost, self._held, self._known = [self._name], [], False
            self._count += 1
            self._name = f"{self._name.split('+')[0]}+{self._count}"
            drive(self._engine.recover(lost))
        else:
            drive(self._engine.recover())

    def _cancel(self) -> None:
        if self._published:
            drive(self._engine.cancel(self._chance.choices(self._published[-30:], k=3)))

    def _redrive(self) -> None:
        drive(self._engine.redrive(Choice(), limit=self._chance.randint(1, 5)))

    def _purge(self) -> None:
        drive(self._engine.purge(Choice(), limit=self._chance.randint(1, 3)))

    def _gate(self) -> None:
        lane = self._chance.choice((None, "smtp"))
        if self._chance.random() < 0.3:
            drive(self._engine.close_gate("mail", lane, "provider is down"))
        else:
            drive(self._engine.open_gate("mail", lane))

    def _schedule(self) -> None:
        tick = Message(id="", queue="reports", task="tidy")
        schedule = Schedule(name="hourly", cron="0 * * * *", tz="UTC", message=tick, next=1.0)
        drive(self._engine.put_schedules([schedule]))

    def _fire(self) -> None:
        for schedule in drive(self._engine.schedules()):
            drive(self._engine.fire(schedule.name, schedule.next, schedule.next + 60.0, [self._message()]))

    def _tidy(self) -> None:
        drive(self._engine.tidy(50))
