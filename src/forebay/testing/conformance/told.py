"""When a full queue says that there is room again: right within a factor of two, whatever becomes of its speed."""

from collections.abc import Sequence
from itertools import count
from typing import Any

import pytest

from forebay.engine.contract import Fate
from forebay.model.message import PARENT
from forebay.model.outcome import Ack, Retry
from forebay.model.queue import QueueSpec
from forebay.testing.conformance.kit import BOOM, Kit, ident

LIMIT = 100


class Full:
    """A queue that producers keep full, while workers take so many a second."""

    def __init__(self, kit: Kit, **limits: Any) -> None:
        kit.needs("limits")
        kit.run(kit.backend.declare([QueueSpec(name="q", **(limits or {"limit": LIMIT}))]))
        self.kit, self._n = kit, count()
        self.publish(LIMIT)

    def publish(self, n: int, **fields: Any) -> None:
        """So many messages."""
        self.kit.publish(*(f"m{next(self._n)}" for _ in range(n)), **fields)

    def drain(self, *rates: int) -> None:
        """For a second at each of these rates."""
        for rate in rates:
            if rate:
                self.kit.settle(Ack(), *self.kit.lease(rate))
            self.kit.clock.advance(1.0)
            self.publish(rate + 1)

    def told(self, n: int = 1, **fields: Any) -> float:
        """What the last one of a batch is told."""
        refused = self.kit.publish(*(f"m{next(self._n)}" for _ in range(n)), **fields)[-1]
        assert refused.fate is Fate.FULL
        assert refused.retry_after is not None
        return refused.retry_after


def right(told: float, took: float) -> bool:
    """Whether it is right within a factor of two."""
    return took / 2 <= told <= took * 2


class TestTold:
    @pytest.mark.parametrize(
        ("rates", "rate"),
        [([5] * 15, 5), ([20] * 6 + [2] * 8, 2), ([2] * 20 + [20] * 3, 20), ([20] * 6 + [0] * 30 + [20] * 2, 20)],
        ids=["steady", "slower", "faster", "again"],
    )
    def test_it_says_when_to_come_back(self, kit: Kit, rates: Sequence[int], rate: int) -> None:
        """For one message and for a batch, also some seconds after it has become slower, faster, or goes on again."""
        queue = Full(kit)
        queue.drain(*rates)
        assert right(queue.told(), 1 / rate)
        assert right(queue.told(50), 50 / rate)

    def test_while_it_stands_still_a_batch_is_not_told_hours(self, kit: Kit) -> None:
        """That may end at any time, and then all leave as quickly as before: the workers may just be started anew."""
        queue = Full(kit)
        queue.drain(*[20] * 6)
        for still in (5, 10, 15):
            queue.drain(*[0] * 5)
            assert still / 2 <= queue.told(50) <= 2 * (still + 50 / 20)
        queue.drain(1, *[0] * 4)
        assert queue.told(50) <= 20 * 20

    @pytest.mark.parametrize("since", [0, 1, 30, 7_000])
    def test_one_that_is_paused_until_a_time_tells_of_that_too(self, kit: Kit, since: int) -> None:
        """How long it has stood still says nothing then: the end of the pause is known, and what it did before."""
        queue = Full(kit)
        queue.drain(*[10] * 6)
        kit.run(kit.backend.close_gate("q", until=kit.clock.now() + 7_200.0))
        kit.clock.advance(float(since))
        assert right(queue.told(50), 7_200 - since + 50 / 10)

    def test_a_pause_tells_of_its_end_only_where_it_is_known_and_the_last_one_counts(self, kit: Kit) -> None:
        """Two hold it: one for good, and then one for longer than the other."""
        queue = Full(kit)
        queue.drain(*[10] * 6)
        kit.run(kit.backend.close_gate("q", until=kit.clock.now() + 600.0))
        kit.run(kit.backend.close_gate("q", holder="somebody"))
        assert queue.told(50) < 120
        kit.run(kit.backend.close_gate("q", until=kit.clock.now() + 3_600.0, holder="somebody"))
        assert right(queue.told(50), 3_605)
        kit.run(kit.backend.open_gate("q", holder="somebody"))
        assert right(queue.told(50), 605)
        kit.run(kit.backend.open_gate("q"))
        kit.run(kit.backend.close_gate("q", task="t", until=kit.clock.now() + 3_600.0))
        assert queue.told(50) < 120, "it goes on, but for one task"

    def test_what_comes_back_makes_nobody_forget_how_fast_it_is(self, kit: Kit) -> None:
        """A retry waits again, so that fewer have left than was counted last."""
        queue = Full(kit)
        queue.drain(*[10] * 6)
        back = kit.lease(20)
        kit.clock.advance(2.0)
        queue.publish(20)
        kit.settle(Retry(0.0, BOOM), *back[:5])
        kit.settle(Ack(), *back[5:])
        assert right(queue.told(45), 50 / 10)

    def test_where_all_of_it_comes_back_there_is_no_room_soon(self, kit: Kit) -> None:
        """Each attempt fails, and is made again: what is leased has left for a moment only."""
        queue = Full(kit)
        for _ in range(20):
            back = kit.lease(25)
            kit.clock.advance(1.0)
            queue.publish(25)
            kit.settle(Retry(0.0, BOOM), *back)
            queue.publish(1)
        assert queue.told() >= 5

    def test_what_a_running_task_makes_waits_for_its_reserve_alone(self, kit: Kit) -> None:
        """It is refused above the limit, and has to wait for few, where others wait for many."""
        queue = Full(kit)
        queue.drain(*[10] * 6)
        queue.publish(100, headers={PARENT: ident("x")})
        assert right(queue.told(5, headers={PARENT: ident("x")}), 5 / 10)
        assert right(queue.told(5), 105 / 10)

    def test_one_whose_oldest_has_waited_too_long_tells_when_a_younger_one_is(self, kit: Kit) -> None:
        """Here what waits came twice as fast as it leaves, so that it gets no younger until all of it has left."""
        queue = Full(kit, limit_age=30.0)
        kit.lease(LIMIT - 2)
        for _ in range(18):
            kit.clock.advance(4.0)
            queue.publish(16)
            kit.lease(8)
        told, took = queue.told(), 0.0
        while kit.publish("n")[0].fate is Fate.FULL:
            kit.lease(8)
            kit.clock.advance(4.0)
            took += 4.0
        assert right(told, took)
