"""Settlements whose answer never came: asked for once more, they count as asked for before.

An engine tells one verb from its own second attempt. Whoever was told that a verb has failed calls it anew, and then
only this knows that it may have been carried out the first time.
"""

from collections.abc import Generator, Sequence
from contextlib import contextmanager
from itertools import islice

from forebay.model.delivery import Delivery
from forebay.model.errors import EngineError
from forebay.model.outcome import Settlement

#: Leases that are remembered; a worker that waits for its server asks for few at a time, again and again.
MOST = 10_000

#: Message and fence.
Lease = tuple[str, int]


def lease(delivery: Delivery) -> Lease:
    """Which one it is."""
    return delivery.id, delivery.fence


class Doubts:
    """What one engine has not heard of. Used by any thread."""

    def __init__(self) -> None:
        self._leases: dict[Lease, None] = {}

    @contextmanager
    def about(self, settlements: Sequence[Settlement], unknown: type[EngineError]) -> Generator[frozenset[Lease]]:
        """The leases of these that may have been settled before; an error of this kind makes that all of them."""
        known = self._leases
        before = frozenset[Lease](filter(known.__contains__, map(_of, settlements)) if known else ())
        try:
            yield before
        except unknown:
            known.update(dict.fromkeys(map(_of, settlements)))
            for one in list(islice(known, max(0, len(known) - MOST))):
                known.pop(one, None)
            raise
        for one in before:
            known.pop(one, None)


def _of(settlement: Settlement) -> Lease:
    return lease(settlement.delivery)
