"""What is done before it runs (`Ack.holds`): it has ended for good, and keeps its slots until its run has."""

from typing import Any

import pytest

from forebay.model.outcome import OVER, Ack
from forebay.testing.conformance.kit import Kit

BOUNDS: list[dict[str, Any]] = [{"concurrency": 1}, {"key_concurrency": 1}, {"ordered": True}]


class TestOnce:
    @pytest.mark.parametrize("bounds", BOUNDS, ids=lambda bounds: next(iter(bounds)))
    def test_it_keeps_its_slot_while_it_runs(self, kit: Kit, bounds: dict[str, Any]) -> None:
        """Nothing else takes it, though the message has ended."""
        kit.declare(**bounds)
        kit.publish("a", "b", key="k")
        (first,) = kit.lease()
        assert kit.settle(Ack(holds=True), first) == [True]
        assert (kit.state("a"), kit.depth().done, kit.take()) == ("done", 1, [])
        kit.settle(OVER, first)
        assert kit.take() == ["b"]
        assert kit.recover("w").returned == 1

    @pytest.mark.parametrize("bounds", BOUNDS, ids=lambda bounds: next(iter(bounds)))
    def test_a_worker_that_is_lost_gives_it_back(self, kit: Kit, bounds: dict[str, Any]) -> None:
        """And the message is not run again."""
        kit.declare(**bounds)
        kit.publish("a", "b", key="k")
        kit.settle(Ack(holds=True), *kit.lease(worker="lost"), worker="lost")
        kit.lose("lost")
        assert (kit.take(), kit.state("a")) == (["b"], "done")

    def test_its_slot_is_free_once_whatever_is_said(self, kit: Kit) -> None:
        """By whoever held that lease; and another one's end frees nothing."""
        kit.declare(concurrency=2)
        kit.publish("a", "b", "c", "d")
        first, second = kit.lease()
        kit.settle(Ack(holds=True), first, second)
        kit.beat("other")
        assert kit.settle(OVER, first, worker="other") == [False]
        assert kit.take() == []
        assert kit.settle(OVER, first, first) == [False, False]
        assert kit.settle(Ack(), first) == [False]
        assert (kit.meters("queue:q")[0].running, kit.depth().done, kit.take()) == (1, 2, ["c"])

    def test_a_bound_that_comes_later_counts_it(self, kit: Kit) -> None:
        """It runs."""
        kit.publish("a", "b")
        (first,) = kit.lease(1)
        kit.settle(Ack(holds=True), first)
        kit.declare(concurrency=1)
        assert (kit.meters("queue:q")[0].running, kit.take()) == (1, [])
        kit.settle(OVER, first)
        assert kit.take() == ["b"]

    def test_a_waiter_wakes_when_its_slot_is_free(self, live: Kit) -> None:
        """As for any other."""
        live.declare(concurrency=1)
        live.publish("a", "b")
        (first,) = live.lease()
        live.settle(Ack(holds=True), first)
        assert live.take() == []
        live.settle(OVER, first)
        assert live.wait() < 2.0
        assert live.take() == ["b"]
