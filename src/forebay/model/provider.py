"""A provider, an outside service that tasks depend on, as data: what is said of it, and how it stands for all workers.

`flow.breaker` judges by it, `provider.steer` keeps it in the store. Times are seconds since the epoch by the store's
clock, durations seconds.
"""

from enum import StrEnum

import msgspec

from forebay.model.budget import Budget

#: Who holds the gates of a provider that is not asked at all.
BREAKER = "breaker"
#: How the name of its meter begins.
METER = "provider:"
#: How the lane of its tasks in processes of their own is named after it.
APART = ":cpu"
#: What stands between the name of a provider and that of one of its keys; in no name.
_KEYED = "~"


class Stand(StrEnum):
    """How a provider stands: asked as usual, not at all, by one probe at a time, or by a few more at each step."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half-open"
    RAMP = "ramp"


class Trip(msgspec.Struct, frozen=True, kw_only=True):
    """When a breaker opens, and for how long; what the options mean stands at `provider.Breaker`."""

    failure_ratio: float = 0.5
    min_calls: int = 10
    window: float = 10.0
    slow: float | None = None
    slow_ratio: float = 0.5
    open_for: float = 5.0
    max_open: float = 60.0
    probe_timeout: float = 60.0


class Terms(msgspec.Struct, frozen=True, kw_only=True):
    """What is said of a provider where it is declared.

    Attributes:
        rate: calls a second that may start; None for no bound. burst: how many of them at once.
        concurrency: how many may run at a time.
        breaker: None: none is kept; what meets an outage waits by itself.
        ramp: seconds in which it comes back to its bound after the first probe that succeeded.
        max_outage: seconds after which what waits for it is dead; None for never.
        budgets: how much may be spent in each minute, hour or day.
        adaptive: `concurrency` is the most; how many may run follows what it can take.
        key_rate, key_burst, key_concurrency, key_budgets: the same of each of its keys by itself.
        fallback_after: its work goes elsewhere when it is not to be asked for longer than so many seconds; None: never.
    """

    rate: float | None = None
    burst: float | None = None
    concurrency: int | None = None
    breaker: Trip | None = Trip()
    ramp: float = 3.0
    max_outage: float | None = None
    fallback_after: float | None = None
    budgets: tuple[Budget, ...] = ()
    adaptive: bool = False
    key_rate: float | None = None
    key_burst: float | None = None
    key_concurrency: int | None = None
    key_budgets: tuple[Budget, ...] = ()

    @property
    def keyed(self) -> bool:
        """Whether each key is bound by itself."""
        return self.key_rate is not None or self.key_concurrency is not None or bool(self.key_budgets)


class Place(msgspec.Struct, frozen=True, order=True):
    """A lane of a queue in which messages wait for a provider."""

    queue: str
    lane: str


class Bucket(msgspec.Struct, frozen=True):
    """Calls that ended within one part of the window, which began at `at`."""

    at: float
    ok: int = 0
    failed: int = 0
    slow: int = 0


class Capacity(msgspec.Struct, frozen=True, kw_only=True):
    """How much a provider can take, by what it has taken: of one whose limit is adaptive.

    Attributes:
        limit: how many may run; a part of one counts for the next step.
        since: when that last changed; what went well before says nothing of it. fence: likewise for what did not.
        ceiling: at how many it last was too much; 0 if that is not known.
        lowered: when it was last lowered. reason: why, in words. hold: seconds until so many are tried again.
        at: when the present step began; calls: its calls, of which throttled were told to slow down, failed were not
            answered, slow were; busy: how many of them ran at a time at the most; took, lost: seconds of all of
            them, and of those that went wrong; waits: how long it asked to wait.
    """

    limit: float
    since: float = 0.0
    fence: float = 0.0
    ceiling: int = 0
    lowered: float = 0.0
    reason: str = ""
    hold: float = 0.0
    at: float = 0.0
    calls: int = 0
    throttled: int = 0
    failed: int = 0
    slow: int = 0
    busy: int = 0
    took: float = 0.0
    lost: float = 0.0
    waits: float = 0.0


class SpentKey(msgspec.Struct, frozen=True, array_like=True):
    """A key of a provider that is not to be asked for longer than its messages are to wait.

    Attributes:
        until: that long. budget: which one is used up; "" if none is. at: when that was found.
        diverted: what waits for it is handed out, for the fallback of its provider to run it.
        throttled: it was told to wait until then; 0 if it was not. throttle: in which words.
    """

    key: str
    until: float
    budget: str
    at: float
    diverted: bool = False
    throttled: float = 0.0
    throttle: str = ""


class Provider(msgspec.Struct, frozen=True, kw_only=True):
    """How a provider stands for all workers.

    Attributes:
        at: when that was written.
        since: when it came to stand so, or to its present level. fence: calls that began before that do
            not count. until: when the next probe may go; None: when somebody says so.
        reason: why, in words.
        actor: who has opened it by hand; "" if it was the breaker.
        trips: how often it has opened since it was last asked as usual.
        level: how many may ask it at a time while it comes back.
        spare: slots that calls still hold which began before the probe.
        probing: since when a probe is under way. probes: how many have ended since it opened, and told nothing.
        buckets: what the breaker looks back on. streak: failures since the last success.
        down: since when there has been no success, if there was a failure since.
        burying: what has waited longer than `Terms.max_outage` is handed out, to be found dead.
        diverted: what waits for it is handed out, for its fallback to run it.
        throttled: nothing is asked before that, for it has said so. throttle: in which words.
        spent: a budget is used up until then. budget: which one. spent_at: when that was found.
        keys: those of which one is, or that were told to wait, by name; only where there is a fallback for what waits
            for them.
        capacity: how much it can take, if that is to be found out and anything is known of it.
        calls, failures, parks, throttles: in all.
    """

    name: str
    terms: Terms = Terms()
    places: tuple[Place, ...] = ()
    stand: Stand = Stand.CLOSED
    at: float = 0.0
    since: float = 0.0
    fence: float = 0.0
    until: float | None = None
    reason: str = ""
    actor: str = ""
    trips: int = 0
    level: int = 0
    spare: int = 0
    probing: float | None = None
    probes: int = 0
    buckets: tuple[Bucket, ...] = ()
    streak: int = 0
    down: float | None = None
    burying: bool = False
    diverted: bool = False
    throttled: float = 0.0
    throttle: str = ""
    spent: float = 0.0
    budget: str = ""
    spent_at: float = 0.0
    keys: tuple[SpentKey, ...] = ()
    capacity: Capacity | None = None
    calls: int = 0
    failures: int = 0
    parks: int = 0
    throttles: int = 0

    def elsewhere(self, now: float) -> bool:
        """Whether what was leased is not to be asked of it: its fallback may."""
        return self.shut(now) or (self.diverted and self.spent > now)

    def spent_key(self, lane: str, now: float) -> SpentKey | None:
        """The key for which messages of this lane wait, if it is not to be asked for long."""
        if not self.keys:
            return None
        name = key_in(lane)
        return next((one for one in self.keys if one.key == name and one.until > now), None)

    def shut(self, now: float) -> bool:
        """Whether nothing may be asked of it now."""
        return self.stand is Stand.OPEN or self.throttled > now


class Call(msgspec.Struct, frozen=True, gc=False):
    """A call of a provider that has ended.

    Attributes:
        began: when its message was leased, seconds since the epoch.
        ok: it answered; False: it did not; None: that says nothing of it.
        slow: it took longer than its breaker allows.
        until: it said that nothing may be asked before that time, seconds since the epoch.
        reason: what it said or did, in words.
        down: its task said that it is down (`ProviderDown`): no further sample is needed.
        throttled: it was told to come slower, or later.
        took: seconds.
        key: `until` is about this key alone; "" if it is about all.
    """

    began: float
    ok: bool | None
    slow: bool = False
    until: float | None = None
    reason: str = ""
    down: bool = False
    parked: bool = False
    throttled: bool = False
    took: float = 0.0
    key: str = ""


def lane_of(provider: str, *, cpu: bool) -> str:
    """Where messages of a task wait for it; those for processes of their own apart from the others."""
    return provider + APART if cpu else provider


def of_lane(lane: str) -> str:
    """The provider for which messages of this lane wait, if they wait for one."""
    return unkeyed(lane).removesuffix(APART)


def keyed(lane: str, key: str) -> str:
    """The lane of one key of a provider: it alone is shut when that key is to wait."""
    return f"{lane}{_KEYED}{key}"


def unkeyed(lane: str) -> str:
    """The lane without its key."""
    return lane.partition(_KEYED)[0]


def key_in(lane: str) -> str:
    """The key that the name of a lane, or of a meter, has; "" without one."""
    return lane.partition(_KEYED)[2]


def meter_of(provider: str) -> str:
    """The meter that they pass."""
    return METER + provider


def each(provider: str) -> str:
    """The meter that says what each key of a provider may: budgets beside it are those of each key."""
    return keyed(meter_of(provider), "")


def of_each(name: str) -> str | None:
    """Where it is said what the meter of a key may, or a budget beside it; None of any other meter.

    `provider:llm~` says it of `provider:llm~eu`, and `provider:llm~/60` of `provider:llm~eu/60`.
    """
    if not name.startswith(METER) or _KEYED not in name:
        return None
    provider, _, rest = name.partition(_KEYED)
    key, slash, window = rest.partition("/")
    return f"{provider}{_KEYED}{slash}{window}" if key else None
