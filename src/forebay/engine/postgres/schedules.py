"""Cron rows; `fire` moves one on and publishes its messages in the same commit, so a tick fires once."""

from collections.abc import Sequence
from typing import Any

import msgspec

from forebay.engine.postgres import filling, rows
from forebay.engine.postgres.database import Database
from forebay.engine.postgres.publishing import Publishing
from forebay.engine.postgres.writer import Tx
from forebay.model.message import Message
from forebay.store.records import Schedule

_form = msgspec.msgpack.Decoder(Message).decode


class Schedules:
    """The `Schedules` role of the store."""

    def __init__(self, database: Database, publishing: Publishing) -> None:
        self._db, self._publisher = database, publishing

    async def put_schedules(self, schedules: Sequence[Schedule]) -> None:
        """See `store.contract.Schedules.put_schedules`."""
        await self._db.patiently("a schedule", lambda writer: writer.submit(_put, list(schedules)))

    async def schedules(self) -> list[Schedule]:
        """See `store.contract.Schedules.schedules`."""
        return [_schedule(row) for row in await self._db.read("schedules")]

    async def now(self) -> float:
        """See `store.contract.Schedules.now`."""
        now = self._db.now()
        return float((await self._db.read("now"))[0][0]) if now is None else now

    async def fire(
        self, name: str, tick: float, following: float, messages: Sequence[Message], last: float | None = None
    ) -> bool:
        """See `store.contract.Schedules.fire`."""
        newest = (tick if last is None else last) if messages else None
        # patience is not for this: other schedules wait behind it, and it is tried again soon
        return await self._db.publisher.submit(self._fire, (name, tick, following, newest), messages)

    def _fire(self, tx: Tx, move: tuple[Any, ...], messages: Sequence[Message]) -> bool:
        if not tx.rows("fire", *move, tx.time()):
            return False
        if messages:
            self._publisher.publish(tx.in_transaction(), messages, filling.FREE)
        return True

    async def drop_schedules(self, names: Sequence[str]) -> None:
        """See `store.contract.Schedules.drop_schedules`."""
        await self._db.patiently("a schedule", lambda writer: writer.submit(_drop, list(names)))

    async def pause_schedule(self, name: str, paused: bool) -> bool:
        """See `store.contract.Schedules.pause_schedule`."""
        return await self._db.patiently("a schedule", lambda writer: writer.submit(_pause, name, paused))


def _schedule(row: tuple[Any, ...]) -> Schedule:
    name, cron, tz, form, missed, overlap, upcoming, last, paused, declared = row
    flaw = ""
    try:
        message = _form(form)
    except rows.FOREIGN as error:
        message, flaw = Message(id="", queue=""), f"its message is not readable ({error})"
    return Schedule(
        name=name, cron=cron, tz=tz, message=message, missed=missed, overlap=overlap, next=upcoming, last=last,
        paused=paused, declared=declared, flaw=flaw,
    )  # fmt: skip


def _put(tx: Tx, schedules: Sequence[Schedule]) -> None:
    for one in sorted(schedules, key=lambda one: one.name):
        form = rows.pack(one.message)
        tx.rows("put_schedule", one.name, one.cron, one.tz, form, one.missed, one.overlap, one.next, tx.time())


def _drop(tx: Tx, names: Sequence[str]) -> None:
    tx.only("drop_schedules", names)


def _pause(tx: Tx, name: str, paused: bool) -> bool:
    return bool(tx.rows("pause_schedule", name, paused, tx.time()))
