"""Cron rows; a tick is fired and its messages published in one script, so that it fires once."""

from collections.abc import Sequence
from typing import Any

import msgspec

from forebay.engine.redis import forms, publishing
from forebay.engine.redis.talk import Batch, Reading
from forebay.model.message import Message
from forebay.store.records import Schedule

_row = msgspec.msgpack.Decoder(tuple[str, str, float, float | bool, bool, float]).decode
_form = msgspec.msgpack.Decoder(tuple[Message, str, str]).decode


def put(batch: Batch, schedules: Sequence[Schedule]) -> Reading[Any]:
    """See `Schedules.put_schedules`."""
    args: list[Any] = []
    for one in schedules:
        args += (
            one.name, one.cron, one.tz, one.next, "1" if one.paused else "", "" if one.last is None else one.last,
            forms.pack((one.message, one.missed, one.overlap)),
        )  # fmt: skip
    call = batch.call("put_schedules", *args)
    return lambda: call.answer


def listed(batch: Batch) -> Reading[list[Schedule]]:
    """See `Schedules.schedules`."""
    call = batch.call("schedules")

    def read() -> list[Schedule]:
        _, *cells = call.answer
        rows = [_schedule(*cells[at : at + 3]) for at in range(0, len(cells), 3)]
        return sorted(rows, key=lambda schedule: schedule.name)

    return read


def _schedule(name: bytes, packed: bytes, form: bytes | None) -> Schedule:
    cron, tz, upcoming, last, paused, declared = _row(packed)
    flaw, message, missed, overlap = "", Message(id="", queue=""), "once", "allow"
    try:
        message, missed, overlap = _form(form or b"")
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        flaw = f"its message is not readable ({error})"
    return Schedule(
        name=forms.text(name), cron=cron, tz=tz, message=message, missed=missed, overlap=overlap, next=upcoming,
        last=None if isinstance(last, bool) else last, paused=paused, declared=declared, flaw=flaw,
    )  # fmt: skip


def fire(
    batch: Batch, name: str, times: tuple[float, float, float | None], messages: Sequence[Message]
) -> Reading[bool]:
    """See `Schedules.fire`; `times` are the tick, the following one and the newest, None to keep that."""
    tick, following, newest = times
    form = publishing.arguments(messages) if messages else []
    call = batch.call("fire", name, tick, following, "" if newest is None else newest, *form, publishes=bool(messages))
    return lambda: bool(call.answer)


def drop(batch: Batch, names: Sequence[str]) -> Reading[Any]:
    """See `Schedules.drop_schedules`."""
    call = batch.call("drop_schedules", *names)
    return lambda: call.answer


def pause(batch: Batch, name: str, paused: bool) -> Reading[bool]:
    """See `Schedules.pause_schedule`."""
    call = batch.call("pause_schedule", name, "1" if paused else "")
    return lambda: bool(call.answer)
