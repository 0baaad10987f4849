"""The PostgreSQL engine: the contract's verbs over one `Database`; each role of the store has a file of its own."""

import time
from collections.abc import Sequence

from msgspec.structs import replace

from forebay.config import Settings
from forebay.engine.capabilities import HOUSE
from forebay.engine.contract import Beat, Depth, Fate, Leased, Receipt, Recovered, Want
from forebay.engine.doubts import Doubts
from forebay.engine.patience import DEADLINE
from forebay.engine.postgres import errors, publishing
from forebay.engine.postgres.audits import Audits
from forebay.engine.postgres.database import Database
from forebay.engine.postgres.deadletters import DeadLetters
from forebay.engine.postgres.depth import depths
from forebay.engine.postgres.errors import held
from forebay.engine.postgres.gates import Gates
from forebay.engine.postgres.inspecting import Inspecting, fold, ripen
from forebay.engine.postgres.leasing import Call, Leasing
from forebay.engine.postgres.metering import Metering
from forebay.engine.postgres.moving import Moving
from forebay.engine.postgres.publishing import Publishing, listed
from forebay.engine.postgres.results import Results
from forebay.engine.postgres.schedules import Schedules
from forebay.engine.postgres.settling import Settling
from forebay.engine.postgres.sifting import sifted
from forebay.engine.postgres.steering import SteeringRows
from forebay.engine.postgres.topics import CANCEL, METER, QUEUE
from forebay.engine.postgres.transacting import Transacting
from forebay.engine.turns import MESSAGES
from forebay.model.clock import Clock
from forebay.model.errors import EngineError, EngineFull, OutcomeUnknown
from forebay.model.message import Message
from forebay.model.outcome import Settlement
from forebay.model.queue import Declared, QueueSpec

#: Seconds that a look for strays may take, and how much longer than it took beyond that the next one waits.
QUICK, RARE = 0.05, 50.0
#: Messages after which their producer has what has moved added up: in a queue with a limit each adds up the rest, and
#: each of a batch may be of another key, and a row of its own.
FOLD = 1_000


class Verbs:
    """The engine contract."""

    capabilities = HOUSE["postgresql"]

    def __init__(self, database: Database, settling: Settling) -> None:
        self._db, self._settling = database, settling
        self._publishing = Publishing(database.settings.max_size)
        self._leasing = Leasing(database, settling)
        self._look_again, self._published = 0.0, 0
        self._doubts = Doubts()

    async def open(self) -> None:
        """See `Engine.open`."""
        self._db.open()

    async def close(self) -> None:
        """See `Engine.close`."""
        self._db.close()

    async def declare(self, queues: Sequence[QueueSpec]) -> list[Declared]:
        """See `Engine.declare`."""
        if not queues:
            return []
        what = f"one of the queues {listed([spec.name for spec in queues])}"
        told = await self._db.patiently(
            what, lambda writer: writer.submit(publishing.declare, list(queues), self._db.settings.result_ttl)
        )
        mild = {spec.name: spec.mild for spec in queues if not spec.assumed}
        changed = {one.now.name: one.now for one in told if publishing.bounds(one.now) != publishing.bounds(one.before)}
        before = {name: await self._bind(now, mild=mild[name]) for name, now in changed.items()}
        return [publishing.bounded_before(one, before.get(one.now.name, one.before)) for one in told]

    async def _bind(self, spec: QueueSpec, *, mild: bool) -> QueueSpec:
        what = f"the queue {spec.name!r}"
        return await self._db.patiently(what, lambda writer: writer.submit_alone(publishing.bind, spec, mild))

    async def publish(self, messages: Sequence[Message]) -> list[Receipt]:
        """See `Engine.publish`."""
        receipts: list[Receipt] = []
        most = publishing.KEYS if any(one.unique is not None for one in messages) else MESSAGES
        for start in range(0, len(messages), most):  # others want to write in between
            try:
                receipts += await self._publish(list(messages[start : start + most]))
            except EngineFull:
                if not start:
                    raise
                return receipts + [Receipt(message.id, Fate.FULL) for message in messages[start:]]
            except EngineError as error:
                if not start:
                    raise
                raise OutcomeUnknown(
                    f"the first {start:,} of {len(messages):,} messages are accepted, then: {error}: publish all of "
                    "them again with the same ids, each is taken once"
                ) from error
        return receipts

    async def _publish(self, messages: list[Message]) -> list[Receipt]:
        held = publishing.held(messages)
        try:
            receipts = await self._db.patiently(
                held, lambda writer: writer.submit_to_crowd(self._publishing.publish_all, messages)
            )
        except OutcomeUnknown as error:
            raise errors.unknown_publish(error) from error.__cause__
        self._published += len(messages)
        if self._published >= FOLD:  # be it that no worker tidies; nobody waits for it
            self._published = 0
            self._db.worker.submit(fold)
        return receipts

    async def lease(self, want: Want) -> Leased:
        """See `Engine.lease`."""
        call = Call()
        if self._leasing.waits_alone(want):
            return await self._lease_alone(want, call)
        try:
            leased = await sifted(self._db.worker, lambda writer: writer.submit(self._leasing.lease, want, call))
            if not call.left_out or len(leased.deliveries) >= want.limit:
                return leased
            rest = replace(want, limit=want.limit - len(leased.deliveries))
            more = await self._lease_alone(rest, Call())
        except EngineError:
            self._leasing.unheard(want, call)
            raise
        return replace(leased, deliveries=[*leased.deliveries, *more.deliveries])

    async def _lease_alone(self, want: Want, call: Call) -> Leased:
        """By itself; who leases from the same queues is waited for, one after another."""
        until = time.monotonic() + DEADLINE
        while True:
            try:
                return await sifted(
                    self._db.worker, lambda writer: writer.submit_alone(self._leasing.lease, want, call)
                )
            except EngineError as error:
                if not held(error) or time.monotonic() > until:
                    self._leasing.unheard(want, call)
                    raise

    async def extend(self, beats: Sequence[Beat]) -> list[bool]:
        """See `Engine.extend`."""
        return await self._db.worker.submit(self._leasing.extend, list(beats))

    async def settle(self, worker: str, settlements: Sequence[Settlement]) -> list[bool]:
        """See `Engine.settle`."""
        settled: list[bool] = []
        for start in range(0, max(1, len(settlements)), MESSAGES):
            part = list(settlements[start : start + MESSAGES])
            settled += await self._settle(worker, part)
        return settled

    async def _settle(self, worker: str, part: list[Settlement]) -> list[bool]:
        with self._doubts.about(part, OutcomeUnknown) as doubted:
            return await sifted(
                self._db.worker, lambda writer: writer.submit(self._settling.settle, worker, part, doubted)
            )

    async def recover(self, lost: Sequence[str] = ()) -> Recovered:
        """See `Engine.recover`. Asked often, so that a look comes first: usually nobody is gone."""
        if not lost and not (await self._db.read("missing", self._db.now()))[0][0] and not await self._strays():
            return Recovered()
        return await sifted(self._db.worker, lambda writer: writer.submit(self._leasing.recover, list(lost)))

    async def _strays(self) -> bool:
        """Whether something runs under nobody; asked more rarely while that takes long, for an old snapshot's sake."""
        started = time.monotonic()
        if started < self._look_again:
            return False
        found = await self._db.read("strays")
        self._look_again = time.monotonic() + RARE * max(0.0, time.monotonic() - started - QUICK)
        return bool(found)

    async def wait(self, queues: Sequence[str], timeout: float, since: int) -> None:
        """See `Engine.wait`."""
        topics = [*(QUEUE + queue for queue in queues), *(METER + name for name in self._leasing.awaited(queues))]
        await self._db.wait(since, timeout, [CANCEL, *topics], due=bool(queues))

    async def depth(self, queues: Sequence[str] | None = None) -> list[Depth]:
        """See `Engine.depth`."""
        await ripen(self._db, self._settling)
        return await depths(self._db, queues)


class Postgres(Verbs, Results, Inspecting, DeadLetters, Gates, Schedules, Audits, Metering, SteeringRows):
    """One object that is engine and store; its parts share the database and know nothing of one another.

    Attributes:
        transacts: publishing and settling in transactions of the caller's own.
        moves: moving to other stores, and from them.
    """

    def __init__(self, settings: Settings, clock: Clock) -> None:
        database = Database(settings, clock)
        settling = Settling(settings.result_ttl)
        Verbs.__init__(self, database, settling)
        Results.__init__(self, database)
        Inspecting.__init__(self, database, settling)
        DeadLetters.__init__(self, database)
        Gates.__init__(self, database)
        Schedules.__init__(self, database, self._publishing)
        Audits.__init__(self, database)
        Metering.__init__(self, database)
        SteeringRows.__init__(self, database)
        self.transacts = Transacting(database, self._publishing, settling)
        self.moves = Moving(database)
