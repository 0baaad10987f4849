"""How many slots a queue wants: for what comes in, and for what waits to be started within a target time.

Pure. More slots help against a lack of slots and against nothing else: what stands behind a closed gate, a rate or a
limit would only wait in more places, and what is overloaded (adaptive workers have lowered their slots) would only be
asked for more. So that counts for nothing here, and what stands in the way is named.
"""

import math

import msgspec

from forebay.flow.grant import shown

#: Slots that are a rounding error and not a wish.
_CRUMB = 1e-6


class Part(msgspec.Struct, frozen=True, kw_only=True):
    """What waits for a slot in a queue, and is bound by less than the queue: by a provider, a rule, or its key.

    Attributes:
        of: what bounds it, in words. ready: how many. running: how many run of it.
        room, rate: how many more of them may run at a time, and how many may start a second.
    """

    of: str
    ready: int
    running: int = 0
    room: float = math.inf
    rate: float = math.inf

    def useful(self, mean: float | None) -> float:
        """How many more slots are of use to it at the most."""
        kept_busy = math.inf if mean is None else max(1.0, self.rate * mean)
        return max(0.0, min(self.room, kept_busy - self.running))


class Pull(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of one queue. Seconds, and messages a second.

    Attributes:
        ready: messages that wait for a slot, and for nothing else.
        held: messages that wait for something else; `why` says for what.
        running: how many run. slots: how many may, on the workers that live, when all is well.
        lowered: how many of these slots they do without now, since tasks time out or take longer than usual.
        age: how long the oldest of the ready ones has waited.
        mean: run time of an attempt; None if none has ended yet.
        arrivals: messages that come in, lately.
        most, rate: how many of the queue may run at a time, and may start a second, whatever slots there are.
        parts: those of the ready ones that are bound by less than the queue.
    """

    queue: str
    ready: int = 0
    held: int = 0
    running: int = 0
    slots: int = 0
    lowered: int = 0
    age: float = 0.0
    mean: float | None = None
    arrivals: float = 0.0
    most: int | None = None
    rate: float | None = None
    parts: tuple[Part, ...] = ()
    why: str = ""


class Scale(msgspec.Struct, frozen=True, kw_only=True):
    """What a queue wants.

    Attributes:
        wanted: slots over all workers. more: how many of them there are not yet.
        work: seconds of run time that wait for a slot.
        bottleneck: what holds it up that slots do not help against; "" if nothing does.
    """

    queue: str
    wanted: int
    more: int
    slots: int
    ready: int
    held: int
    running: int
    age: float
    work: float
    bottleneck: str = ""


def scale(pull: Pull, target: float) -> Scale:
    """Slots so that what waits is started within `target` seconds, and what comes in does not wait at all.

    By Little's law the slots that are busy with what comes in are its rate times its run time. What runs keeps its
    slot. As long as nobody knows how long a run takes, one slot is enough to find out, and twice as many as there are
    where messages have waited past the target.
    """
    work = pull.ready * (pull.mean or 0.0)
    if pull.mean is None:
        slots = 0.0 if not pull.ready else max(1.0, 2.0 * pull.slots if pull.age > target else 1.0)
    else:
        slots = pull.arrivals * pull.mean + work / target
        slots = max(slots, 1.0) if pull.ready else slots
    bound, name = min(_bound(pull), _useful(pull, target))
    wanted = max(pull.running, math.ceil(min(slots, bound) - _CRUMB))
    stuck = name if slots > bound else ""
    if not stuck and pull.held and not pull.ready:
        stuck = pull.why
    return Scale(
        queue=pull.queue,
        wanted=wanted,
        more=max(0, wanted - pull.slots),
        slots=pull.slots,
        ready=pull.ready,
        held=pull.held,
        running=pull.running,
        age=pull.age,
        work=work,
        bottleneck=stuck,
    )


def _bound(pull: Pull) -> tuple[float, str]:
    """How many slots the queue can use at the most, and what says so."""
    bounds = [(math.inf, "")]
    if pull.most is not None:
        bounds.append((float(pull.most), f"concurrency {pull.most}"))
    if pull.rate is not None and pull.mean is not None:
        bounds.append((max(1.0, pull.rate * pull.mean), f"rate {shown(pull.rate)}"))
    if pull.lowered:  # whatever it is that its tasks wait for, more of them would only ask more of it
        now = pull.slots - pull.lowered
        bounds.append((float(pull.slots), f"tasks take too long, {now:,} of {pull.slots:,} slots in use (--adaptive)"))
    return min(bounds)


def _useful(pull: Pull, target: float) -> tuple[float, str]:
    """How many slots are of use to what waits and comes, where parts of it are bound; and what bounds most of it."""
    if not pull.parts:
        return math.inf, ""
    largest = max(pull.parts, key=lambda part: part.ready)
    caps = pull.running + sum(part.useful(pull.mean) for part in pull.parts)
    free = pull.ready - sum(part.ready for part in pull.parts)
    if free <= 0 or pull.mean is None:
        return (caps if free <= 0 else math.inf), f"limit of {largest.of}"
    a_slot = pull.mean / target
    wanted = sum(min(part.ready * a_slot, part.useful(pull.mean)) for part in pull.parts)
    return pull.arrivals * pull.mean + free * a_slot + wanted, f"limit of {largest.of}"


def total(scales: list[Scale], slots: int) -> Scale:
    """All of them together; `slots` of the workers that serve any of them, each counted once."""
    wanted = sum(one.wanted for one in scales)
    stuck = [f"{one.queue}: {one.bottleneck}" for one in scales if one.bottleneck]
    return Scale(
        queue="",
        wanted=wanted,
        more=max(0, wanted - slots),
        slots=slots,
        ready=sum(one.ready for one in scales),
        held=sum(one.held for one in scales),
        running=sum(one.running for one in scales),
        age=max((one.age for one in scales), default=0.0),
        work=sum(one.work for one in scales),
        bottleneck="; ".join(stuck),
    )
