"""Between our values and the server's bytes: heads, histories, leases and ends, as `lua/lib/message.lua` has them."""

from collections.abc import Mapping, Sequence
from struct import Struct
from struct import error as StructError  # noqa: N812
from typing import Any

import msgspec

from forebay.flow.lane import shut
from forebay.model.delivery import Delivery
from forebay.model.gate import Gate
from forebay.model.lifecycle import State
from forebay.model.message import Failure, Message
from forebay.store.records import Found

HEAD = Struct(">BQddI")  # unique, seq, created, expires, size of the route
RUN = Struct(">BQId")  # unique, fence, attempt, started
END = Struct(">BddQH")  # state, finished, when to forget it, order, size of its last lease
_NUMBER = Struct(">Q")

pack = msgspec.msgpack.Encoder().encode
#: What a message is by: queue, lane, priority, task, key, unique key; behind them, if there are any, meters and cost.
Route = tuple[str, str, int, str, str | None, str | None]
#: Attempts, workers lost, when it was due, fence it was settled with, unknown since, cause, lane it was moved to.
History = tuple[int, int, float, int, float, str, str | bool]

_parts = msgspec.msgpack.Decoder(list[Any]).decode
_history = msgspec.msgpack.Decoder(History).decode
_headers = msgspec.msgpack.Decoder(dict[str, str]).decode
_failure = msgspec.msgpack.Decoder(Failure).decode
_gate = msgspec.msgpack.Decoder(tuple[str, str | bool, str, float, str, float, str | bool, str | bool]).decode
_tail = msgspec.msgpack.Decoder(tuple[str, bytes | None]).decode

#: What bytes raise that nobody of ours wrote.
FOREIGN = (StructError, msgspec.MsgspecError, UnicodeDecodeError, RecursionError, ValueError, TypeError, IndexError)

_FINAL = (State.DONE, State.DEAD, State.CANCELLED, State.EXPIRED, State.DISCARDED)
_NONE: History = (0, 0, -1.0, 0, -1.0, "", False)
#: The end of one that is done, has no result, and needs no words.
PLAIN = pack(("", None))


def tail(cause: str, result: bytes | None = None) -> bytes:
    """What of an end the server does not look at."""
    return PLAIN if not cause and result is None else pack((cause, result))


def route(message: Message) -> bytes:
    """See `Route`."""
    common = (message.queue, message.lane, message.priority, message.task, message.key, message.unique)
    if not message.meters and message.cost == 1.0:
        return pack(common)
    return pack((*common, message.meters, message.cost))


def history(past: bytes) -> History:
    """From what stands there of one that has a history; b"" for none. What is none of ours counts as none."""
    try:
        return _history(past) if past else _NONE
    except FOREIGN:
        return _NONE


def cause(tail: bytes) -> str:
    """Of what of an end the server does not look at, why."""
    return _end(tail)[0]


def _end(tail: bytes) -> tuple[str, bytes | None]:
    """Cause and result of what the server does not look at."""
    try:
        return _tail(tail)
    except FOREIGN:
        return "how it ended is not readable: somebody else wrote over it", None


def fence(number: int) -> bytes:
    """As the server compares them."""
    return _NUMBER.pack(number)


def lease_of(lease: bytes) -> tuple[int, int, float, str]:
    """Fence, attempt, start and worker."""
    _, number, attempt, started = RUN.unpack_from(lease)
    return number, attempt, started, text(lease[RUN.size :])


def text(blob: bytes) -> str:
    """A text of the server; what is no UTF-8 in it is escaped."""
    return blob.decode("utf-8", "backslashreplace")


def _route(packed: bytes) -> Route:
    parts = [text(part) if isinstance(part, bytes) else part for part in _parts(packed)[:6]]
    known: Route = msgspec.convert(parts, Route)
    return known


def _map(packed: bytes) -> dict[str, str] | None:
    """Headers; None if there are none, or none of ours."""
    try:
        return _headers(packed) if packed else None
    except FOREIGN:
        return None


class Routes:
    """Routes that were read before: most messages of a queue have the same few."""

    MOST = 4096

    def __init__(self) -> None:
        self._known: dict[bytes, Route] = {}

    def read(self, packed: bytes) -> Route:
        """The route."""
        known = self._known.get(packed)
        if known is None:
            if len(self._known) >= self.MOST:
                self._known.clear()
            known = self._known[packed] = _route(packed)
        return known

    def deliveries(self, columns: Sequence[Sequence[Any]]) -> list[Delivery]:
        """From ids, heads, bodies, leases and histories."""
        ids, heads, bodies, leases, pasts = columns
        read, made = self.read, list[Delivery]()
        for n, head in enumerate(heads):
            _, seq, created, expires, size = HEAD.unpack_from(head)
            end = HEAD.size + size
            queue, lane, priority, task, key, _ = read(head[HEAD.size : end])
            _, number, attempt, _ = RUN.unpack_from(leases[n])
            past = pasts[n] if pasts else None
            lost, unknown = 0, None
            if past is not None:
                _, lost, _, _, since, _, moved = history(past)
                unknown = None if since < 0 else since
                lane = moved if isinstance(moved, str) else lane
            expiry = None if expires < 0 else expires
            headers = _map(head[end:]) if len(head) > end else None
            body, id_ = (bodies[n] if bodies else None) or b"", text(ids[n])
            made.append(
                Delivery(
                    seq,
                    id_,
                    queue,
                    task,
                    body,
                    number,
                    attempt,
                    lost,
                    created,
                    expiry,
                    priority,
                    lane,
                    key,
                    headers,
                    unknown,
                )
            )
        return made


#: Queue, lane, task and key, as gates look at them.
Place = tuple[str, str, str, str | None]


def read_gate(packed: bytes) -> Gate:
    """A closed gate, as `lib/gates.lua` packs them."""
    queue, lane, reason, since, holder, until, task, key = _gate(packed)
    return Gate(
        queue, _named(lane), reason, since, holder, None if until < 0 else until, _named(task), _named(key)
    )  # fmt: skip


def _named(name: str | bool) -> str | None:
    return name if isinstance(name, str) else None


class Stories:
    """What `lib/story.lua` answers, put together."""

    def __init__(self, routes: Routes, reply: Sequence[Any]) -> None:
        self._routes = routes
        (self._ids, self._heads, self._bodies, self._pasts, self._failures, self._progress) = reply[:6]
        self._ends, self._leases, self._dues, self.asked, gates = reply[6:11]
        self._gates = [read_gate(gate) for gate in gates]

    def all(self) -> list[Found | None]:
        """One for each id that was asked for; None for those that nobody knows, and those that nobody can read."""
        return [self._read(n) for n in range(len(self._ids))]

    def _read(self, n: int) -> Found | None:
        try:
            return self._one(n)
        except FOREIGN:
            return None

    def seq(self, n: int) -> int | None:
        """The place in the order of acceptance, or of ends."""
        try:
            if (end := _at(self._ends, n)) is not None:
                return int(END.unpack_from(end)[3])
            head = _at(self._heads, n)
            return None if head is None else int(HEAD.unpack_from(head)[1])
        except FOREIGN:
            return None

    def _one(self, n: int) -> Found | None:
        head = _at(self._heads, n)
        if head is None:
            return None
        created, expires, (queue, lane, priority, task, key, unique), headers = self._head(head)
        past = _at(self._pasts, n)
        known = history(past or b"")
        if isinstance(known[6], str):
            lane = known[6]
        failure = _at(self._failures, n)
        return Found(
            id=text(self._ids[n]), queue=queue, task=task, lost=known[1], priority=priority, lane=lane, key=key,
            unique=unique, headers=headers, created=created,
            expires=None if expires < 0 else expires, failure=None if failure is None else _newest(failure),
            progress=_at(self._progress, n), **self._fate(n, (queue, lane, task, key), known),
        )  # fmt: skip

    def _head(self, head: bytes) -> tuple[float, float, Route, dict[str, str] | None]:
        """When it was accepted and expires, its route, its headers; of what is no head of ours nothing is known."""
        try:
            _, _, created, expires, size = HEAD.unpack_from(head)
            end = HEAD.size + size
            return created, expires, self._routes.read(head[HEAD.size : end]), _map(head[end:])
        except FOREIGN:
            return 0.0, -1.0, ("", "", 0, "", None, None), None

    def _fate(self, n: int, place: Place, history: History) -> Mapping[str, Any]:
        """What depends on how it stands."""
        due = None if history[2] < 0 else history[2]
        if (packed := _at(self._ends, n)) is not None:
            return _ended(packed, _at(self._bodies, n), due, history)
        body = _at(self._bodies, n) or b""
        if (lease := _at(self._leases, n)) is not None:
            _, attempt, started, worker = lease_of(lease)
            return {"state": State.RUNNING, "body": body, "attempt": attempt, "started": started, "worker": worker}
        waits = {"body": body, "attempt": history[0], "cause": history[5]}
        if (later := _at(self._dues, n)) is not None:
            return {"state": State.SCHEDULED, "due": float(later), **waits}
        held = any(shut(gate, *place) for gate in self._gates)
        return {"state": State.PARKED if held else State.READY, **waits}


def _newest(failure: bytes) -> Failure:
    try:
        return _failure(failure)
    except FOREIGN:
        return Failure("Unreadable", "somebody else wrote over the newest failure of this message")


def _ended(packed: bytes, body: bytes | None, due: float | None, history: History) -> Mapping[str, Any]:
    code, finished, _, _, size = END.unpack_from(packed)
    lease = packed[END.size : END.size + size]
    cause, result = _end(packed[END.size + size :])
    fate: dict[str, Any] = {
        "state": _FINAL[code], "finished": finished, "cause": cause, "result": result, "due": due,
        "attempt": history[0],
    }  # fmt: skip
    if lease:
        _, fate["attempt"], fate["started"], fate["worker"] = lease_of(lease)
    if _FINAL[code] is State.DEAD:
        fate["body"] = body or b""
    return fate


def _at(column: Sequence[Any], n: int) -> Any:
    """A value of a column; a hash that is not there answers with none at all."""
    value = column[n] if n < len(column) else None
    return None if value in (None, 0) else value
