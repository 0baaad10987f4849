"""The governor of a worker: carries what calls have come to into the store, and brings back how providers stand.

Every worker has one, none leads: each reads, decides by the pure functions of `flow`, and writes by compare-and-set.
An app without providers has nothing to do here. Does not judge calls: that is done where they end (`work.providers`).
"""

import asyncio
import logging
import random
import time
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, Protocol

from msgspec.structs import replace

from forebay.engine.contract import Depth
from forebay.flow import spent
from forebay.flow.breaker import advance, away, next_look, overdue, probe_of, spending
from forebay.flow.budget import KNOWN, used_up
from forebay.flow.capacity import usual
from forebay.model.budget import payer, window_of
from forebay.model.lifecycle import State
from forebay.model.meter import Meter
from forebay.model.provider import Call, Place, Provider, Stand, Terms, each, key_in, meter_of, unkeyed
from forebay.produce.task import Task
from forebay.provider.steer import Seen, Used, beside, change, look
from forebay.store.contract import Store
from forebay.store.records import Query
from forebay.work.orphans import Orphans
from forebay.work.providers import Providers
from forebay.work.rounds import Rounds

_logger = logging.getLogger("forebay.provider")
#: Seconds between two looks while a provider is not asked as usual; while it is; and at the least, whatever happens.
TICK, QUIET, SOONEST = 0.2, 0.5, 0.05
_AGAIN = 1.0
#: Seconds between two looks at gates without a reason.
ANEW = 5.0
#: Seconds between two looks for what waits too long, at the most.
BURY = 10.0


class Governs(Protocol):
    """Sees how things stand in the store, and does what follows from that."""

    async def declare(self) -> None:
        """Keep in the store what the app says of it."""
        ...

    async def run(self) -> None:
        """Govern until cancelled."""
        ...


class Looks(Protocol):
    """What waits where, in numbers."""

    async def depth(self, queues: Sequence[str] | None = None) -> Sequence[Depth]: ...


class Governor:
    """One per worker.

    Args:
        queues: those that the worker serves.
        mild: it takes the place of another: what was said of a provider stands, a newer version may have said it.
    """

    def __init__(
        self, engine: Looks, store: Store, providers: Providers, tasks: Mapping[str, Task[..., Any, Any]],
        queues: Sequence[str], *, mild: bool = False,
    ) -> None:  # fmt: skip
        self._engine, self._store, self._providers, self._tasks, self._queues = engine, store, providers, tasks, queues
        self._mild = mild
        self._keys: dict[str, list[str]] = {}  # those for which something waited, when that was last looked at
        self._seen = -KNOWN
        self._rounds = Rounds(_logger, "the look at the providers", soonest=SOONEST, again=_AGAIN)
        providers.urgent, self._anew = self._rounds.wake.set, 0.0
        self._buried: dict[str, float] = {}

    async def declare(self) -> None:
        """Make the app's providers known, with what is said of them here; how they stand stays as it is."""
        for name, spec in self._providers.specs.items():
            terms = partial(_declared, name, spec.terms, self._places(name), self._mild)
            seen = (await look(self._store, [name], self._beside(name)))[name]
            one = await change(self._store, name, terms, seen)
            if one is not None:
                self._providers.view[name] = one

        if self._providers.specs and not self._mild:
            await self._forget_beside()

    async def _forget_beside(self) -> None:
        """Those that the app does not know any more."""
        names = {meter_of(name): name for name in self._providers.specs}
        there = [meter.name for meter in await self._store.meters()]
        mine = [(one, names[unkeyed(payer(one))]) for one in there if unkeyed(payer(one)) in names]
        gone = [one for one, name in mine if _is_beside(one, name) and one not in self._known(name)]
        if gone:
            await self._store.drop_meters(gone)

    def _known(self, name: str) -> list[str]:
        """All meters that may stand beside its own."""
        return [*self._beside(name), *self._lifted(name), probe_of(name).name]

    def _beside(self, name: str) -> list[str]:
        """The meters of its budgets, and what is said of each of its keys."""
        return [meter.name for meter in beside(name, self._providers.specs[name].terms)]

    def _lifted(self, name: str) -> list[str]:
        """The meters of the budgets of keys that are, or may be, used up for long."""
        one, terms = self._providers.view.get(name), self._providers.specs[name].terms
        known = [] if one is None else [entry.key for entry in one.keys]
        return spent.meters(name, terms.key_budgets, sorted({*known, *self._keys.get(name, ())}))

    async def _see_keys(self) -> None:
        """For which keys something waits that could go elsewhere; asked now and then."""
        mine = [name for name, spec in self._providers.specs.items() if spec.fallback and spec.terms.key_budgets]
        now = time.monotonic()
        if not mine or now - self._seen < KNOWN:
            return
        self._seen = now
        queues = sorted({place.queue for name in mine for place in self._places(name)})
        lanes = [lane.lane for depth in await self._engine.depth(queues) for lane in depth.lanes]
        self._keys = {name: spent.waiting(name, lanes) for name in mine}

    def _places(self, name: str) -> tuple[Place, ...]:
        tasks = [task for task in self._tasks.values() if task.running.provider == name]
        served = [queue for queue in self._queues if queue not in {task.waiting.queue for task in tasks}]
        lanes = {task.way[0] for task in tasks}
        homes = {Place(task.waiting.queue, task.way[0]) for task in tasks}
        return tuple(sorted(homes | {Place(queue, lane) for queue in served for lane in lanes} if tasks else homes))

    async def run(self) -> None:
        """Govern until cancelled."""
        if not self._providers.specs:
            await asyncio.Event().wait()
        await self._rounds.go(self._look)

    async def _look(self) -> float:
        """Bring what has happened here, and see how all stand; seconds until the next look."""
        await self._charge()
        calls, pauses = self._providers.take(), [QUIET]
        waiters, self._providers.waiters = self._providers.waiters, []
        await self._see_keys()
        budgets = [one for name in self._providers.specs for one in (*self._beside(name), *self._lifted(name))]
        for name, seen in (await look(self._store, [*self._providers.specs], budgets)).items():
            try:
                pauses.append(await self._advance(name, seen, calls.get(name, [])))
            except BaseException:
                self._providers.calls.setdefault(name, [])[:0] = calls.get(name, [])
                raise
        for word in waiters:
            word.set()
        return min(pauses)

    async def _advance(self, name: str, seen: Seen, calls: list[Call]) -> float:
        spec = self._providers.specs[name]
        may = await self._buries(name, seen.provider), await self._diverts(name)
        decide = partial(_advanced, calls, random.random(), may, seen.budgets)
        if seen.provider is None:  # removed, or written by somebody else
            seen = Seen(
                Provider(name=name, terms=spec.terms, places=self._places(name)),
                seen.generation,
                seen.meter,
                seen.probe,
                seen.budgets,
            )
        one = await change(self._store, name, decide, seen, anew=self._due())
        if one is None:
            return QUIET
        self._tell(self._providers.view.get(name), one)
        self._providers.view[name] = one
        left = next_look(one, now := await self._store.now())
        tick = QUIET if one.stand is Stand.CLOSED else TICK  # a call that fails wakes it before that
        return tick if left is None else min(tick, max(SOONEST, left - now))

    async def _charge(self) -> None:
        """What calls have cost beyond what their meters were charged."""
        for meter, (cost, calls) in self._providers.charges().items():
            await self._store.charge_meter(meter, cost, calls)

    async def _diverts(self, name: str) -> bool:
        """Whether its fallback could run what waits for it."""
        if self._providers.specs[name].fallback is None:
            return False
        could = self._providers.fallbacks.could(name, self._tasks, await self._store.now())
        (self._providers.falls.add if could else self._providers.falls.discard)(name)
        return could

    async def _buries(self, name: str, one: Provider | None) -> bool:
        """Whether something waits for it longer than is allowed; asked now and then."""
        if one is None or one.terms.max_outage is None or one.down is None or one.stand is not Stand.OPEN:
            return False
        now = time.monotonic()
        if not one.burying and now < self._buried.get(name, 0.0):
            return False
        self._buried[name] = now + max(TICK, min(BURY, one.terms.max_outage / 10))
        return overdue(one, await self._oldest(name), await self._store.now())

    async def _oldest(self, name: str) -> float:
        """When the oldest message was accepted that waits for a provider; infinite if none does."""
        created = float("inf")
        for task in [task for task in self._tasks.values() if task.running.provider == name]:
            for state in (State.PARKED, State.READY):
                query = Query(queue=task.waiting.queue, task=task.name, state=state, limit=1)
                created = min([created, *(found.created or created for found in await self._store.messages(query))])
        return created

    def _due(self) -> bool:
        """Whether it is time to look for what somebody has begun, and not carried out."""
        now = time.monotonic()
        if now < self._anew:
            return False
        self._anew = now + ANEW
        return True

    @staticmethod
    def _tell(before: Provider | None, after: Provider) -> None:
        if before is not None:
            _tell_of_capacity(before, after)
        if before is None or before.stand is after.stand:
            return
        level = logging.WARNING if after.stand is Stand.OPEN else logging.INFO
        why = "" if after.stand is Stand.RAMP else after.reason  # why it was down says nothing of its coming back
        _logger.log(level, "provider %s: %s%s", after.name, after.stand, why and f": {why}")


def governors(
    engine: Looks, store: Store, providers: Providers, tasks: Mapping[str, Task[..., Any, Any]],
    queues: Sequence[str], *, mild: bool = False,
) -> tuple[Governs, ...]:  # fmt: skip
    """Those of a worker: for the providers of its app, and for those that it finds without anybody."""
    return (
        Governor(engine, store, providers, tasks, queues, mild=mild),
        Orphans(store, providers.specs, tasks, queues),
    )


def _is_beside(meter: str, provider: str) -> bool:
    """Whether a meter is one of its budgets, or says what each of its keys may."""
    return window_of(meter) is not None or meter == each(provider)


def _tell_of_capacity(before: Provider, after: Provider) -> None:
    """When it begins to take less than was declared, and when it takes all again; what lies between is its sawtooth."""
    was, now = usual(before), usual(after)
    most = after.terms.concurrency
    if was == now or most is None or now is None or most not in (was, now):
        return
    why = f": {after.capacity.reason}" if now < most and after.capacity is not None else ""
    _logger.info("provider %s: takes %d of %d at a time%s", after.name, now, most, why)


def _declared(  # noqa: PLR0917
    name: str, terms: Terms, places: tuple[Place, ...], mild: bool, one: Provider | None, now: float, _: Used
) -> Provider:
    if one is None:
        return Provider(name=name, terms=terms, places=places, since=now)
    return replace(one, terms=one.terms if mild else terms, places=tuple(sorted({*one.places, *places})))


def _advanced(  # noqa: PLR0917
    calls: list[Call], draw: float, may: tuple[bool, bool], budgets: Mapping[str, Meter],
    one: Provider | None, now: float, used: Used,
) -> Provider | None:  # fmt: skip
    if one is None:
        return None
    after, (buries, diverts) = advance(one, calls, now, draw, used.running, sent=used.sent), may
    after = spending(after, used_up(meter_of(one.name), one.terms.budgets, budgets, now), now)
    after = replace(after, burying=buries and after.stand is Stand.OPEN, diverted=diverts and away(after, now))
    keys = {key for name in budgets if (key := key_in(payer(name)))}
    return spent.spent(after, keys, budgets, spent.asked(calls), now, diverts=diverts)
