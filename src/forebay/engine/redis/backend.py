"""The Redis engine: the contract's verbs over the connections to one server; the roles of the store are in `roles`.

What happens on the server stands in `lua/`, one file for each operation; here is who asks for it, and over which
connection: one that changes things, in order, and one that only looks.
"""

from collections.abc import Sequence

from forebay.config import Settings
from forebay.engine.capabilities import HOUSE
from forebay.engine.contract import Beat, Depth, Fate, Leased, Receipt, Recovered, Want
from forebay.engine.doubts import Doubts
from forebay.engine.redis.bells import CANCEL
from forebay.engine.redis.connections import Connections, declare
from forebay.engine.redis.depth import depths
from forebay.engine.redis.leasing import Leasing
from forebay.engine.redis.meters import Metering
from forebay.engine.redis.moving import Moving
from forebay.engine.redis.publishing import Publishing
from forebay.engine.redis.roles import Keeping, Seeing
from forebay.engine.redis.room import Room
from forebay.engine.redis.settling import Settling
from forebay.engine.redis.steering import SteeringRows
from forebay.engine.redis.talk import Batch, Reading
from forebay.engine.turns import MESSAGES
from forebay.model.clock import Clock
from forebay.model.errors import EngineClosed, EngineError, EngineFull, EngineUnreachable, LeaseLost, OutcomeUnknown
from forebay.model.message import Message
from forebay.model.outcome import Settlement
from forebay.model.queue import Declared, QueueSpec

#: A wait ends after so many `poll`s, though nothing was heard: the safety net under listening.
POLLS = 5.0


class Verbs:
    """The engine contract."""

    capabilities = HOUSE["redis"]

    def __init__(self, connections: Connections, settling: Settling) -> None:
        settings = connections.settings
        self._server, self._settling = connections, settling
        self._doubts = Doubts()
        self._room = Room(settings.max_size, connections.used)
        self._publishing = Publishing(connections.mark, self._room)
        self._leasing = Leasing(connections.mark, connections.times, settling, settings.result_ttl)

    async def open(self) -> None:
        """See `Engine.open`."""
        self._server.open()

    async def close(self) -> None:
        """See `Engine.close`."""
        self._server.close()

    async def declare(self, queues: Sequence[QueueSpec]) -> list[Declared]:
        """See `Engine.declare`."""
        self._server.remember(queues)
        return await self._server.talk.carry(declare, queues, self._server.settings.result_ttl) if queues else []

    async def publish(self, messages: Sequence[Message]) -> list[Receipt]:
        """See `Engine.publish`."""
        receipts = await self._publish(messages[:MESSAGES]) if messages else []
        for start in range(MESSAGES, len(messages), MESSAGES):  # others want to publish in between
            try:
                receipts += await self._publish(messages[start : start + MESSAGES])
            except EngineFull:
                return receipts + [Receipt(message.id, Fate.FULL) for message in messages[start:]]
            except EngineError as error:
                raise OutcomeUnknown(
                    f"the first {start:,} of {len(messages):,} messages are accepted, then: {error}: publish all of "
                    "them again with the same ids, each is taken once"
                ) from error
        return receipts

    async def _publish(self, messages: Sequence[Message]) -> list[Receipt]:
        return await self._server.talk.carry_crowd(self._publishing.publish_all, messages)

    async def lease(self, want: Want) -> Leased:
        """See `Engine.lease`."""
        try:
            return await self._server.talk.carry(self._leasing.lease, want)
        except LeaseLost:
            await self._server.look_for_loss()
            raise

    async def extend(self, beats: Sequence[Beat]) -> list[bool]:
        """See `Engine.extend`."""
        return await self._server.talk.carry(self._leasing.extend, beats) if beats else []

    async def settle(self, worker: str, settlements: Sequence[Settlement]) -> list[bool]:
        """See `Engine.settle`."""
        settled: list[bool] = []
        for start in range(0, len(settlements), MESSAGES):
            part = settlements[start : start + MESSAGES]
            with self._doubts.about(part, EngineUnreachable) as doubted:
                settled += await self._settling.settle(self._server.talk, worker, part, again=bool(doubted))
        return settled

    async def recover(self, lost: Sequence[str] = ()) -> Recovered:
        """See `Engine.recover`."""
        return await self._leasing.recover(self._server.talk, lost)

    async def wait(self, queues: Sequence[str], timeout: float, since: int) -> None:
        """See `Engine.wait`. The first one who waits begins to listen, and looks again: who knows what came before."""
        bells = self._server.bells
        if not bells.started and await self._server.aside.ask(bells.start):
            return
        topics = [CANCEL, *queues]
        if bells.work.version > since and await bells.work.wait(since, 0.0, topics):
            return
        poll = self._server.settings.poll
        timeout = min(timeout, POLLS * poll if bells.listens else poll)
        if queues:
            timeout = min(timeout, await self._upcoming(queues))
        await bells.work.wait(since, timeout, topics)

    async def _upcoming(self, queues: Sequence[str]) -> float:
        """Seconds until time alone changes something."""
        try:
            return await self._server.looker.carry(_upcoming, queues, self._leasing.looked.get(tuple(queues)))
        except EngineClosed:
            raise
        except EngineError:
            return self._server.settings.poll

    async def depth(self, queues: Sequence[str] | None = None) -> list[Depth]:
        """See `Engine.depth`."""
        return await self._server.looker.carry(depths, queues)


def _upcoming(batch: Batch, queues: Sequence[str], looked: float | None) -> Reading[float]:
    call = batch.call("upcoming", "" if looked is None else looked, *queues)
    return lambda: max(0.0, float(call.answer)) if call.answer else float("inf")


class Redis(Verbs, Seeing, Keeping, Metering, SteeringRows):
    """One object that is engine and store; its parts share the connections and know nothing of one another.

    Attributes:
        moves: moving to other stores, and from them.
    """

    def __init__(self, settings: Settings, clock: Clock) -> None:
        connections = Connections(settings, clock)
        settling = Settling(settings.result_ttl, connections.times.now)
        Verbs.__init__(self, connections, settling)
        Seeing.__init__(self, connections)
        Keeping.__init__(self, connections)
        Metering.__init__(self, connections)
        SteeringRows.__init__(self, connections)
        self.moves = Moving(connections, self._room)
