"""Cron rows; `fire` moves one on and publishes its messages in the same commit, so a tick fires once."""

from collections.abc import Sequence
from typing import Any

import msgspec

from forebay.engine.sqlite import rows
from forebay.engine.sqlite.database import Database
from forebay.engine.sqlite.publishing import Publishing
from forebay.engine.sqlite.rows import sql
from forebay.engine.sqlite.writer import Transaction
from forebay.model.message import Message
from forebay.store.records import Schedule

_form = msgspec.msgpack.Decoder(Message).decode


class Schedules:
    """The `Schedules` role of the store."""

    def __init__(self, database: Database, publishing: Publishing) -> None:
        self._db, self._publisher = database, publishing

    async def put_schedules(self, schedules: Sequence[Schedule]) -> None:
        """See `store.contract.Schedules.put_schedules`."""
        await self._db.writer.submit(_put, schedules)

    async def schedules(self) -> list[Schedule]:
        """See `store.contract.Schedules.schedules`."""
        return [_schedule(row) for row in self._db.read(sql("schedules"))]

    async def now(self) -> float:
        """See `store.contract.Schedules.now`."""
        return self._db.clock.now()

    async def fire(
        self, name: str, tick: float, following: float, messages: Sequence[Message], last: float | None = None
    ) -> bool:
        """See `store.contract.Schedules.fire`."""
        newest = (tick if last is None else last) if messages else None
        return await self._db.writer.submit(self._fire, (name, tick, following, newest), messages)

    def _fire(self, tx: Transaction, move: tuple[Any, ...], messages: Sequence[Message]) -> bool:
        tx.db.execute(sql("fire"), (*move, tx.now))
        if not tx.db.changes():
            return False
        if messages:
            self._publisher.publish(tx, messages, bound=False)
        return True

    async def drop_schedules(self, names: Sequence[str]) -> None:
        """See `store.contract.Schedules.drop_schedules`."""
        await self._db.writer.submit(_drop, names)

    async def pause_schedule(self, name: str, paused: bool) -> bool:
        """See `store.contract.Schedules.pause_schedule`."""
        return await self._db.writer.submit(_pause, name, paused)


def _schedule(row: tuple[Any, ...]) -> Schedule:
    name, cron, tz, form, missed, overlap, upcoming, last, paused, declared = row
    texts = [rows.text(blob) for blob in (name, cron, tz, missed, overlap)]
    flaw = "" if [text.encode() for text in texts] == [name, cron, tz, missed, overlap] else "a text of it is no UTF-8"
    try:
        message = _form(form)
    except rows.FOREIGN as error:
        message, flaw = Message(id="", queue=""), f"its message is not readable ({error})"
    return Schedule(
        name=texts[0], cron=texts[1], tz=texts[2], message=message, missed=texts[3], overlap=texts[4], next=upcoming,
        last=last, paused=bool(paused), declared=declared, flaw=flaw,
    )  # fmt: skip


def _put(tx: Transaction, schedules: Sequence[Schedule]) -> None:
    for one in schedules:
        values = (one.name, one.cron, one.tz, rows.pack(one.message), one.missed, one.overlap, one.next, tx.now)
        tx.db.execute(sql("put_schedule"), values)


def _drop(tx: Transaction, names: Sequence[str]) -> None:
    for stored in _stored(tx, names):
        tx.db.execute("delete from schedule where name = cast(? as text)", (stored,))


def _pause(tx: Transaction, name: str, paused: bool) -> bool:
    found = _stored(tx, [name])
    for stored in found:
        tx.db.execute(sql("pause_schedule"), (stored, int(paused), tx.now))
    return bool(found)


def _stored(tx: Transaction, names: Sequence[str]) -> list[bytes]:
    """The names as they stand in the file; one that is no text is called as it is shown."""
    return [name for (name,) in tx.rows("select cast(name as blob) from schedule") if rows.text(name) in set(names)]
