"""Generated histories on PostgreSQL: see `served`."""

from engines.servers import postgres
from properties import served


def place():
    return postgres.emptied(durability="normal")


TestGates = served.histories_on(place, served.Gates)
TestLimits = served.histories_on(place, served.Limits)
TestLeases = served.histories_on(place, served.Leases)
TestUniqueness = served.histories_on(place, served.Uniqueness)
TestBytes = served.histories_on(place, served.Bytes, share=8)
TestWholeLife = served.histories_on(place, served.WholeLife)
