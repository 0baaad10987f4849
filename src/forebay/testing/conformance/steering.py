"""What rows of policies promise, and what a provider's policy asks of meters and gates: no slots is none."""

from typing import Any

import pytest

from forebay.flow.lane import own
from forebay.model.meter import Meter
from forebay.model.outcome import Ack, Park
from forebay.store.records import Steered
from forebay.testing.conformance.kit import Kit


class TestSteering:
    def test_a_row_is_kept_as_it_was_written(self, kit: Kit) -> None:
        """Whatever bytes stand in it, and by name."""
        body = bytes(range(256))
        assert kit.run(kit.backend.steer([Steered(name="b", body=body), Steered(name="a", body=b"1")])) == [True, True]
        rows = [Steered(name="a", body=b"1", generation=1), Steered(name="b", body=body, generation=1)]
        assert kit.run(kit.backend.steered()) == rows
        assert kit.run(kit.backend.steered(["b", "c"])) == rows[1:]

    def test_only_who_has_seen_it_as_it_is_changes_it(self, kit: Kit) -> None:
        """Of two who decide by the same reading, one is told to read again; that goes for a new row, too."""
        assert kit.run(kit.backend.steer([Steered(name="a", body=b"1")])) == [True]
        assert kit.run(kit.backend.steer([Steered(name="a", body=b"2")])) == [False]
        assert kit.run(kit.backend.steer([Steered(name="a", body=b"3", generation=1)])) == [True]
        assert kit.run(kit.backend.steer([Steered(name="a", body=b"4", generation=1)])) == [False]
        assert kit.run(kit.backend.steer([Steered(name="z", body=b"5", generation=7)])) == [False]
        assert kit.run(kit.backend.steered()) == [Steered(name="a", body=b"3", generation=2)]

    def test_one_without_a_body_is_removed(self, kit: Kit) -> None:
        """And a new one begins anew."""
        kit.run(kit.backend.steer([Steered(name="a", body=b"1")]))
        assert kit.run(kit.backend.steer([Steered(name="a", body=b"")])) == [False]
        assert kit.run(kit.backend.steer([Steered(name="a", body=b"", generation=1)])) == [True]
        assert kit.run(kit.backend.steered()) == []
        assert kit.run(kit.backend.steer([Steered(name="a", body=b"2")])) == [True]


class TestClosed:
    def test_a_meter_without_slots_lets_nothing_through_in_any_queue(self, kit: Kit) -> None:
        """Until it has some again; what does not pass it goes on."""
        kit.declare(queue="q")
        kit.declare(queue="r")
        for queue in ("q", "r"):
            kit.publish(f"{queue}1", f"{queue}2", queue=queue, lane="smtp", meters=("provider:smtp",))
            kit.publish(f"{queue}3", queue=queue)
        assert kit.run(kit.backend.put_meters([Meter(name="provider:smtp", slots=0)])) == [True]
        assert sorted(kit.take(queues=["q", "r"])) == ["q3", "r3"]
        assert kit.run(kit.backend.put_meters([Meter(name="provider:smtp", slots=1, generation=1)])) == [True]
        assert len(kit.take(queues=["q", "r"])) == 1
        (meter,) = kit.run(kit.backend.meters(["provider:smtp"]))
        assert (meter.slots, meter.running) == (1, 1)
        assert kit.run(kit.backend.put_meters([Meter(name="provider:smtp", generation=2)])) == [True]
        assert len(kit.take(queues=["q", "r"])) == 3

    def test_what_is_parked_in_an_open_lane_waits_as_long_as_was_said(self, kit: Kit) -> None:
        """Nobody has closed it, and nobody will come to open it."""
        kit.publish("a", lane="smtp")
        (delivery,) = kit.lease()
        kit.settle(Park("smtp", "it is down", pause=5.0), delivery)
        kit.advance(4.9)
        assert kit.take() == []
        kit.advance(0.2)
        assert kit.take() == ["a"]

    @pytest.mark.parametrize("meters", [(), ("provider:smtp",)])
    @pytest.mark.parametrize("spec", [{}, {"concurrency": 10}, {"ordered": True}])
    def test_a_lane_may_name_a_meter_that_what_is_parked_in_it_passes_from_then_on(
        self, kit: Kit, meters: tuple[str, ...], spec: dict[str, Any]
    ) -> None:
        """Beside those that it names itself, however often it is put there; its lane is the name without meters."""
        kit.declare(**spec)
        kit.publish("a", "b", "c", lane="smtp", meters=meters)
        if meters:
            kit.run(kit.backend.put_meters([Meter(name="provider:smtp", slots=2)]))
        kit.run(kit.backend.put_meters([Meter(name="rule:slow", slots=1)]))
        for _ in range(4):
            for delivery in kit.lease():
                kit.settle(Park(own("rule.slow", ["rule:slow"]), "slow", pause=0.0), delivery)
        (first,) = kit.lease()
        assert (first.lane, first.attempt) == ("rule.slow", 1)
        assert kit.lease() == []
        assert kit.settle(Ack(), first) == [True]
        (second,) = kit.lease()
        named = kit.run(kit.backend.meters([*meters, "rule:slow"]))
        assert {meter.name: meter.running for meter in named} == dict.fromkeys([*meters, "rule:slow"], 1)
        kit.run(kit.backend.drop_meters(["rule:slow"]))
        assert len(kit.lease()) == 1
        assert kit.settle(Ack(), second) == [True]
