"""The meters that a lease meets, and what it takes from them. Those that a queue has for each key are in its lanes."""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from msgspec.structs import replace

from forebay.engine.sqlite import limits, named
from forebay.engine.sqlite.rows import sql
from forebay.engine.sqlite.stirring import names
from forebay.engine.sqlite.writer import Transaction
from forebay.flow.lane import Split, key_lane
from forebay.model.budget import window_of
from forebay.model.meter import Meter


class Head(NamedTuple):
    """A message that may start: as `heads.sql` and `line.sql` tell of it."""

    seq: int
    lane: str
    task: str
    key: str | None
    mine: str
    cost: float


class Meters:
    """The meters that a lease meets: those with a name of their own, and those that a queue has for every key.

    `alone`: the queue has none of its own.

    Attributes:
        charged: a rate has let something through.
    """

    def __init__(self, tx: Transaction, queue: str, told: Split, *, alone: bool) -> None:
        self._tx, self._queue, self._told = tx, queue, told
        self.kept: dict[str, tuple[int, float | None]] = {}  # what lanes say of the meter of their key
        self._named: dict[str, Meter | None] = {f"queue:{queue}": None} if alone else {}
        self._beside: dict[str, list[str]] = {}
        self._each: dict[str, Meter] = {}  # by the lane where it is kept, as it is called here
        self._charged: set[str] = set()
        self.paid: set[str] = set()  # lanes that keep the meter of a key which has let something through
        self.charged = False

    def in_lane(self, lane: str) -> Meter | None:
        """The meter that is kept in a lane, if it was looked at."""
        return self._each.get(lane)

    def named(self, name: str) -> Meter | None:
        """The meter of that name, if there is one."""
        if name not in self._named:
            self._named[name] = named.known(self._tx.rows, name)
        return self._named[name]

    def _there(self, name: str) -> Iterator[Meter]:
        """The meter of that name, if there is one, and the budgets beside it."""
        if (meter := self.named(name)) is None:
            return
        yield meter
        if name not in self._beside:
            self._beside[name] = named.beside(self._tx.rows, name)
        for budget in self._beside[name]:
            if (meter := self.named(budget)) is not None:
                yield meter

    def passed(self, head: Head) -> list[Meter]:
        """All that this message has to pass."""
        known = names(self._queue, self._told, head.mine, head.task, head.key)
        meters = [meter for name in known for meter in self._there(name)]
        if head.key is not None and self._told.keyed:
            meters.append(self.key(head.key))
        return meters

    def pay(self, name: str, tat: float) -> None:
        """The meter of a key has let one through."""
        meter = self._each[name]
        self.charged |= meter.rate is not None
        self._each[name] = replace(meter, running=meter.running + 1, tat=tat)
        self.paid.add(name)

    def key(self, key: str) -> Meter:
        """The meter of a key, as its lane tells of it."""
        lane = key_lane(key)
        if (meter := self._each.get(lane)) is None:
            if lane not in self.kept:
                found = self._tx.rows(sql("kept"), (self._queue, lane))
                self.kept[lane] = found[0] if found else (0, None)
            meter = limits.key_meter(lane, self._told, *self.kept[lane])
            self._each[lane] = meter
        return meter

    def charge(self, meters: Iterable[Meter]) -> None:
        """What they are after messages have passed."""
        for meter in meters:
            self.charged |= meter.rate is not None
            if meter.name in self._each:
                self._each[meter.name] = meter
                self.paid.add(meter.name)
            else:
                self._named[meter.name] = meter
                self._charged.add(meter.name)

    def write_down(self) -> None:
        """Those with a name; a key's is kept in the lane of that key (`lanes.Turn`)."""
        charged = [meter for name in self._charged if (meter := self._named[name]) is not None]
        for meter in charged:
            named.write_down(self._tx, replace(meter, running=0) if window_of(meter.name) else meter)
