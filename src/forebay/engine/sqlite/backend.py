"""The SQLite engine: the contract's verbs over one `Database`; each role of the store is a class in its own file."""

from collections.abc import Awaitable, Sequence

from forebay.config import Settings
from forebay.engine.capabilities import HOUSE
from forebay.engine.contract import Beat, Depth, Fate, Leased, Receipt, Recovered, Want
from forebay.engine.sqlite import limits
from forebay.engine.sqlite.audits import Audits
from forebay.engine.sqlite.database import Database
from forebay.engine.sqlite.deadletters import DeadLetters
from forebay.engine.sqlite.depth import depths
from forebay.engine.sqlite.gates import Gates
from forebay.engine.sqlite.inspecting import Inspecting
from forebay.engine.sqlite.leasing import Leasing, ripen
from forebay.engine.sqlite.meters import MeterRows
from forebay.engine.sqlite.moving import Moving
from forebay.engine.sqlite.publishing import Publishing
from forebay.engine.sqlite.results import Results
from forebay.engine.sqlite.rows import sql
from forebay.engine.sqlite.schedules import Schedules
from forebay.engine.sqlite.settling import Settling
from forebay.engine.sqlite.sharing import Files
from forebay.engine.sqlite.sifting import sifted
from forebay.engine.sqlite.steering import SteeringRows
from forebay.engine.sqlite.topics import CANCEL, QUEUE
from forebay.engine.sqlite.transacting import Transacting
from forebay.engine.sqlite.upcoming import upcoming
from forebay.engine.turns import MESSAGES
from forebay.model.clock import Clock
from forebay.model.errors import EngineError, EngineFull, OutcomeUnknown
from forebay.model.message import Message
from forebay.model.outcome import Settlement
from forebay.model.queue import Declared, QueueSpec


class Verbs:
    """The engine contract."""

    capabilities = HOUSE["sqlite"]

    def __init__(self, database: Database, settling: Settling) -> None:
        self._db = database
        self._settling = settling
        self._publishing = Publishing(database)
        self._leasing = Leasing(database, settling)

    async def open(self) -> None:
        """See `Engine.open`."""
        self._db.open()

    async def close(self) -> None:
        """See `Engine.close`."""
        self._db.close()

    async def declare(self, queues: Sequence[QueueSpec]) -> list[Declared]:
        """See `Engine.declare`."""
        return await self._db.writer.submit(limits.declare, queues)

    async def publish(self, messages: Sequence[Message]) -> list[Receipt]:
        """See `Engine.publish`."""
        if len(messages) <= MESSAGES:
            return await self._publish(messages)
        receipts = await self._publish(messages[:MESSAGES])
        for start in range(MESSAGES, len(messages), MESSAGES):  # others want to write in between
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

    def _publish(self, messages: Sequence[Message]) -> Awaitable[list[Receipt]]:
        return self._db.writer.submit_to_crowd(self._publishing.publish_all, messages)

    async def lease(self, want: Want) -> Leased:
        """See `Engine.lease`."""
        return await sifted(self._db.writer, want, self._leasing.lease, want)

    async def extend(self, beats: Sequence[Beat]) -> list[bool]:
        """See `Engine.extend`."""
        return await self._db.writer.submit_lazily(self._leasing.extend, beats)

    async def settle(self, worker: str, settlements: Sequence[Settlement]) -> list[bool]:
        """See `Engine.settle`."""
        settled = await self._db.writer.submit(self._settling.settle, worker, settlements[:MESSAGES])
        for start in range(MESSAGES, len(settlements), MESSAGES):
            part = settlements[start : start + MESSAGES]
            settled += await self._db.writer.submit(self._settling.settle, worker, part)
        return settled

    async def recover(self, lost: Sequence[str] = ()) -> Recovered:
        """See `Engine.recover`. Asked often, so that a look comes first: usually nobody is gone."""
        gone = lost or self._db.read(sql("gone"), (self._db.clock.monotonic(), self._db.boot))
        if not gone and not self._db.read(sql("strays")):
            return Recovered()
        return await self._db.writer.submit(self._leasing.recover, lost)

    async def wait(self, queues: Sequence[str], timeout: float, since: int) -> None:
        """See `Engine.wait`."""
        if queues:
            now = self._db.clock.now()
            times = [*upcoming(self._db, queues, self._leasing.slack), *self._leasing.later(queues)]
            timeout = min([timeout, *(max(0.0, at - now) for at in times)])
        await self._db.wait(since, timeout, [CANCEL, *(QUEUE + queue for queue in queues)])

    async def depth(self, queues: Sequence[str] | None = None) -> list[Depth]:
        """See `Engine.depth`."""
        await ripen(self._db)
        return depths(self._db, queues)


class Sqlite(Verbs, Results, Inspecting, DeadLetters, Gates, MeterRows, SteeringRows, Schedules, Audits):
    """One object that is engine and store; its parts share the database and know nothing of one another.

    Attributes:
        transacts: publishing and settling in transactions of the caller's own.
        moves: moving to other stores, and from them.

    `vfs`, `boot` and `among` are for tests: see `Database`.
    """

    def __init__(
        self, settings: Settings, clock: Clock, vfs: str = "", boot: str = "", among: Files | None = None
    ) -> None:
        database = Database(settings, clock, vfs, boot, among)
        settling = Settling(database.boot, settings.result_ttl)
        Verbs.__init__(self, database, settling)
        Results.__init__(self, database)
        Inspecting.__init__(self, database, settling)
        DeadLetters.__init__(self, database)
        Gates.__init__(self, database)
        MeterRows.__init__(self, database)
        SteeringRows.__init__(self, database)
        Schedules.__init__(self, database, self._publishing)
        Audits.__init__(self, database)
        self.transacts = Transacting(database, settling)
        self.moves = Moving(database)
