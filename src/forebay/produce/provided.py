"""What `app.provider` takes: its options, checked once, and what a task of it needs to know of it."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypedDict, Unpack, cast

import msgspec

from forebay.model.duration import Duration, seconds
from forebay.model.errors import ConfigError
from forebay.model.options import check_known
from forebay.model.provider import APART, Terms, Trip
from forebay.model.queue import check_name
from forebay.model.verdict import Kind, Verdict
from forebay.produce.bounds import QueueWays, Rate, bounds
from forebay.produce.budgets import BudgetWay, budgets

if TYPE_CHECKING:
    from forebay.produce.task import Task

#: What a user's own classification may say; None leaves it to ours.
Classify = Callable[[BaseException], Kind | Verdict | None]
_USUAL = Trip()
#: Options that a provider has in common with a queue.
_BOUNDS = ("rate", "burst", "concurrency", "key_rate", "key_burst", "key_concurrency")
_MOST = 1_000_000
#: Seconds beyond which its fallback is run rather than that it is waited for.
FALLBACK_AFTER = 60.0
#: The part of its calls that may be repeats: Finagle's.
RETRY_BUDGET = 0.2


class BreakerWays(TypedDict, total=False):
    """Options of `Breaker`; see there."""

    failure_ratio: float
    min_calls: int
    window: Duration
    slow: Duration | None
    slow_ratio: float
    open_for: Duration
    max_open: Duration
    probe_timeout: Duration


class Breaker:
    """When calls of a provider are stopped for a while: `app.provider("smtp", breaker=Breaker(failure_ratio=0.5))`.

    Args:
        failure_ratio: the part of the calls within `window` that fails, from which on it opens: above 0, up to 1.
        min_calls: by fewer calls than that nothing is judged. So many failures one after another open it at once.
        window: how far back it looks.
        slow: calls that take longer are slow; None: none is. A probe that is slow has failed.
        slow_ratio: the part of the calls within `window` that is slow, from which on it opens.
        open_for: how long nothing is asked when it has opened; doubled with each probe that fails.
        max_open: the longest of these pauses, unless the provider asks for more.
        probe_timeout: a probe that has not ended by then has failed.

    Raises:
        ConfigError: a value makes no sense.
    """

    def __init__(self, **ways: Unpack[BreakerWays]) -> None:
        check_known("Breaker()", ways, BreakerWays.__annotations__)
        calls, slow = ways.get("min_calls", _USUAL.min_calls), ways.get("slow")
        if type(calls) is not int or not 1 <= calls <= _MOST:
            raise ConfigError(f"Breaker: min_calls is a number of calls from 1 to {_MOST:,}, not {calls!r:.100}")
        if slow is None and "slow_ratio" in ways:
            raise ConfigError(
                "Breaker: slow_ratio is a part of the slow calls, and none is slow: give it slow= as well"
            )
        first = _some("open_for", ways.get("open_for", _USUAL.open_for))
        longest = _some("max_open", ways["max_open"]) if "max_open" in ways else max(first, _USUAL.max_open)
        if longest < first:
            raise ConfigError(f"Breaker: max_open={longest:g} is shorter than open_for={first:g}")
        self.trip = Trip(
            failure_ratio=_ratio("failure_ratio", ways.get("failure_ratio", _USUAL.failure_ratio)),
            min_calls=calls,
            window=_some("window", ways.get("window", _USUAL.window)),
            slow=None if slow is None else _some("slow", slow),
            slow_ratio=_ratio("slow_ratio", ways.get("slow_ratio", _USUAL.slow_ratio)),
            open_for=first,
            max_open=longest,
            probe_timeout=_some("probe_timeout", ways.get("probe_timeout", _USUAL.probe_timeout)),
        )

    def __eq__(self, other: object) -> bool:
        return self.trip == other.trip if isinstance(other, Breaker) else NotImplemented

    def __hash__(self) -> int:
        return hash(self.trip)

    def __repr__(self) -> str:
        return f"Breaker({', '.join(f'{name}={value!r}' for name, value in msgspec.structs.asdict(self.trip).items())})"


class ProviderWays(TypedDict, total=False):
    """Options of `app.provider`.

    Keys:
        rate: calls that may start, over all workers: "50/s", "100/m", "1000/h", "5/d", or a number a second.
        burst: how many of them may start at once after a quiet time.
        concurrency: how many may run at a time, over all workers.
        adaptive: that is the most: fewer may run while calls are told to slow down, fail, time out or are slow
            (`Breaker(slow=…)`), and by and by more again when they end well; never fewer than one.
        budget: how much may be spent in each minute, hour or day (UTC), in the unit of `cost=`: "2_000_000/day"; or in
            calls: "500 calls/min"; or several of them, which hold at once. When one is used up nothing starts until
            the next window begins.
        key_rate, key_burst, key_concurrency, key_budget: the same of each of its keys by itself: of what a task names
            as its `provider_key=` (an account, an API key, a tenant). Calls without a key are not bound by them.
        breaker: when calls are stopped for a while; `Breaker()` unless given, None for never.
        ramp: how long it takes, after the first probe that succeeded, until as many are asked as usual; 3 s unless
            given, 0 for at once.
        classify: what an exception says about it: called with it, answers a `Kind`, a `Verdict`, or None for what
            Forebay makes of it.
        retry_budget: the part of its calls that may be repeats of what failed, beside ten a second in each worker
            process; what is beyond that is put off. 0.2 unless given, None for no bound.
        max_outage: what has waited for it longer than that, while it was down, is dead; never unless given.
        fallback: while it is not to be asked for longer than `fallback_after`: a task, or its name, that is run
            instead, with the same arguments; or another provider, or its name, which the same task then asks
            (`Context.provider`).
        fallback_after: see there; 60 s unless given.
    """

    rate: Rate | None
    burst: float | None
    concurrency: int | None
    adaptive: bool
    budget: BudgetWay | None
    key_rate: Rate | None
    key_burst: float | None
    key_concurrency: int | None
    key_budget: BudgetWay | None
    breaker: Breaker | None
    ramp: Duration
    classify: Classify | None
    retry_budget: float | None
    max_outage: Duration | None
    fallback: "str | Task[Any, Any, Any] | ProviderSpec | None"
    fallback_after: Duration


class ProviderSpec(msgspec.Struct, frozen=True, kw_only=True):
    """A provider as it was declared."""

    name: str
    terms: Terms
    classify: Classify | None = None
    retry_budget: float | None = RETRY_BUDGET
    fallback: str | None = None

    def __str__(self) -> str:
        return self.name


def declared(name: str, ways: ProviderWays) -> ProviderSpec:
    """A provider from its options.

    Raises:
        ConfigError: one of them makes no sense, or could have no effect beside the others.
    """
    where = f"provider {check_name('provider', name)}"
    check_known(
        where, ways, ["name", *ProviderWays.__annotations__], {"breaker=Breaker(...)": BreakerWays.__annotations__}
    )
    if name == APART.removeprefix(":"):
        raise ConfigError(
            f"{where}: this name is taken, by the lane of tasks in processes of their own: choose another"
        )
    breaker: Any = ways.get("breaker", Breaker())
    if not isinstance(breaker, Breaker | None):
        raise ConfigError(f"{where}: breaker is a Breaker, or None for none, not {breaker!r:.200}")
    classify: Any = ways.get("classify")
    if classify is not None and not callable(classify):
        raise ConfigError(f"{where}: classify is a function of an exception, not {classify!r:.200}")
    terms, fallback = _terms(where, ways, breaker), _fallback(where, ways)
    return ProviderSpec(
        name=name,
        terms=terms,
        classify=cast("Classify | None", classify),
        fallback=fallback,
        retry_budget=_share(where, ways),
    )  # fmt: skip


def _fallback(where: str, ways: ProviderWays) -> str | None:
    fallback: Any = ways.get("fallback")
    if fallback is None and "fallback_after" in ways:
        raise ConfigError(f"{where}: fallback_after is when its fallback is run, and it has none: give it fallback=")
    name = fallback if fallback is None or isinstance(fallback, str) else getattr(fallback, "name", None)
    if fallback is not None and not isinstance(name, str):
        raise ConfigError(f"{where}: fallback is a task or a provider, or the name of one, not {fallback!r:.100}")
    return name


def _share(where: str, ways: ProviderWays) -> float | None:
    share = cast("object", ways.get("retry_budget", RETRY_BUDGET))
    if share is None:
        return None
    if isinstance(share, bool) or not isinstance(share, int | float) or not 0 <= share <= 1:
        raise ConfigError(f"{where}: retry_budget is a part of the calls, from 0 to 1, not {share!r:.100}")
    return float(share)


def _terms(where: str, ways: ProviderWays, breaker: Breaker | None) -> Terms:
    told = {name: value for name, value in ways.items() if name in _BOUNDS}
    made = bounds(where, cast("QueueWays", told))
    outage = ways.get("max_outage")
    return Terms(
        rate=made["rate"],
        burst=made["burst"],
        concurrency=made["concurrency"],
        breaker=None if breaker is None else breaker.trip,
        ramp=seconds(ways.get("ramp", Terms().ramp), f"{where}: ramp"),
        max_outage=None if outage is None else seconds(outage, f"{where}: max_outage"),
        budgets=budgets(where, ways.get("budget")),
        key_rate=made["key_rate"],
        key_burst=made["key_burst"],
        key_concurrency=made["key_concurrency"],
        key_budgets=budgets(where, ways.get("key_budget"), "key_budget"),
        adaptive=_adaptive(where, ways, made["concurrency"]),
        fallback_after=None if ways.get("fallback") is None else _after(where, ways),
    )


def _adaptive(where: str, ways: ProviderWays, most: int | None) -> bool:
    adaptive = cast("object", ways.get("adaptive", False))
    if type(adaptive) is not bool:
        raise ConfigError(f"{where}: adaptive is True or False, not {adaptive!r:.100}")
    if adaptive and (most is None or most < 2):
        has = "there is none" if most is None else "one at a time is the least anyway"
        raise ConfigError(
            f"{where}: adaptive runs fewer at a time than concurrency=, and {has}: "
            "give it concurrency=, the most that may ever run at a time, from 2 on"
        )
    return adaptive


def _after(where: str, ways: ProviderWays) -> float:
    return seconds(ways.get("fallback_after", FALLBACK_AFTER), f"{where}: fallback_after")


def _some(name: str, value: Duration) -> float:
    number = seconds(value, f"Breaker: {name}")
    if number <= 0:
        raise ConfigError(f"Breaker: {name} is longer than nothing, not {value!r}")
    return number


def _ratio(name: str, value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value <= 1:
        raise ConfigError(f"Breaker: {name} is a part of the calls, above 0 and up to 1, not {value!r:.100}")
    return float(value)
