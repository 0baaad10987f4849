"""What an operator does about a provider: open it, close it, have it probed now. Written by compare-and-set, as ever.

Whoever acts carries it out at once; workers are not needed for that, and find what has changed within half a second.
"""

from enum import StrEnum
from functools import partial

from msgspec.structs import replace

from forebay.flow.breaker import closed, opened, probed
from forebay.model.errors import ConfigError
from forebay.model.provider import Provider, Stand
from forebay.provider.steer import Used, change, let_go
from forebay.store.contract import Store


class Act(StrEnum):
    """OPEN: nothing is asked of it. CLOSE: it is asked as usual, by as many as were declared. PROBE: by one."""

    OPEN = "open"
    CLOSE = "close"
    PROBE = "probe"


async def operate(  # noqa: PLR0917
    store: Store, name: str, act: Act, actor: str, reason: str = "", lasts: float | None = None
) -> Provider:
    """Have it stand so from now on; how it stands.

    Args:
        lasts: seconds until it is probed, of one that is opened; None: until it is closed or probed by hand.

    Raises:
        ConfigError: there is no such provider, or nothing to probe.
    """
    decide = {
        Act.OPEN: partial(_open, name, actor, reason, lasts),
        Act.CLOSE: partial(_close, name),
        Act.PROBE: partial(_probe, name),
    }[act]
    one = await change(store, name, decide, anew=True)
    assert one is not None
    if act is not Act.OPEN:
        await let_go(store, one, keys=act is Act.CLOSE)
    return one


def _there(name: str, one: Provider | None) -> Provider:
    if one is None:
        raise ConfigError(f"provider {name} is not known here: a worker makes known those that its app declares")
    return one


def _open(  # noqa: PLR0917
    name: str, actor: str, reason: str, lasts: float | None, one: Provider | None, now: float, _: Used
) -> Provider:
    return opened(_there(name, one), now, None if lasts is None else now + lasts, reason, actor)


def _close(name: str, one: Provider | None, now: float, _: Used) -> Provider:
    """Keys that were told to wait are asked as well; those that have used up a budget are not."""
    one = closed(_there(name, one), now)
    keys = tuple(replace(entry, throttled=0.0, throttle="") for entry in one.keys if entry.budget)
    return replace(one, capacity=None, keys=keys)


def _probe(name: str, one: Provider | None, now: float, used: Used) -> Provider:
    one = _there(name, one)
    if one.stand is Stand.CLOSED and one.throttled <= now:
        raise ConfigError(f"provider {name} is asked as usual: there is nothing to probe")
    if one.stand in (Stand.HALF_OPEN, Stand.RAMP):
        return replace(one, throttled=0.0)
    return replace(probed(one, now, used.running), throttled=0.0)
