"""`…mutation+…?mutation=NAME`: an engine that is wrong in one way, to see whether the suite would notice.

Works on any engine, from outside: nothing of this is a switch in production code. A mutation is a class that overrides
the one verb it spoils. What syncs are for is spoiled elsewhere, by `forebay.testing.powerloss` with `--skip`.
"""

from collections.abc import Sequence

import msgspec

from forebay.config import Settings
from forebay.engine.backend import Backend, Whole
from forebay.engine.contract import Fate, Leased, Receipt, Want
from forebay.engine.registry import backend as inner_backend
from forebay.model.clock import Clock
from forebay.model.errors import ConfigError, LeaseLost
from forebay.model.ids import new_id
from forebay.model.message import Message
from forebay.model.outcome import Ack, Settlement
from forebay.testing import wrapping

WRAPPER, OPTION = __name__, "mutation"


def backend(settings: Settings, clock: Clock) -> Backend:
    """The engine under the wrapper, spoiled.

    Raises:
        ConfigError: there is no mutation of that name.
    """
    name = wrapping.option(settings.url, OPTION)
    if name not in MUTATIONS:
        raise ConfigError(f"no mutation {name!r}: there are {', '.join(MUTATIONS)}")
    return wrapping.around(inner_backend(wrapping.peel(settings, OPTION), clock), MUTATIONS[name])


class AckEarly(wrapping.Wrapped):
    """A message is done as soon as it is leased; what its worker says later is believed without a look."""

    def __init__(self, inner: Whole) -> None:
        super().__init__(inner)
        self._early: set[tuple[str, int]] = set()

    async def lease(self, want: Want) -> Leased:
        """Lease, and acknowledge at once."""
        leased = await self._inner.lease(want)
        await self._inner.settle(want.worker, [Settlement(delivery, Ack()) for delivery in leased.deliveries])
        self._early.update((delivery.id, delivery.fence) for delivery in leased.deliveries)
        return leased

    async def settle(self, worker: str, settlements: Sequence[Settlement]) -> list[bool]:
        """Nod."""
        return [(one.delivery.id, one.delivery.fence) in self._early for one in settlements]


class DropTheFence(wrapping.Wrapped):
    """A settlement counts whoever sends it: it is carried out in the name of whoever holds the message now.

    And a lease without a lease of one's own gets nothing, not an error: it would keep the worker from settling at all.
    """

    async def lease(self, want: Want) -> Leased:
        """Lease; for whom has no lease, there is nothing."""
        try:
            return await self._inner.lease(want)
        except LeaseLost:
            return Leased([])

    async def settle(self, worker: str, settlements: Sequence[Settlement]) -> list[bool]:
        """Settle, whatever lease stands behind it."""
        return [await self._settle(worker, settlement) for settlement in settlements]

    async def _settle(self, worker: str, settlement: Settlement) -> bool:
        found = (await self._inner.find([settlement.delivery.id]))[0]
        holder = worker if found is None or found.worker is None else found.worker
        held = {delivery.id: delivery for delivery in await self._inner.held(holder)}
        present = held.get(settlement.delivery.id, settlement.delivery)
        return (await self._inner.settle(holder, [Settlement(present, settlement.outcome)]))[0]


class SkipTheDedupe(wrapping.Wrapped):
    """A message that is known already is accepted once more."""

    async def publish(self, messages: Sequence[Message]) -> list[Receipt]:
        """Publish; a duplicate gets in under another name, as it would where nobody looks at names."""
        receipts = await self._inner.publish(messages)
        twins = [
            msgspec.structs.replace(message, id=new_id(), unique=None)
            for message, receipt in zip(messages, receipts, strict=True)
            if receipt.fate is Fate.DUPLICATE
        ]
        if twins:
            await self._inner.publish(twins)
        return [Receipt(message.id) for message in messages]


MUTATIONS = {"ack-early": AckEarly, "drop-the-fence": DropTheFence, "skip-the-dedupe": SkipTheDedupe}
