"""Generated histories on PostgreSQL: see `served`."""

from contextlib import nullcontext

from engines.servers import postgres
from properties import served


def place():
    return nullcontext(postgres.empty(durability="normal"))


TestGates = served.histories_on(place, served.Gates)
TestLimits = served.histories_on(place, served.Limits)
TestLeases = served.histories_on(place, served.Leases)
TestUniqueness = served.histories_on(place, served.Uniqueness)
TestBytes = served.histories_on(place, served.Bytes, share=8)
TestWholeLife = served.histories_on(place, served.WholeLife)
