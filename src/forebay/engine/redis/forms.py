"""Between our values and the server's bytes: heads, histories, leases and ends, as `lua/lib/message.lua` has them."""

from collections.abc import Mapping, Sequence
from struct import Struct
from typing import Any, cast

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
    """From what stands there of one that has a history; b"" for none."""
    return _history(past) if past else _NONE


def cause(tail: bytes) -> str:
    """Of what of an end the server does not look at, why."""
    return _tail(tail)[0]


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
            known = self._known[packed] = cast("Route", tuple(_parts(packed)[:6]))
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
                _, lost, _, _, since, _, moved = _history(past)
                unknown = None if since < 0 else since
                lane = moved if isinstance(moved, str) else lane
            expiry = None if expires < 0 else expires
            headers = _headers(head[end:]) if len(head) > end else None
            body, id_ = bodies[n] or b"", ids[n].decode()
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
        """One for each id that was asked for; None for those that nobody knows."""
        return [self._one(n) for n in range(len(self._ids))]

    def seq(self, n: int) -> int | None:
        """The place in the order of acceptance, or of ends."""
        if (end := _at(self._ends, n)) is not None:
            return int(END.unpack_from(end)[3])
        head = _at(self._heads, n)
        return None if head is None else int(HEAD.unpack_from(head)[1])

    def _one(self, n: int) -> Found | None:
        head = _at(self._heads, n)
        if head is None:
            return None
        _, _, created, expires, size = HEAD.unpack_from(head)
        end = HEAD.size + size
        queue, lane, priority, task, key, unique = self._routes.read(head[HEAD.size : end])
        past = _at(self._pasts, n)
        history = _NONE if past is None else _history(past)
        if isinstance(history[6], str):
            lane = history[6]
        failure = _at(self._failures, n)
        return Found(
            id=text(self._ids[n]), queue=queue, task=task, lost=history[1], priority=priority, lane=lane, key=key,
            unique=unique, headers=_headers(head[end:]) if len(head) > end else None, created=created,
            expires=None if expires < 0 else expires, failure=None if failure is None else _failure(failure),
            progress=_at(self._progress, n), **self._fate(n, (queue, lane, task, key), history),
        )  # fmt: skip

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


def _ended(packed: bytes, body: bytes | None, due: float | None, history: History) -> Mapping[str, Any]:
    code, finished, _, _, size = END.unpack_from(packed)
    lease = packed[END.size : END.size + size]
    cause, result = _tail(packed[END.size + size :])
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
