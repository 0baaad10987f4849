"""The roles of the store: `Seeing` is about messages, `Keeping` about what stands beside them."""

import struct
from collections.abc import Sequence
from typing import Any

import msgspec

from forebay.engine.contract import Beat
from forebay.engine.gating import Gating
from forebay.engine.redis import forms, gates
from forebay.engine.redis import schedules as cron
from forebay.engine.redis.connections import Connections
from forebay.engine.redis.inspecting import Inspecting
from forebay.engine.redis.leasing import held
from forebay.engine.redis.looking import Looking
from forebay.engine.redis.talk import Batch, Reading
from forebay.model.delivery import Delivery
from forebay.model.gate import Gate
from forebay.model.lifecycle import State
from forebay.model.message import Message
from forebay.store.records import AuditLine, Choice, Found, Query, Schedule, WorkerRow

#: Lines of the audit that are kept.
AUDITS = 10_000
#: Seconds that a watch is known to the server; who watches longer says so again.
WATCHED = 60.0

_beat = msgspec.msgpack.Decoder(Beat).decode
_line = msgspec.msgpack.Decoder(tuple[int, float, str, str, str, str]).decode


class Seeing:
    """`Results`, `Inspects` and `DeadLetters`."""

    def __init__(self, connections: Connections) -> None:
        self._server = connections
        self._looking = Looking(lambda: connections.looker)

    @property
    def _inspecting(self) -> Inspecting:
        return Inspecting(self._server.talk, self._looking, self._server.settings.result_ttl)

    async def find(self, ids: Sequence[str]) -> list[Found | None]:
        """See `Results.find`."""
        return await self._looking.find(ids)

    async def watch(self, ids: Sequence[str] | None, timeout: float, since: int | None = None) -> int:
        """See `Results.watch`. The server is told what is watched, and tells of nothing else."""
        bells = self._server.bells
        if not bells.started:
            await self._server.aside.ask(bells.start)
        await self._server.talk.carry(_watch, ["*"] if ids is None else ids)
        if since is not None:
            poll = self._server.settings.poll
            await bells.ends.wait(since, min(timeout, WATCHED / 2 if bells.listens else poll), ids)
        return bells.ends.version

    async def progress(self, delivery: Delivery, value: bytes) -> bool:
        """See `Results.progress`."""
        return await self._server.talk.carry(_progress, delivery, value)

    async def messages(self, query: Query) -> list[Found]:
        """See `Inspects.messages`."""
        return await self._inspecting.messages(query)

    async def latest(self, limit: int) -> list[Found]:
        """See `Inspects.latest`."""
        return await self._inspecting.latest(limit)

    async def held(self, worker: str) -> list[Delivery]:
        """See `Inspects.held`."""
        return await self._server.looker.carry(held, worker)

    async def ending(self, end: str, limit: int = 10) -> list[str]:
        """See `Inspects.ending`."""
        return await self._inspecting.ending(end, limit, self._server.looker)

    async def ahead(self, id_: str, limit: int = 100_000) -> int:
        """See `Inspects.ahead`."""
        return await self._server.looker.carry(_ahead, id_, limit)

    async def cancel(self, ids: Sequence[str]) -> list[State | None]:
        """See `Inspects.cancel`."""
        return await self._inspecting.cancel(ids)

    async def cancel_all(self, choice: Choice, limit: int = 1000) -> int:
        """See `Inspects.cancel_all`."""
        return await self._inspecting.cancel_all(choice, limit)

    async def tidy(self, limit: int = 5000) -> int:
        """See `Inspects.tidy`."""
        return await self._inspecting.tidy(limit)

    async def redrive(self, choice: Choice, limit: int = 1000) -> int:
        """See `DeadLetters.redrive`."""
        return await self._inspecting.redrive(choice, limit)

    async def purge(self, choice: Choice, limit: int = 1000) -> int:
        """See `DeadLetters.purge`."""
        return await self._inspecting.purge(choice, limit)


class Keeping(Gating):
    """`Gates`, `Schedules`, `Workers` and `Audits`."""

    def __init__(self, connections: Connections) -> None:
        self._server = connections

    async def _close_gate(self, gate: Gate) -> None:
        await self._server.talk.carry(gates.close, gate)

    async def _open_gate(self, gate: Gate) -> None:
        await self._server.talk.carry(gates.open_, gate)

    async def gates(self) -> list[Gate]:
        """See `Gates.gates`."""
        return await self._server.looker.carry(gates.closed)

    async def put_schedules(self, schedules: Sequence[Schedule]) -> None:
        """See `Schedules.put_schedules`."""
        await self._server.talk.carry(cron.put, schedules)

    async def schedules(self) -> list[Schedule]:
        """See `Schedules.schedules`."""
        return await self._server.looker.carry(cron.listed)

    async def now(self) -> float:
        """See `Schedules.now`."""
        return await self._server.looker.carry(_now)

    async def fire(
        self, name: str, tick: float, following: float, messages: Sequence[Message], last: float | None = None
    ) -> bool:
        """See `Schedules.fire`."""
        newest = (tick if last is None else last) if messages else None
        return await self._server.talk.carry(cron.fire, name, (tick, following, newest), messages)

    async def drop_schedules(self, names: Sequence[str]) -> None:
        """See `Schedules.drop_schedules`."""
        await self._server.talk.carry(cron.drop, names)

    async def pause_schedule(self, name: str, paused: bool) -> bool:
        """See `Schedules.pause_schedule`."""
        return await self._server.talk.carry(cron.pause, name, paused)

    async def workers(self, host: str | None = None) -> list[WorkerRow]:
        """See `Workers.workers`."""
        rows: list[WorkerRow] = await self._server.looker.carry(_workers)
        return [row for row in rows if host in (None, row.host)]

    async def note(self, actor: str, verb: str, target: str, detail: str = "") -> None:
        """See `Audits.note`."""
        await self._server.talk.carry(_note, actor, verb, target, detail)

    async def audits(self, limit: int = 50, before: int | None = None) -> list[AuditLine]:
        """See `Audits.audits`."""
        return await self._server.looker.carry(_audits, limit, before)


def _watch(batch: Batch, ids: Sequence[str]) -> Reading[Any]:
    call = batch.call("watch", WATCHED, *ids)
    return lambda: call.answer


def _progress(batch: Batch, delivery: Delivery, value: bytes) -> Reading[bool]:
    call = batch.call("progress", delivery.id, forms.fence(delivery.fence), value)
    return lambda: bool(call.answer)


def _ahead(batch: Batch, id_: str, limit: int) -> Reading[int]:
    call = batch.call("ahead", id_, limit)
    return lambda: int(call.answer)


def _now(batch: Batch) -> Reading[float]:
    call = batch.call("now")
    return lambda: float(call.answer)


def _note(batch: Batch, actor: str, verb: str, target: str, detail: str) -> Reading[Any]:
    call = batch.call("note", AUDITS, actor, verb, target, detail)
    return lambda: call.answer


def _audits(batch: Batch, limit: int, before: int | None) -> Reading[list[AuditLine]]:
    call = batch.call("audits", limit, "" if before is None else before)

    def read() -> list[AuditLine]:
        lines = map(_line, call.answer)
        return [
            AuditLine(seq=seq, at=at, actor=actor, verb=verb, target=target, detail=detail)
            for seq, at, actor, verb, target, detail in lines
        ]

    return read


def _workers(batch: Batch) -> Reading[list[WorkerRow]]:
    call = batch.call("workers")

    def read() -> list[WorkerRow]:
        now, *cells = call.answer
        rows = sorted((cells[at : at + 3] for at in range(0, len(cells), 3)), key=lambda row: row[2][8:16])
        return [_worker(float(now), *row) for row in rows]

    return read


def _worker(now: float, name: bytes, until: bytes, row: bytes) -> WorkerRow:
    (started,) = struct.unpack_from(">d", row)
    try:
        beat = _beat(row[16:])
    except (msgspec.MsgspecError, UnicodeDecodeError):
        beat = Beat(worker="", lease=0.0, proved=float("inf"))  # nothing is known of it, and nothing proved
    fields: dict[str, Any] = {**msgspec.structs.asdict(beat), "worker": forms.text(name)}
    return WorkerRow(started=started, left=float(until) - now, **fields)
