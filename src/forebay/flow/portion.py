"""How one lease is divided among the queues that it was asked for, and what of it begins first. Pure.

Each queue gets a fair share, and what one leaves goes to the others. Those that are looked at quickly come first: what
they leave is known then, and a queue of many lanes, each of which costs a look, is looked at once and not twice.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from operator import attrgetter
from typing import Protocol, TypeVar

#: Lanes of which one lease takes something, where it was asked for other queues as well: what waits there waits for so
#: many at the most. A lease costs as much as some lanes whatever it takes: a third of these made keys miss their rates.
LANES = 100
#: What scatters numbers, whatever there is between one and the next.
MIX, PRIME = 40_503, 65_521

T = TypeVar("T")
_queue = attrgetter("queue")


class _Queued(Protocol):
    @property
    def queue(self) -> str: ...


Q = TypeVar("Q", bound=_Queued)


def line_up(quick: Sequence[T], slow: Sequence[T], limit: int, turn: int) -> list[T]:
    """In which order parts of a lease are asked; `turn` grows with each lease, so that each part comes first in turn.

    Args:
        quick, slow: of which a look costs little, and in which it costs something for each lane.
    """
    if limit < len(quick) + len(slow):  # too few for all: nobody is first each time
        return _turned([*quick, *slow], turn)
    return [*_turned(quick, turn), *_turned(slow, turn)]


def portion(left: int, parts: int) -> int:
    """Of what a lease may take still, how much one part is asked for; so many parts are to be asked, with this one."""
    return -(-left // parts)


def room(limit: int, parts: int) -> int:
    """How many messages a lease takes of its slow parts, in all."""
    return limit if parts == 1 else min(limit, LANES)


def in_turn(places: Sequence[T], group_of: Callable[[T], object], turn: int) -> list[T]:
    """One place of each group, then a second one of each …: what waits in one place waits for no long group.

    Groups begin where `turn` says, which grows with each place that a lease comes to, and so do the places of a single
    group. Those of several begin anywhere: what grows by as many at each lease might never come to some of them.
    """
    groups: dict[object, list[T]] = {}
    for place in places:
        groups.setdefault(group_of(place), []).append(place)
    begin = turn if len(groups) < 2 else turn * MIX % PRIME
    turned = [_turned(group, begin) for group in _turned([*groups.values()], turn)]
    return [group[n] for n in range(max(map(len, turned), default=0)) for group in turned if n < len(group)]


def few_first(given: Sequence[Q]) -> Sequence[Q]:
    """What a lease gave, as it is to begin: first what is of a queue of which there is little.

    So one message waits for no hundred of another queue that came with it, and those hardly wait for it. The order
    within each queue stays.
    """
    of_queue = Counter(map(_queue, given))
    return given if len(of_queue) < 2 else sorted(given, key=lambda one: of_queue[one.queue])


def _turned(line: Sequence[T], turn: int) -> list[T]:
    first = turn % len(line) if line else 0
    return [*line[first:], *line[:first]]
