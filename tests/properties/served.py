"""Generated histories on a server: whatever is done to a queue, in whatever order, it answers as memory does.

Fewer than on SQLite, for each step is some round trips; without dates that are set, which servers declare not to bear.
"""

from forebay.engine.contract import Leased
from properties.machine import (
    Bounded,
    Cancelling,
    Delays,
    Dying,
    Expiring,
    Failing,
    Lanes,
    Losing,
    Machine,
    Unique,
    histories,
)
from properties.twins import Twins
from properties.weighed import Weighed


class Served(Twins):
    """Memory and an engine on a server, told the same; `place` makes a context that gives its settings."""

    def __init__(self, place):
        self._place = place
        super().__init__()

    def settings(self):
        return self.closing.enter_context(self._place())


class Turning(Served):
    """Messages of one lane may wait apart (by meter, task or key) and take turns: no order among them is promised."""

    def view(self, value):
        seen = super().view(value)
        if isinstance(value, Leased):
            for lane in seen["deliveries"].values():
                lane.sort(key=lambda delivery: delivery["id"])
        return seen


class OnServer:
    """What all of these have in common; `place` comes with the test."""

    twins_of = Served
    somebody_sets_the_date = None

    def make_twins(self):
        return self.twins_of(self.place)


class Gates(OnServer, Lanes, Failing, Delays, Machine):
    """Lanes behind gates, and what is parked there."""


class Limits(OnServer, Bounded, Failing, Delays, Machine):
    """Rates, slots and order."""

    twins_of = Turning


class Uniqueness(OnServer, Unique, Cancelling, Failing, Machine):
    """A unique key is held from acceptance to the end, or until its holder is too late to start."""


class Leases(OnServer, Losing, Failing, Cancelling, Machine):
    """Workers that are lost, leases that run out, fences that are old."""

    lease_for = 15.0


class Bytes(OnServer, Weighed, Losing, Dying, Cancelling, Expiring, Failing, Delays, Machine):
    """The bytes that wait, whatever becomes of messages."""

    lease_for = 30.0
    twins_of = Turning


class WholeLife(OnServer, Losing, Dying, Unique, Bounded, Lanes, Expiring, Cancelling, Failing, Delays, Machine):
    """Everything at once."""

    lease_for = 30.0
    twins_of = Turning


def histories_on(place, machine, share=5):
    """The test that runs some histories of a machine at a place; of one whose steps are long, fewer."""
    there = type(machine.__name__, (machine,), {"place": staticmethod(place), "__doc__": machine.__doc__})
    return histories(there, share)
