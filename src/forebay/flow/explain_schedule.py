"""When a schedule fires next, or why it does not, and what became of its last tick: from facts to sentences. Pure."""

from collections.abc import Iterator
from shlex import quote

import msgspec

from forebay.flow.explain import Reason
from forebay.model.duration import span
from forebay.model.lifecycle import State

#: Seconds that a tick may be late before somebody must be missing.
LATE = 60.0


class Ticking(msgspec.Struct, frozen=True, kw_only=True):
    """A schedule as it stands.

    Attributes:
        when: its expression and zone, for people.
        next, last: its next tick, and the newest that made a message, seconds since the epoch; 0 and None for none.
        by: who paused it; "" if it is not paused.
        flaw: what cannot be read of it. held: why its ticks make no message now.
        alive: workers that live.
        deserted: the queue of its messages, if workers live and none of them serves it; "" if not.
        message, state, cause: that of the last tick, as far as it is remembered.
    """

    name: str
    when: str
    now: float
    next: float = 0.0
    last: float | None = None
    by: str = ""
    flaw: str = ""
    held: str = ""
    alive: int = 0
    deserted: str = ""
    message: str = ""
    state: State | None = None
    cause: str = ""


def explain_schedule(one: Ticking) -> list[Reason]:
    """When it fires, and what became of its last tick."""
    return [_upcoming(one), *_held(one), *_deserted(one), _last(one)]


def _upcoming(one: Ticking) -> Reason:
    if one.by:
        advice = f"`forebay schedules resume {quote(one.name)}` to go on"
        return Reason("paused", f"schedule {one.name} has been paused by {one.by}: it does not fire", advice)
    if one.flaw:
        advice = "start a worker of an app that declares it: it writes it again"
        return Reason("flaw", f"schedule {one.name} cannot be fired: {one.flaw}", advice)
    late = one.now - one.next
    if one.next and late > (LATE if one.alive else 0.0):
        who = "those running were started with --no-schedules, or hang" if one.alive else "no worker is running"
        text = f"schedule {one.name} was due {span(late)} ago, and nobody has fired it: {who}"
        return Reason("no-scheduler", text, "start a worker without --no-schedules")
    due = f"in {span(one.next - one.now)}" if one.next > one.now else "now"
    return Reason("due", f"schedule {one.name} fires {due} ({one.when})")


def _held(one: Ticking) -> Iterator[Reason]:
    if one.held:
        advice = f"`forebay why {one.message}` says what becomes of it" if one.message else ""
        yield Reason("held", f"it {one.held}", advice)


def _deserted(one: Ticking) -> Iterator[Reason]:
    """As when its task has gone from the code, and its queue with it."""
    if one.deserted and not one.by:
        text = f"its messages go to queue {one.deserted}, which no worker serves: they wait there"
        advice = f"start a worker with `-Q {quote(one.deserted)}`, or `forebay schedules remove {quote(one.name)}`"
        yield Reason("deserted", text, f"{advice} if the code no longer has it")


def _last(one: Ticking) -> Reason:
    if one.last is None:
        return Reason("last", "it has not fired yet")
    ago = f"its last tick, {span(max(0.0, one.now - one.last))} ago, made message"
    if one.state is None:
        return Reason("last", f"{ago} {one.message}, which has ended and is forgotten")
    cause = f" ({one.cause})" if one.cause else ""
    return Reason("last", f"{ago} {one.message}, which is {one.state.value}{cause}")
