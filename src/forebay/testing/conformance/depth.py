"""What `depth` promises: its numbers are the truth, whatever happened before, and its totals add up."""

import random
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from forebay.engine.contract import Depth
from forebay.model.delivery import Delivery
from forebay.model.lifecycle import State
from forebay.model.outcome import Ack, Cancel, DeadLetter, Discard, Expire, Lose, Outcome, Park, Release, Retry, Snooze
from forebay.store.records import Choice
from forebay.testing.conformance.kit import BOOM, Kit, ident

OUTCOMES: list[Outcome] = [
    Ack(keep=1e9),
    Retry(20, BOOM),
    Snooze(10),
    Park("lane"),
    Park("shut"),
    DeadLetter("bug"),
    Discard("old"),
    Cancel(),
    Expire(),
    Release(),
    Lose("killed by signal 9"),
]
STANDING = (State.READY, State.SCHEDULED, State.RUNNING, State.PARKED, State.DEAD)
ENDS = (State.DONE, State.CANCELLED, State.EXPIRED, State.DISCARDED)


class TestDepth:
    def test_each_state_is_counted(self, kit: Kit) -> None:
        """A message is counted where it is."""
        kit.close_gate(lane="shut")
        kit.publish("dead", "parked", "running", "ready", "done")
        dead, parked, _ = kit.lease(3)
        kit.settle(DeadLetter("bug"), dead)
        kit.settle(Park("shut"), parked)
        kit.publish("scheduled", delay=60)
        depth = kit.depth()
        assert (depth.ready, depth.scheduled, depth.running, depth.parked, depth.dead) == (2, 1, 1, 1, 1)

    def test_the_totals_count_what_happened(self, kit: Kit) -> None:
        """Each kind of end, and each retry, adds to its total."""
        kit.close_gate(lane="shut")
        for number, outcome in enumerate(OUTCOMES):
            kit.publish(f"m{number}")
            (delivery,) = kit.lease(1)
            kit.settle(outcome, delivery)
        kit.publish("m0")
        depth = kit.depth()
        assert (depth.published, depth.done, depth.retried, depth.died) == (len(OUTCOMES), 1, 1, 1)
        assert (depth.cancelled, depth.expired, depth.discarded) == (1, 1, 1)

    def test_the_age_is_that_of_the_oldest_ready_message(self, kit: Kit) -> None:
        """It grows while a message waits and is zero when none is ready."""
        assert kit.depth().age == 0.0
        kit.publish("a")
        kit.advance(10)
        kit.publish("b")
        kit.advance(5)
        assert kit.depth().age == pytest.approx(15)
        kit.settle(Ack(), *kit.lease(1))
        assert kit.depth().age == pytest.approx(5)
        kit.lease()
        assert kit.depth().age == 0.0

    def test_a_newer_message_of_higher_priority_makes_nothing_younger(self, kit: Kit) -> None:
        """Who waits longest counts, not who is next."""
        kit.needs("priorities")
        kit.publish("a")
        kit.advance(10)
        kit.publish("b", priority=9)
        kit.advance(5)
        assert kit.depth().age == pytest.approx(15)
        kit.settle(Ack(), *kit.lease(1))
        assert kit.depth().age == pytest.approx(15)

    def test_what_comes_back_from_retries_hides_nobody_who_waits_longer(self, kit: Kit) -> None:
        """However many fresh retries stand before it, in whatever lane and priority the oldest waits."""
        kit.publish(*(f"m{number}" for number in range(60)))
        retried = kit.lease(60)
        kit.publish("old", lane="smtp", priority=-3)
        kit.advance(600)
        kit.publish("young", priority=9)
        kit.settle(Retry(0.0, BOOM), *retried)
        kit.advance(1)
        assert kit.depth().age == pytest.approx(601)
        kit.settle(Ack(), *(delivery for delivery in kit.lease() if delivery.lane))
        assert kit.depth().age == 0.0
        kit.publish("a", "b")
        kit.advance(10)
        (first,) = kit.lease(1)
        kit.settle(Retry(5.0, BOOM), first)
        kit.advance(20)
        kit.settle(Ack(), *kit.lease(1))
        assert kit.depth().age == pytest.approx(30)

    def test_a_delay_is_not_age(self, kit: Kit) -> None:
        """A delayed message waits from the time it was due, and what is due counts as ready."""
        kit.needs("delays")
        kit.publish("a", delay=60)
        kit.advance(50)
        assert (kit.depth().age, kit.depth().scheduled) == (0.0, 1)
        kit.advance(17)
        depth = kit.depth()
        assert (depth.ready, depth.scheduled) == (1, 0)
        assert depth.age == pytest.approx(7)

    def test_all_queues_by_name_or_some_as_asked(self, kit: Kit) -> None:
        """Without names all are listed; a queue that nobody made has zeros."""
        kit.publish("a", queue="y")
        kit.publish("b", queue="x")
        assert [depth.queue for depth in kit.run(kit.backend.depth())] == ["x", "y"]
        assert [depth.queue for depth in kit.run(kit.backend.depth(["y"]))] == ["y"]
        assert kit.run(kit.backend.depth(["never"])) == [Depth(queue="never")]

    def test_a_waiting_message_that_expired_is_counted_once(self, kit: Kit) -> None:
        """It leaves the ready ones as it joins the expired."""
        kit.publish("a", "b", ttl=5)
        kit.advance(6)
        kit.take()
        kit.tidy()
        assert (kit.depth().ready, kit.depth().expired) == (0, 2)

    @pytest.mark.parametrize("seed", range(4))
    def test_the_numbers_are_true_after_anything(self, kit: Kit, seed: int) -> None:
        """After every step of a random history each number equals what listing the messages gives."""
        history = History(kit, seed)
        for step in range(80):  # each costs as much as all before it have published
            history.step()
            assert history.claimed() == history.true(), f"seed {seed}, step {step}: {history.last}"


class History:
    """A random sequence of verbs on two queues, and the count of what came of it."""

    def __init__(self, kit: Kit, seed: int) -> None:
        self.kit = kit
        self.last = ""
        self._random = random.Random(seed)
        self._held: dict[str, list[Delivery]] = {"w0": []}
        self._born = 1
        self._called: dict[str, str] = {}
        self._retried: Counter[str] = Counter()
        self._died: Counter[str] = Counter()
        kit.close_gate("x", "shut")
        kit.close_gate("y", "shut")

    def step(self) -> None:
        """One random verb."""
        steps: list[Callable[[], object]] = [
            *[self._publish, self._lease, self._settle] * 4,
            self._cancel,
            self._bury,
            self._redrive,
            self._purge,
            self._gate,
            self._tidy,
            lambda: self.kit.advance(self._random.choice([0.5, 5, 30])),
        ]
        chosen = self._random.choice(steps)
        self.last = getattr(chosen, "__name__", "advance")
        chosen()

    def claimed(self) -> dict[str, dict[str, int]]:
        """The numbers as `depth` gives them."""
        fields = [*STANDING, *ENDS, "published", "retried", "died"]
        depths = self.kit.run(self.kit.backend.depth(["x", "y"]))
        return {depth.queue: {field: getattr(depth, field) for field in fields} for depth in depths}

    def true(self) -> dict[str, dict[str, int]]:
        """The numbers as the messages themselves give them."""
        found = self.kit.run(self.kit.backend.find([ident(name) for name in self._called]))
        states = Counter((each.queue, each.state) for each in found if each is not None)
        return {
            queue: {
                **{state: states[queue, state] for state in (*STANDING, *ENDS)},
                "published": list(self._called.values()).count(queue),
                "retried": self._retried[queue],
                "died": self._died[queue],
            }
            for queue in ("x", "y")
        }

    def _worker(self) -> str:
        return self._random.choice(sorted(self._held))

    def _publish(self) -> None:
        queue = self._random.choice(["x", "y"])
        fields: dict[str, Any] = {
            "lane": self._random.choice(["", "", "lane"]),
            "priority": self._random.choice([0, 0, 5]),
            "delay": self._random.choice([0.0, 0.0, 10.0]),
            "ttl": self._random.choice([None, None, 20.0]),
        }
        called = [f"m{len(self._called) + number}" for number in range(self._random.randrange(1, 5))]
        self._called.update(dict.fromkeys(called, queue))
        self.kit.publish(*called, self._random.choice(sorted(self._called)), queue=queue, **fields)

    def _lease(self) -> None:
        worker = self._worker()
        self._held[worker] += self.kit.lease(self._random.randrange(1, 6), worker=worker, queues=["x", "y"])

    def _settle(self) -> None:
        worker = self._worker()
        for delivery in self._random.sample(self._held[worker], min(2, len(self._held[worker]))):
            self._held[worker].remove(delivery)
            outcome = self._random.choice(OUTCOMES)
            assert self.kit.settle(outcome, delivery, worker=worker) == [True]
            (found,) = self.kit.run(self.kit.backend.find([delivery.id]))
            assert found is not None
            cancelled = found.state is State.CANCELLED
            self._retried[delivery.queue] += isinstance(outcome, Retry) and not cancelled
            self._died[delivery.queue] += found.state is State.DEAD

    def _cancel(self) -> None:
        if self._called:
            self.kit.cancel(self._random.choice(sorted(self._called)))

    def _bury(self) -> None:
        worker = self._worker()
        held = self._held.pop(worker)
        self._held[f"w{self._born}"] = []
        self._born += 1
        self.kit.recover(worker)
        for delivery in held:
            (found,) = self.kit.run(self.kit.backend.find([delivery.id]))
            self._died[delivery.queue] += found is not None and found.state is State.DEAD

    def _redrive(self) -> None:
        self.kit.run(self.kit.backend.redrive(Choice(), limit=2))

    def _purge(self) -> None:
        self.kit.run(self.kit.backend.purge(Choice(), limit=1))

    def _gate(self) -> None:
        queue, lane = self._random.choice(["x", "y"]), self._random.choice([None, "shut", "lane"])
        self.kit.open_gate(queue, lane)
        if self._random.random() < 0.7:
            self.kit.close_gate(queue, "shut")

    def _tidy(self) -> None:
        self.kit.tidy()
