"""Generated histories: whatever is done to a queue, in whatever order, Redis answers as the memory engine does.

Fewer than on SQLite, for each step is some round trips; without dates that are set, which it declares not to bear.
"""

from engines.servers import redis
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


class RedisTwins(Twins):
    """Memory and Redis, told the same."""

    def settings(self):
        return self.closing.enter_context(redis.empty())


class TurningTwins(RedisTwins):
    """Messages of one lane may wait apart (by meter, task or key) and take turns: no order among them is promised."""

    def view(self, value):
        seen = super().view(value)
        if isinstance(value, Leased):
            for lane in seen["deliveries"].values():
                lane.sort(key=lambda delivery: delivery["id"])
        return seen


class OnRedis:
    make_twins = RedisTwins
    somebody_sets_the_date = None


class Gates(OnRedis, Lanes, Failing, Delays, Machine):
    """Lanes behind gates, and what is parked there."""


class Limits(OnRedis, Bounded, Failing, Delays, Machine):
    """Rates, slots and order."""

    make_twins = TurningTwins


class Leases(OnRedis, Losing, Failing, Cancelling, Machine):
    """Workers that are lost, leases that run out, fences that are old."""

    lease_for = 15.0


class WholeLife(OnRedis, Losing, Dying, Unique, Bounded, Lanes, Expiring, Cancelling, Failing, Delays, Machine):
    """Everything at once."""

    lease_for = 30.0
    make_twins = TurningTwins


TestGates = histories(Gates, share=5)
TestLimits = histories(Limits, share=5)
TestLeases = histories(Leases, share=5)
TestWholeLife = histories(WholeLife, share=5)
