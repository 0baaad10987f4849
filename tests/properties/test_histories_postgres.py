"""Generated histories: whatever is done to a queue, in whatever order, PostgreSQL answers as the memory engine does.

Fewer than on SQLite, for each step is a round trip or several; without meters and dates that are set, which it declares
not to bear.
"""

from engines.servers import postgres
from properties.machine import (
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


class PostgresTwins(Twins):
    """Memory and PostgreSQL, told the same."""

    def settings(self):
        return postgres.empty(durability="normal")


class OnPostgres:
    make_twins = PostgresTwins


class Gates(OnPostgres, Lanes, Failing, Delays, Machine):
    """Lanes behind gates, and what is parked there."""


class Uniqueness(OnPostgres, Unique, Cancelling, Failing, Machine):
    """A unique key is held from acceptance to the end."""


class Leases(OnPostgres, Losing, Failing, Cancelling, Machine):
    """Workers that are lost, leases that run out, fences that are old."""

    lease_for = 15.0
    somebody_sets_the_date = None


class WholeLife(OnPostgres, Dying, Unique, Lanes, Expiring, Cancelling, Failing, Delays, Machine):
    """Everything at once."""


TestGates = histories(Gates, share=5)
TestLeases = histories(Leases, share=5)
TestUniqueness = histories(Uniqueness, share=5)
TestWholeLife = histories(WholeLife, share=5)
