"""What counts once a meter bounds something else: what it has let through is not let through again."""

import pytest
from msgspec.structs import replace

from forebay.model.meter import Meter
from forebay.testing.conformance.kit import Kit
from forebay.testing.conformance.meters import TEN


class TestChangedMeters:
    @pytest.fixture(autouse=True)
    def _meters(self, kit: Kit) -> None:
        kit.needs("meters")

    @pytest.mark.parametrize("cost", [1.0, 10.0])
    @pytest.mark.parametrize("name", ["task:q:slow", "queue:q"])
    def test_what_it_let_through_counts_when_only_its_slots_change(self, kit: Kit, name: str, cost: float) -> None:
        """As they do again and again where a policy finds out how many are good."""
        meter = Meter(name=name, rate=1, burst=3, slots=20)
        kit.run(kit.backend.put_meters([meter]))
        kit.publish(*TEN, task="slow", cost=cost)
        assert len(kit.take()) == (3 if cost == 1 else 1)
        for generation in (1, 2):
            slots = 20 + generation
            assert kit.run(kit.backend.put_meters([replace(meter, slots=slots, generation=generation)])) == [True]
            assert kit.take() == []
        kit.advance(1 if cost == 1 else 8)
        assert len(kit.take()) == 1

    def test_a_rate_that_is_raised_holds_at_once_and_gives_no_burst_anew(self, kit: Kit) -> None:
        """Of what may start at once as much is used up as before."""
        meter = Meter(name="task:q:slow", rate=0.01, burst=3)
        kit.run(kit.backend.put_meters([meter]))
        kit.publish(*TEN, task="slow")
        assert len(kit.take()) == 3
        kit.run(kit.backend.put_meters([replace(meter, rate=1, generation=1)]))
        assert kit.take() == []
        kit.advance(1)
        assert len(kit.take()) == 1

    @pytest.mark.parametrize("name", ["task:q:slow", "queue:q"])
    @pytest.mark.parametrize(("before", "after"), [(None, 1000), (1000, None), (1000, 1)])
    def test_what_dear_messages_cost_beyond_a_burst_is_owed_as_it_was(
        self, kit: Kit, name: str, before: float | None, after: float | None
    ) -> None:
        """Whoever adds a burst to a rate of tokens waits no longer for it than that burst takes to come back."""
        cost = 10_000.0
        meter = Meter(name=name, rate=100, burst=before)
        kit.run(kit.backend.put_meters([meter]))
        kit.publish(*TEN, task="slow", cost=cost)
        assert len(kit.take()) == 1
        kit.run(kit.backend.put_meters([replace(meter, burst=after, generation=1)]))
        kit.advance(cost / 100 - 11)
        assert kit.take() == []
        kit.advance(12)
        assert len(kit.take()) == 1

    def test_keys_owe_what_their_messages_cost_when_they_may_start_more_at_once(self, kit: Kit) -> None:
        kit.declare(key_rate=1, key_burst=1)
        kit.publish(*TEN, key="k", cost=20)
        assert len(kit.take()) == 1
        kit.declare(key_rate=1, key_burst=10)
        kit.advance(18)
        assert kit.take() == []
        kit.advance(3)
        assert len(kit.take()) == 1

    def test_keys_keep_what_they_have_used_up_when_something_else_is_declared(self, kit: Kit) -> None:
        """Their rate is as it was, or is lower: then they wait for the next one as long as that says."""
        kit.declare(key_rate=1, key_burst=3)
        kit.publish(*TEN, key="k")
        assert len(kit.take()) == 3
        kit.declare(key_rate=1, key_burst=3, concurrency=50)
        assert kit.take() == []
        kit.declare(key_rate=0.5, key_burst=3, concurrency=50)
        assert kit.take() == []
        kit.advance(2)
        assert len(kit.take()) == 1
