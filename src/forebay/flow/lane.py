"""Where a message waits: the lane that follows from its own lane, its task, its key, and what its queue tells apart.

Pure. The name of a lane says all about it: `smtp|task:send|key:t7` holds what was put into lane smtp, is of task send
and has the key t7. What a queue does not tell apart stands in no name, so that it stays in one line.
"""

from collections.abc import Iterable
from functools import lru_cache
from typing import NamedTuple, Protocol

import msgspec

from forebay.model.message import CPU
from forebay.model.provider import APART, meter_of, unkeyed
from forebay.model.provider import METER as PROVIDERS
from forebay.model.queue import QueueSpec
from forebay.model.rule import METER as RULES
from forebay.model.rule import rule_of

_METER, _TASK, _KEY = "|meter:", "|task:", "|key:"


class Split(msgspec.Struct, frozen=True):
    """What a queue tells apart.

    Attributes:
        spec: its options: each key by itself, if they bound or order keys.
        tasks, keys: those that a gate or a meter is about.
        named: whether messages of it name meters themselves.
        until: the number of the newest message from before keys were told apart. Up to there some may still stand in
            other lanes than their key's, and go before those that came later.
    """

    spec: QueueSpec
    tasks: tuple[str, ...] = ()
    keys: tuple[str, ...] = ()
    named: bool = False
    until: int = 0

    @property
    def by_key(self) -> bool:
        """Whether each key waits by itself."""
        return self.spec.fair or self.keyed

    @property
    def keyed(self) -> bool:
        """Whether each key has a meter of its own."""
        spec = self.spec
        return spec.ordered or spec.key_rate is not None or spec.key_concurrency is not None

    @property
    def key_slots(self) -> int | None:
        """How many of one key may run."""
        return 1 if self.spec.ordered else self.spec.key_concurrency

    @property
    def plain(self) -> bool:
        """Whether it tells nothing apart, bounds nothing, and runs the oldest first."""
        apart = self.by_key or self.tasks or self.keys or self.named or self.spec.lifo
        return not apart and not self.metered

    @property
    def metered(self) -> bool:
        """Whether the queue as a whole has a meter of its own."""
        return self.spec.rate is not None or self.spec.concurrency is not None

    @property
    def whole(self) -> bool:
        """Whether that meter is all it bounds, and all of it is one line."""
        return self.metered and not (self.by_key or self.tasks or self.keys or self.named or self.until)

    @property
    def counted(self) -> bool:
        """Whether it matters in which lane something runs, and not only that it does."""
        return bool(self.spec.fair or self.key_slots is not None or self.tasks or self.keys or self.named)


class Parts(NamedTuple):
    """What the name of a lane says."""

    lane: str
    meters: tuple[str, ...]
    task: str | None
    key: str | None


def own(lane: str, meters: Iterable[str]) -> str:
    """What of a message's lane does not depend on its queue: where it was put, and the meters that it names."""
    return lane + "".join(f"{_METER}{name}" for name in meters)


def owned(lane: str) -> str:
    """What `own` is of a message of which its lane alone is told: a provider's and a rule's pass the meter of that."""
    if (rule := rule_of(lane)) is not None:
        return own(lane, [f"{RULES}{rule}"])
    if lane in ("", CPU):
        return own(lane, [])
    meter, key = meter_of(unkeyed(lane).removesuffix(APART)), lane.removeprefix(unkeyed(lane))
    return own(lane, [meter, meter + key] if key else [meter])


def renamed(mine: str, lane: str) -> str:
    """What a message's own lane is when it is put into another one, whose name may tell meters (`own`) that it passes
    from then on: as long as it is not put elsewhere, if they are a rule's.
    """
    told, kept = parts(lane), [name for name in parts(mine).meters if not name.startswith(RULES)]
    return own(told.lane, dict.fromkeys([*told.meters, *kept]))


def rerouted(mine: str) -> str:
    """What a message's own lane is in another queue: the same, unless a rule had put it where it was."""
    return renamed(mine, "") if rule_of(parts(mine).lane) is not None else mine


def place(mine: str, task: str, key: str | None, split: Split) -> str:
    """The lane that a message waits in; `mine` from `own`.

    In an ordered queue all of one key are one line, whatever lane or task they are of. In a fair one, what has no key
    waits with its task.
    """
    if key is not None and split.spec.ordered:
        return f"{_KEY}{key}"
    if task in split.tasks or (key is None and split.spec.fair):
        mine += f"{_TASK}{task}"
    if key is not None and (split.by_key or key in split.keys):
        mine += f"{_KEY}{key}"
    return mine


@lru_cache(20_000)
def parts(name: str) -> Parts:
    """The name of a lane, taken apart."""
    rest, told, key = name.partition(_KEY)
    lane, *more = rest.split("|")
    meters = tuple(part.removeprefix("meter:") for part in more if part.startswith("meter:"))
    task = next((part.removeprefix("task:") for part in more if part.startswith("task:")), None)
    return Parts(lane, meters, task, key if told else None)


def is_over(name: str, split: Split) -> bool:
    """Whether a lane is one of a key that nobody tells apart any more: what is in it waits elsewhere from now on."""
    key = None if split.by_key else parts(name).key
    return key is not None and key not in split.keys


def passes(queue: str, mine: str, task: str, key: str | None) -> list[str]:
    """The names of all meters that may be in the way of a message."""
    names = [f"queue:{queue}", *parts(mine).meters]
    names += [f"task:{queue}:{task}"] if task else []
    return names if key is None else [*names, f"key:{queue}:{key}"]


class Closed(Protocol):
    """What a closed gate is about, as `store.contract.Gate` has it."""

    @property
    def queue(self) -> str: ...
    @property
    def lane(self) -> str | None: ...
    @property
    def task(self) -> str | None: ...
    @property
    def key(self) -> str | None: ...


def shut(gate: Closed, queue: str, lane: str, task: str, key: str | None) -> bool:
    """Whether a closed gate holds such a message."""
    if gate.queue not in ("", queue):
        return False
    if gate.task is not None:
        return gate.task == task
    if gate.key is not None:
        return gate.key == key
    return gate.lane is None or gate.lane == lane


def key_lane(key: str) -> str:
    """The lane that is named after a key alone, where the meter of that key is kept."""
    return f"{_KEY}{key}"


def _of_key(lane: str) -> str:
    key = lane.removeprefix(unkeyed(lane))[1:]
    return f"key {key} of " if key else ""


def shown(name: str) -> str:
    """A lane in words: "key t7", "task send, key t7", "lane slow"; "provider smtp", "rule slow-1" of one."""
    lane, meters, task, key = parts(name)
    provider = meter_of(unkeyed(lane).removesuffix(APART)) in meters
    rule, whose = rule_of(lane), f"{_of_key(lane)}provider {unkeyed(lane)}"
    words = [f"rule {rule}" if rule else whose if provider else f"lane {lane}"] if lane else []
    words += [f"task {task}"] if task is not None else []
    words += [f"key {key}"] if key is not None else []
    told = [PROVIDERS] if provider else [f"{RULES}{rule}"] if rule else []
    words += [f"meter {meter}" for meter in meters if not meter.startswith(tuple(told))]
    return ", ".join(words) or "the main lane"
