"""Meters by name: rates and slots that anybody may put; what passes them is counted on the server alone."""

from collections.abc import Sequence
from typing import Any

import msgspec

from forebay.engine.redis.connections import Connections
from forebay.engine.redis.talk import Batch, Reading
from forebay.model.meter import Meter

_meter = msgspec.msgpack.Decoder(tuple[str, float, float, float, int, int, float]).decode


class Metering:
    """The `Meters` role of the store."""

    def __init__(self, connections: Connections) -> None:
        self._server = connections

    async def put_meters(self, meters: Sequence[Meter]) -> list[bool]:
        """See `Meters.put_meters`."""
        return await self._server.talk.carry(_put, meters) if meters else []

    async def meters(self, names: Sequence[str] | None = None) -> list[Meter]:
        """See `Meters.meters`."""
        return await self._server.looker.carry(_read, names)

    async def drop_meters(self, names: Sequence[str]) -> None:
        """See `Meters.drop_meters`."""
        if names:
            await self._server.talk.carry(_drop, names)

    async def charge_meter(self, name: str, cost: float, calls: int = 0) -> None:
        """See `Meters.charge_meter`."""
        await self._server.talk.carry(_charge, name, cost, calls)


def _charge(batch: Batch, name: str, cost: float, calls: int) -> Reading[Any]:
    call = batch.call("charge_meter", name, cost, calls)
    return lambda: call.answer


def _put(batch: Batch, meters: Sequence[Meter]) -> Reading[list[bool]]:
    args: list[Any] = []
    for meter in meters:
        args += (meter.name, *(_bound(one) for one in (meter.rate, meter.burst, meter.slots)), meter.generation)
    call = batch.call("put_meters", *args)
    return lambda: [bool(one) for one in call.answer]


def _read(batch: Batch, names: Sequence[str] | None) -> Reading[list[Meter]]:
    call = batch.call("meters", "" if names is None else "1", *sorted(set(names or ())))
    return lambda: sorted(map(meter_of, call.answer), key=lambda meter: meter.name)


def _drop(batch: Batch, names: Sequence[str]) -> Reading[Any]:
    call = batch.call("drop_meters", *names)
    return lambda: call.answer


def _bound(value: float | None) -> float:
    return -1 if value is None else value


def meter_of(packed: bytes) -> Meter:
    """From what `meters.lua` and `depth.lua` answer."""
    name, rate, burst, slots, generation, running, tat = _meter(packed)
    return Meter(
        name=name, rate=rate if rate > 0 else None, burst=burst if burst >= 0 else None,
        slots=int(slots) if slots >= 0 else None, generation=generation, running=running, tat=tat,
    )  # fmt: skip
