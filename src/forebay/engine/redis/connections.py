"""What is open of one server: a connection to change, one to look, one that listens; and what is known of it.

Opening and closing are for threads that nobody strikes: a `Facade` sees to that.
"""

import logging
import threading
import time
import uuid
from collections.abc import Sequence
from typing import Any

import msgspec
from msgspec.structs import replace

from forebay.config import Settings
from forebay.engine.aside import Aside
from forebay.engine.outage import Outage
from forebay.engine.patience import DEADLINE, LONGEST
from forebay.engine.redis.address import Address
from forebay.engine.redis.bells import Bells
from forebay.engine.redis.errors import PASSING, Evicting, word
from forebay.engine.redis.mark import Mark
from forebay.engine.redis.probe import ask
from forebay.engine.redis.server import Said, evicts, parse_info, window
from forebay.engine.redis.talk import Batch, Reading, Talk
from forebay.engine.redis.times import Times
from forebay.engine.waiting import drive
from forebay.flow.limit import kept
from forebay.model.clock import Clock
from forebay.model.errors import EngineClosed, EngineError, EngineRefused, EngineUnreachable, SchemaTooNew
from forebay.model.queue import Declared, Limit, OnFull, QueueSpec, fields_of
from forebay.model.ruling import SHED

_logger = logging.getLogger("forebay.redis")

_BOUNDS = tuple[float, float, float, float, float, float, float, bool]
#: What such a queue holds at the most, behind that.
_LIMIT = tuple[float, float, float, OnFull, float]
#: A queue without bounds, as `declare.lua` has it.
_NONE: _BOUNDS = (-1.0, -1.0, -1.0, -1.0, -1.0, -1.0, -1.0, False)
#: Where the weights of one stand that is fair; then whether the newest goes first, and what is kept of its limit.
_WEIGHTS = 15
#: What the keys look like; a server with a newer one is not touched.
SCHEMA = 1


class Connections:
    """The connections of one engine."""

    def __init__(self, settings: Settings, clock: Clock) -> None:
        self.settings, self.clock = settings, clock
        self.address = Address(settings)
        self.outage = Outage(self.address.place)
        self.bells, self.times, self.mark = Bells(self.address, self.outage), Times(clock), Mark(self.address.place)
        self.mark.again = self._set_up_again
        self.aside = Aside()
        self._guard = threading.RLock()
        self._talk: Talk | None = None
        self._looker: Talk | None = None
        self._declared: dict[str, QueueSpec] = {}

    def open(self) -> None:
        """Connect, and see whether messages may live there. Does nothing if it is open.

        Raises:
            EngineUnreachable: nobody answers there, or not to us.
            Evicting: the server throws away what it holds when its memory is full.
            SchemaTooNew: a newer Forebay wrote what is there.
        """
        with self._guard:
            if self._talk is not None:
                return
            said = _asked(self.address)
            refuse_evicting(self.address.place, said)
            refuse_several(self.address, said)
            talk = Talk(self.address, self.clock, lambda: self.bells.work.version, self.outage)
            try:
                drive(self._begin(talk))
            except BaseException:
                talk.close()
                raise
            self._talk = talk
        level = logging.INFO if said.appends or not self.settings.migrate else logging.WARNING  # commands only look
        _logger.log(level, "%s: %s; a crash of it may lose %s", self.address.place, said.version, window(said).words)

    async def _begin(self, talk: Talk) -> None:
        born, schema, seq, fell = await talk.carry(_open, self.mark.highest, self.mark.fallen)
        if schema > SCHEMA:
            raise SchemaTooNew(
                f"{self.address.place}: its keys have schema {schema}, this Forebay knows up to {SCHEMA}: upgrade "
                "Forebay, or choose another namespace"
            )
        self.mark.named(born, fell)
        self.mark.fallen = False
        self.mark.see(seq)
        self.times.see(await talk.carry(_now))

    @property
    def talk(self) -> Talk:
        """The connection that changes things.

        Raises:
            EngineClosed: the engine is not open.
        """
        if self._talk is None:
            raise EngineClosed("this engine is not open: use `async with app:`, or call `open()` first")
        return self._talk

    @property
    def looker(self) -> Talk:
        """The one that only looks; made by the first who does."""
        if self._looker is None:
            with self._guard:
                if self._looker is None and self.talk:
                    self._looker = Talk(self.address, self.clock, outage=self.outage)
        return self._looker  # type: ignore[return-value]

    def remember(self, queues: Sequence[QueueSpec]) -> None:
        """What was declared, to be put back where it was lost: it is nobody's start then."""
        self._declared |= {spec.name: replace(spec, mild=True) for spec in queues}

    def close(self) -> None:
        """Finish what was submitted, then let go. Safe to call twice."""
        with self._guard:
            talks, self._talk, self._looker = (self._talk, self._looker), None, None
        for talk in talks:
            if talk is not None:
                talk.close()
        self.bells.close()

    def used(self) -> int:
        """Bytes of memory that the server uses, 0 if it does not tell. For the thread of `talk`."""
        answer = self.talk.ask("INFO", "memory")
        return int(parse_info(answer.decode()).get("used_memory", 0)) if isinstance(answer, bytes) else 0

    async def look_for_loss(self) -> None:
        """A worker is not known any more: was it declared lost, or did the server lose everything?"""
        try:
            await self._begin(self.talk)
        except EngineError:
            return

    def _set_up_again(self) -> None:
        """What was there from the start is gone from the server: put it there again, in a thread of our own."""
        self.aside.tell(lambda: drive(self._anew()))

    async def _anew(self) -> None:
        try:
            await self._begin(self.talk)
            await self.talk.carry(declare, list(self._declared.values()), self.settings.result_ttl)
        except EngineError as error:
            _logger.warning("%s: its queues could not be declared again: %s", self.address.place, error)


def refuse_evicting(place: str, said: Said) -> None:
    """Raises Evicting, if it throws away what it holds."""
    if why := evicts(said):
        what, _, advice = why.partition(": ")
        raise Evicting(f"{place}: {what}", advice)


def refuse_several(address: Address, said: Said) -> None:
    """Raises EngineRefused, if the URL names several servers that are not one cluster."""
    if address.nodes and said.info.get("cluster_enabled") == "0":
        why = f"{address.place}: the URL names several hosts, and they are no cluster"
        raise EngineRefused(why, "name the one that holds the messages")


def _asked(address: Address) -> Said:
    """What it says of itself; one that is still loading is waited for."""
    deadline = time.monotonic() + DEADLINE
    while True:
        try:
            return ask(address)
        except EngineUnreachable as error:
            if word(error.__cause__ or error) not in PASSING or time.monotonic() > deadline:
                raise
        time.sleep(LONGEST)


def _open(batch: Batch, seq: int, fallen: bool) -> Reading[tuple[str, int, int, str]]:
    call = batch.call("open", uuid.uuid4().hex, SCHEMA, seq, int(fallen))

    def read() -> tuple[str, int, int, str]:
        born, schema, now_at, fell = call.answer
        return born.decode(), int(schema or SCHEMA), int(now_at or 0), (fell or b"").decode()

    return read


def _now(batch: Batch) -> Reading[float]:
    call = batch.call("now")
    return lambda: float(call.answer)


def declare(batch: Batch, queues: Sequence[QueueSpec], keep: float) -> Reading[list[Declared]]:
    """See `Engine.declare`; `keep` is how many seconds ends are kept."""
    args = [value for spec in queues for value in (spec.name, *_packed(spec, keep))]
    call = batch.call("declare", *args)

    def read() -> list[Declared]:
        told = iter(call.answer)
        return [Declared(_unpacked(spec.name, next(told)), _unpacked(spec.name, next(told))) for spec in queues]

    return read


def _packed(spec: QueueSpec, keep: float) -> tuple[bytes, bytes]:
    """See `declare.lua`."""
    if spec.assumed:
        return b"", b""
    bounds = (spec.ttl, spec.rate, spec.burst, spec.concurrency, spec.key_rate, spec.key_burst, spec.key_concurrency)
    told: tuple[object, ...] = (*map(_or_none, bounds), spec.ordered)
    if (limit := spec.bound) is not None:
        most = limit.messages, limit.size, limit.age
        told = (*told, *map(_or_none, most), limit.on_full, limit.patience, keep, SHED)
    more = spec.lifo, limit.reserve if limit else 0.0, limit.messages - kept(limit) if limit and limit.messages else 0
    if spec.fair or any(more[:2]):
        told = (*told, *[False] * (_WEIGHTS - len(told)), dict(spec.weights) if spec.fair else False)
    if any(more[:2]):
        told = (*told, *more)
    return msgspec.msgpack.encode(told), b"" if spec.mild else b"1"


def _or_none(value: float | None) -> float:
    return -1.0 if value is None else float(value)


def _unpacked(queue: str, packed: bytes) -> QueueSpec:
    """What a queue was declared as; with its defaults, if that cannot be read."""
    try:
        told = msgspec.msgpack.decode(packed, type=list[Any]) if packed else []
        *bounds, ordered = msgspec.convert(told[: len(_NONE)], _BOUNDS) if told else _NONE
        limited = len(told) > len(_NONE) and told[len(_NONE)] is not False
        fair = len(told) > _WEIGHTS and told[_WEIGHTS] is not False
        weights = msgspec.convert(told[_WEIGHTS], dict[str, float]) if fair else None
        lifo, reserve = msgspec.convert(told[_WEIGHTS + 1 : _WEIGHTS + 3] or (False, 0.0), tuple[bool, float])
        limit = _limit(msgspec.convert(told[len(_NONE) : len(_NONE) + 5], _LIMIT), reserve) if limited else Limit()
    except (msgspec.MsgspecError, UnicodeDecodeError):
        (*bounds, ordered), limit, weights, lifo = _NONE, Limit(), None, False
    ttl, rate, burst, slots, key_rate, key_burst, key_slots = (None if one < 0 else one for one in bounds)
    return QueueSpec(
        name=queue, ttl=ttl, rate=rate, burst=burst, concurrency=None if slots is None else int(slots),
        key_rate=key_rate, key_burst=key_burst, key_concurrency=None if key_slots is None else int(key_slots),
        ordered=ordered, lifo=lifo, fair=weights is not None, weights=tuple((weights or {}).items()),
        **fields_of(limit),
    )  # fmt: skip


def _limit(told: tuple[float, float, float, OnFull, float], reserve: float) -> Limit:
    messages, size, age, on_full, patience = told
    return Limit(
        messages=None if messages < 0 else int(messages), size=None if size < 0 else int(size),
        age=None if age < 0 else age, on_full=on_full, patience=patience, reserve=reserve,
    )  # fmt: skip
