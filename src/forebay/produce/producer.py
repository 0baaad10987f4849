"""Publishing: builds messages, checks their size, and hands them to the engine. Opens the engine on first use."""

import logging
import os
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, Protocol

from msgspec.structs import replace

from forebay.config import Settings
from forebay.engine.backend import Completed
from forebay.engine.capabilities import Need, require
from forebay.engine.contract import Engine, Receipt
from forebay.engine.registry import scheme_of
from forebay.model.clock import Clock, SystemClock
from forebay.model.delivery import Delivery
from forebay.model.duration import span
from forebay.model.errors import ConfigError, ForebayError, OutcomeUnknown, PayloadTooLarge, TooLate
from forebay.model.ids import new_id
from forebay.model.lifecycle import State
from forebay.model.message import Message
from forebay.model.outcome import Settlement
from forebay.model.queue import QueueSpec
from forebay.model.sealed import DEBOUNCED, Part
from forebay.observe.ticket import Recent, Stand
from forebay.produce.admission import Admission
from forebay.produce.context import feeds, lineage, running
from forebay.produce.needs import needs_of_waiting
from forebay.produce.outbox import Outbox, is_there
from forebay.produce.seal import Seal
from forebay.produce.ways import AS_PARENT, Options, check_time
from forebay.store.contract import Store
from forebay.store.records import Found

_logger = logging.getLogger("forebay.outbox")

#: A lane, and the names of meters beside those that its queue has.
Way = tuple[str, tuple[str, ...]]
MAIN: Way = ("", ())


def _left(expires: float | None) -> float | None:
    """Seconds until a message expires; of one that ends with its parent, as many as that one has."""
    if expires != AS_PARENT:
        return expires
    context = running()
    left = None if context is None else context.expires_in
    return None if left is None else max(0.0, left)


def _made(task: str, chosen: Options, way: Way, id_: str, body: bytes) -> Message:
    """A message; others that are made together with it have all but id and body in common with it."""
    headers = lineage()
    if chosen.headers:
        headers = {**(headers or {}), **chosen.headers}
    if chosen.debounce:
        headers = {**(headers or {}), DEBOUNCED: str(chosen.unique)}
    return Message(
        id=id_,
        queue=chosen.queue,
        body=body,
        lane=way[0],
        meters=way[1],
        task=task,
        headers=headers,
        key=chosen.key,
        priority=chosen.priority,
        delay=chosen.delay,
        due=chosen.due,
        ttl=_left(chosen.expires),
        unique=chosen.unique,
        debounce=chosen.debounce,
        max_wait=chosen.max_wait,
    )


class Within(Protocol):
    """What is done in transactions of the caller's own; see `engine.backend.Transacts`."""

    async def publish_in(self, connection: Any, messages: Sequence[Message]) -> list[Receipt]: ...
    async def complete_in(self, connection: Any, worker: str, settlement: Settlement) -> bool: ...
    async def completed(self, worker: str, deliveries: Sequence[Delivery]) -> list[Completed]: ...
    async def undo(self, delivery: Delivery) -> bool: ...


def _ids(chosen: Options, count: int) -> list[str]:
    if chosen.debounce and count > 1:
        raise ConfigError(f"debounce= is for one message, and {count} were given: which of them is to win?")
    if chosen.id is None:
        return [new_id()] if count == 1 else new_id.many(count)
    if count > 1:
        raise ConfigError(f"id {chosen.id!r} is for one message, and {count} were given: publish them one by one")
    return [chosen.id] * count


class Producer:
    """Publishes through one engine.

    Args:
        seal: what closes and opens payloads; None if they travel as they are.
        within: what publishes and settles in transactions of the caller's own.
        clock: the app's.

    Attributes:
        queues: those that the app has declared, by name.
    """

    queues: Mapping[str, QueueSpec] = MappingProxyType({})

    def __init__(
        self,
        engine: Engine,
        store: Store,
        settings: Settings,
        seal: Seal | None = None,
        within: Within | None = None,
        *,
        clock: Clock | None = None,
    ) -> None:
        self.engine, self.store, self.settings, self.seal = engine, store, settings, seal
        self._within = within
        self._clock = clock or SystemClock()
        self._admission = Admission(self._clock)
        self._recent = Recent()

    def messages(self, task: str, bodies: Sequence[bytes], chosen: Options, way: Way = MAIN) -> list[Message]:
        """Messages, not yet published, for a lane of their queue, with the meters that they have to pass.

        Raises:
            PayloadTooLarge: a body is over the limit.
            ConfigError: one id was chosen for more than one message, or the engine has not what was chosen, or it would
                have expired when it is due.
        """
        if not bodies:
            return []
        if chosen.priority or chosen.delay or chosen.due is not None or chosen.unique is not None:
            self.require(*needs_of_waiting(task or chosen.queue, chosen))
            self._check_due(task or chosen.queue, chosen)
        limit = self.settings.payload_limit
        if (longest := max(map(len, bodies))) > limit:
            raise PayloadTooLarge(
                f"{task or chosen.queue}: {longest:,} bytes is over the limit of {limit:,}: "
                "store the data elsewhere and send its address, or raise payload_limit"
            )
        ids = _ids(chosen, len(bodies))
        first = _made(task, chosen, way, ids[0], bodies[0])
        made = [first, *[replace(first, id=id_, body=body) for id_, body in zip(ids[1:], bodies[1:], strict=True)]]
        if self.seal is None:
            return made
        return [replace(one, body=self.seal.close(Part.BODY, one, one.body)) for one in made]

    def _check_due(self, by: str, chosen: Options) -> None:
        """Refuse what will have expired when it is due: at a date of its own, or by the `ttl` of its queue."""
        wait = chosen.debounce or chosen.delay if chosen.due is None else chosen.due - self._clock.now()
        spec = self.queues.get(chosen.queue)
        if wait <= 0 or chosen.expires == AS_PARENT:
            return
        if chosen.expires is not None:
            check_time(by, wait, chosen.expires, f"expires={chosen.expires:g}")
        elif spec is not None and spec.ttl is not None:
            check_time(by, wait, spec.ttl, f"ttl={spec.ttl:g} of queue {spec.name}")

    def require(self, *needs: Need) -> None:
        """Raises ConfigError if the engine has not what is needed."""
        require(scheme_of(self.settings), self.engine.capabilities, needs)

    @property
    def browses(self) -> bool:
        """Whether a message can be found before it has ended."""
        return self.engine.capabilities.browse

    async def publish(self, messages: Sequence[Message], within: Any = None) -> list[Receipt]:
        """Publish; durable when this returns, or at the commit of `within`, a connection with an open transaction.

        Raises:
            ConfigError: `within` is no such connection.
            EngineFull: the engine has no room for some of them; `QueueFull`: a queue has none.
            OutcomeUnknown: it was not confirmed; which messages it may have accepted is in it.
        """
        feeds(self, messages)
        if within is not None:
            return await self._publish_in(within, messages)
        await self.engine.open()
        try:
            if self._admission.looked is not self.settings:
                await self._look_into_outbox()
            return await self._admission.publish(self, messages) if messages else []
        except OutcomeUnknown as error:
            error.ids = error.ids or tuple(message.id for message in messages)
            raise

    async def begin(self) -> None:
        """With the engine open: see to what an earlier process has left in the outbox, before anything is published."""
        try:
            if self._admission.looked is not self.settings:
                await self._look_into_outbox()
        except ForebayError as error:  # whoever publishes meets it again; others have nothing to do with it
            _logger.warning("what is left in the outbox cannot be brought to its queues: %s", error)

    @property
    def spills(self) -> bool:
        """Whether something may be in the outbox, which no handle finds there."""
        return self._admission.outbox is not None

    async def outbox(self) -> Outbox:
        """What takes messages for which queues have no room, where these say so."""
        made: Outbox | None = self._admission.made
        if made is None or made.pid != os.getpid() or made.settings is not self.settings:  # forked, or bound anew
            made = self._admission.made = Outbox(self.settings, self)
        return made

    async def _look_into_outbox(self) -> None:
        """Have what an earlier process has left there brought where it belongs."""
        found: Outbox | None = None
        if is_there(self.settings):
            found = await self.outbox()
            await found.begin()
        self._admission.looked, self._admission.outbox = self.settings, found

    async def _publish_in(self, connection: Any, messages: Sequence[Message]) -> list[Receipt]:
        if not messages:
            return []
        return await self.within(messages[0].task or messages[0].queue, "in_transaction=").publish_in(
            connection, messages
        )

    def within(self, by: str, how: str) -> Within:
        """What works in transactions of the caller's own, for `by`, which asks for it by `how`.

        Raises:
            ConfigError: this engine has nothing of the kind.
        """
        self.require(Need("transacts", by, how))
        assert self._within is not None
        return self._within

    async def in_time(self, task: str, chosen: Options, way: Way = MAIN, count: int = 1) -> None:
        """Whether the last of `count` messages that are published now may start before they expire.

        Raises:
            TooLate: as far as can be told, it does not.
        """
        expires = _left(chosen.expires)
        if expires is None:
            return
        self.require(Need("browse", task or chosen.queue, "in_time="))
        await self.engine.open()
        like = Found(
            id="", queue=chosen.queue, task=task, state=State.READY, priority=chosen.priority, lane=way[0],
            key=chosen.key,
        )  # fmt: skip
        spec = self.queues.get(chosen.queue)
        newest = spec is not None and spec.lifo
        now, eta = await self.stand().of_new(like, chosen.due, chosen.delay, count, newest=newest)
        if eta is None or eta <= now + expires:
            return
        error = TooLate(
            f"{task or chosen.queue}: expected to start in {span(eta - now)}, and expires in {span(expires)}: "
            "it is not enqueued; try again later, or raise expires="
        )
        error.eta, error.wait = eta, eta - now
        raise error

    def stand(self) -> Stand:
        """Where messages stand; the engine has to be open."""
        return Stand(self.engine, self.store, self._recent, self.settings.lease)

    async def find(self, id_: str) -> Found | None:
        """What is known of a message."""
        await self.engine.open()
        return (await self.store.find([id_]))[0]

    def revealed(self, found: Found) -> Found:
        """A message to look at: with its payloads opened, as far as the keys of this app open them."""
        if self.seal is None:
            return found
        parts = {Part.BODY: found.body, Part.RESULT: found.result, Part.PROGRESS: found.progress}
        opened = {part.value: self.seal.glimpse(part, found, blob) for part, blob in parts.items() if blob}
        return replace(found, **opened)

    async def watch(self, id_: str, timeout: float, since: int | None) -> int:
        """Until a message may have ended or progressed; see `Results.watch`."""
        return await self.store.watch([id_], timeout, since)

    async def cancel(self, id_: str) -> State | None:
        """Cancel a message; its state after that, None if it is not known."""
        self.require(Need("cancel", f"message {id_}", "cancel()"))
        await self.engine.open()
        return (await self.store.cancel([id_]))[0]
