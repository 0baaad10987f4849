"""What the roles of the engine share: the address, the clock, two writers, a reader, and the news."""

import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeVar

from forebay.config import Settings
from forebay.engine.aside import Aside
from forebay.engine.outage import Outage
from forebay.engine.patience import DEADLINE
from forebay.engine.postgres import errors, schema
from forebay.engine.postgres.address import address
from forebay.engine.postgres.bells import Bells
from forebay.engine.postgres.link import Link
from forebay.engine.postgres.statements import Statements
from forebay.engine.postgres.topics import HEARS, NOTHING
from forebay.engine.postgres.wire import Row, Wire
from forebay.engine.postgres.writer import Writer
from forebay.engine.waiting import Signal
from forebay.model.clock import Clock, SystemClock
from forebay.model.errors import EngineClosed, EngineError

T = TypeVar("T")
#: Seconds that the reading thread stays when nobody asks for anything.
LINGER = 2.0
#: Seconds that opening tries; a server that is just starting gets the time for it.
OPENING = 5.0
#: What somebody's open transaction holds is waited for aside, up to the deadline, looking again so often.
LOOK_AGAIN, HELD = 0.1, DEADLINE
#: Seconds that the first wait gives the ear to open.
START = 0.5


class Database:
    """One schema on one server, for one engine.

    Attributes:
        publisher: writes what is published, and waits for nobody's transaction, see `patiently`.
        worker: writes all else.
        signal: what happened, here or elsewhere, by topic.
    """

    def __init__(self, settings: Settings, clock: Clock) -> None:
        self.settings = settings
        self.address = address(settings)
        self.sql = Statements(self.address)
        self._clock = None if isinstance(clock, SystemClock) else clock
        self.signal = Signal()
        self._aside = Aside(LINGER)
        self._parts: tuple[Writer, Writer, Link, Bells, Writer] | None = None
        self._due = float("inf")

    def now(self) -> float | None:
        """The time if it is not the server's own; None if it is."""
        return None if self._clock is None else self._clock.now()

    def open(self) -> None:
        """Connect, look at the schema, and be ready. Called aside."""
        if self._parts is not None:
            return
        link = Link(self.address, "check")
        try:
            link.run(lambda wire, _: schema.check(wire, self.address, migrate=self.settings.migrate), OPENING)
        except Exception as error:
            raise errors.translate(error, self.address.shown) from error
        finally:
            link.close()
        outage, durability = Outage(self.address.shown), self.settings.durability
        bells = Bells(self.address, self.signal, outage)
        publisher, patient, worker = (
            Writer(Link(self.address, purpose, durability=durability, outage=outage), self.sql, bells, self.now)
            for purpose in ("publisher", "publisher", "worker")
        )
        self._parts = publisher, worker, Link(self.address, "reader", outage=outage), bells, patient

    def close(self) -> None:
        """Finish what was accepted, then let go. Called aside."""
        parts, self._parts = self._parts, None
        if parts is not None:
            publisher, worker, reader, bells, patient = parts
            for writer in (publisher, patient, worker):
                writer.close()
            bells.close()
            reader.close()
        self.signal.close()

    def _open_parts(self) -> tuple[Writer, Writer, Link, Bells, Writer]:
        if self._parts is None:
            raise EngineClosed("this engine is closed: open the app again before using it")
        return self._parts

    @property
    def publisher(self) -> Writer:
        """Raises EngineClosed."""
        return self._open_parts()[0]

    async def patiently(self, what: str, submit: Callable[[Writer], Awaitable[T]]) -> T:
        """Have something done by those who publish; what somebody's open transaction holds is waited for aside.

        Args:
            what: what may be held, for the error.

        Raises:
            EngineError: it was held until the deadline.
        """
        until = time.monotonic() + HELD
        writer = self.publisher
        while True:
            try:
                return await submit(writer)
            except EngineError as error:
                if not errors.held(error):
                    raise
                if time.monotonic() > until:
                    raise EngineError(
                        f"{self.address.shown}: {what} is held by a transaction that is not committed, for {HELD:g} s: "
                        "nothing has happened; try again when it has ended, or look for it in pg_stat_activity"
                    ) from error
            await self.signal.wait(self.signal.version, LOOK_AGAIN, [NOTHING])
            writer = self._open_parts()[4]

    @property
    def worker(self) -> Writer:
        """Raises EngineClosed."""
        return self._open_parts()[1]

    async def read(self, name: str, *parameters: Any) -> list[Row]:
        """The rows of a statement that changes nothing, in one look."""
        return await self.read_text(self.sql[name], parameters)

    async def read_text(self, text: str, parameters: Sequence[Any] = ()) -> list[Row]:
        """As `read`, with the statement itself."""
        link = self._open_parts()[2]
        return await self._aside.ask(self._read, link, text, parameters, time.monotonic())

    def _read(self, link: Link, text: str, parameters: Sequence[Any], asked: float) -> list[Row]:
        def look(wire: Wire, _: bool) -> list[Row]:
            try:
                return wire.rows(text, parameters)
            finally:
                wire.open_end = False  # it may be tried again: nothing happens twice

        try:
            return link.run(look, asked=asked)
        except Exception as error:
            raise errors.translate(error, self.address.shown) from error

    def upcoming(self, due: float | None, now: float) -> None:
        """When something is due, as a lease has said it."""
        self._due = float("inf") if due is None else time.monotonic() + max(0.0, due - now)

    async def wait(self, since: int, timeout: float, topics: Sequence[str], *, due: bool) -> None:
        """Until there is news on a topic, something is due (if that is asked), or it is time to look by oneself."""
        bells = self._open_parts()[3]
        if bells.listen():  # once: what came before was not heard, so that the caller looks again
            await self.signal.wait(since, START, [HEARS])
            return
        timeout = min(timeout, self.settings.poll)
        if due:
            timeout = min(timeout, max(0.0, self._due - time.monotonic()))
        await self.signal.wait(since, timeout, topics)

    def heeds(self, ended: Sequence[str]) -> bool:
        """Whether somebody may wait for the end of these, here or elsewhere."""
        return self._parts is None or self._parts[3].heeds(ended)

    @property
    def rooms(self) -> bool:
        """Whether somebody may wait for room in a queue, here or elsewhere."""
        return self._parts is not None and self._parts[3].rooms

    def watch(self, ids: Sequence[str] | None) -> float:
        """Somebody waits for ends; see `Bells.watch`."""
        return self._open_parts()[3].watch(ids)
