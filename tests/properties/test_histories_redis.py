"""Generated histories on Redis: see `served`."""

from engines.servers import redis
from properties import served

TestGates = served.histories_on(redis.empty, served.Gates)
TestLimits = served.histories_on(redis.empty, served.Limits)
TestLeases = served.histories_on(redis.empty, served.Leases)
TestBytes = served.histories_on(redis.empty, served.Bytes)
TestWholeLife = served.histories_on(redis.empty, served.WholeLife)
