"""Meters, and what each queue tells apart because of them or of gates. What runs behind a meter is counted here."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from msgspec.structs import replace

from forebay.engine.memory.gates import Gates
from forebay.engine.memory.record import Queue, Record
from forebay.flow.grant import changed, charged, given_back, grant, set_back, through, why
from forebay.flow.lane import Split, passes, place
from forebay.model.budget import window_of
from forebay.model.meter import Meter
from forebay.model.provider import of_each
from forebay.model.queue import QueueSpec


class Bounds:
    """The meters of one memory: those that somebody put or a queue has declared, by name, and those of keys."""

    def __init__(self, gates: Gates) -> None:
        self._gates = gates
        self.meters: dict[str, Meter] = {}
        self._beside: dict[str, list[str]] = {}  # budgets, by the meter beside which they stand
        self._running: Counter[str] = Counter()
        self._paid: dict[str, float] = {}  # Meter.tat, by name
        self._latest = 0.0  # when a rate let something through

    def split(self, queue: Queue) -> Split:
        """What a queue tells apart: tasks and keys that a gate or a meter is about, and keys if it bounds each."""
        name = queue.spec.name
        gates = self._gates.closed(name)
        tasks = {gate.task for gate in gates if gate.task is not None} | set(self._about("task", name))
        keys = {gate.key for gate in gates if gate.key is not None} | set(self._about("key", name))
        return Split(queue.spec, tuple(sorted(tasks)), tuple(sorted(keys)))

    def _about(self, kind: str, queue: str) -> Iterator[str]:
        begin = f"{kind}:{queue}:"
        return (name.removeprefix(begin) for name in self.meters if name.startswith(begin))

    def place(self, record: Record, told: Split) -> str:
        """The lane that a message waits in."""
        return place(record.own, record.message.task, record.message.key, told)

    def passed(self, record: Record, queue: Queue) -> list[Meter]:
        """All meters that a message has to pass, as they are now."""
        message = record.message
        names = passes(message.queue, record.own, message.task, message.key)
        there = [meter for one in names for name in (one, *self._budgets(one)) if (meter := self._known(name))]
        found = [self._now(meter) for meter in there]
        if message.key is not None and Split(queue.spec).keyed:
            found.append(self.of_key(queue, message.key))
        return found

    def _known(self, name: str) -> Meter | None:
        """What was said of a meter: by its name, or of each key of its provider."""
        if (meter := self.meters.get(name)) is not None:
            return meter
        said = self.meters.get(of_each(name) or "")
        return None if said is None else replace(said, name=name, generation=0)

    def _budgets(self, name: str) -> Sequence[str]:
        """Those that stand beside a meter that is there."""
        if self._known(name) is None:
            return ()
        own, said = self._beside.get(name, []), of_each(name)
        more = [name + one.removeprefix(said) for one in self._beside.get(said, ())] if said else []
        return [*own, *(one for one in more if one not in own)]

    def of_queue(self, queue: Queue) -> Meter | None:
        """The meter that a queue has as a whole."""
        meter = self.meters.get(f"queue:{queue.spec.name}")
        return None if meter is None else self._now(meter)

    def of_key(self, queue: Queue, key: str) -> Meter:
        """The meter that a queue has for each key; who runs is counted where that matters."""
        spec, slots = queue.spec, Split(queue.spec).key_slots
        running = 0 if slots is None else self._running[f"key:{spec.name}:{key}"]
        return Meter(
            name=f"each:{spec.name}:{key}", rate=spec.key_rate, burst=spec.key_burst, slots=slots, running=running,
            tat=self._paid.get(f"each:{spec.name}:{key}", 0.0),
        )  # fmt: skip

    def _now(self, meter: Meter) -> Meter:
        return replace(meter, running=self._running[meter.name], tat=self._paid.get(meter.name, 0.0))

    def pass_one(self, record: Record, queue: Queue, now: float) -> bool:
        """Whether it may start now; its meters are charged then."""
        if back := set_back(self._latest, now):
            self._paid, self._latest = {name: tat - back for name, tat in self._paid.items()}, now
        meters = self.passed(record, queue)
        n, after = through(meters, now, [record.message.cost])
        paid = {meter.name: meter.tat for meter in after if meter.rate is not None} if n else {}
        self._paid.update(paid)
        self._latest = max(self._latest, now) if paid else self._latest
        return bool(n)

    def give_back(self, record: Record, queue: Queue, now: float) -> None:
        """It was leased and has not started: its meters get back what it took."""
        for meter in self.passed(record, queue):
            if meter.rate is not None:
                self._paid[meter.name] = given_back(meter, now, record.message.cost)

    def again(self, record: Record, queue: Queue, now: float) -> float | None:
        """When it may start, as far as meters go; None if that takes a free slot."""
        times = [grant(meter, now, 1, record.message.cost) for meter in self.passed(record, queue)]
        if any(answer.n == 0 and answer.again is None for answer in times):
            return None
        return max([now if answer.n else answer.again or now for answer in times], default=now)

    def why(self, record: Record, queue: Queue, now: float) -> str:
        """Why it may not start now, in the words of the first meter that is in the way, but for the queue's own."""
        meters = [meter for meter in self.passed(record, queue) if meter.name != f"queue:{queue.spec.name}"]
        return next((text for meter in meters if (text := why(meter, now, record.message.cost))), "")

    def count(self, record: Record, n: int) -> None:
        """`n` more of its kind run."""
        message = record.message
        for name in passes(message.queue, record.own, message.task, message.key):
            self._running[name] += n
            if self._running[name] <= 0:
                del self._running[name]

    def declare(self, before: QueueSpec, spec: QueueSpec, now: float) -> None:
        """What a queue bounds from now on; a rate that was raised holds at once."""
        name = f"queue:{spec.name}"
        if (before.rate, before.burst, before.concurrency) != (spec.rate, spec.burst, spec.concurrency):
            meter = Meter(name=name, rate=spec.rate, burst=spec.burst, slots=spec.concurrency)
            self._put(replace(meter, generation=self.meters.get(name, meter).generation), now)
            if spec.rate is None and spec.concurrency is None:
                del self.meters[name]
        old, key = (Meter(name="", rate=one.key_rate, burst=one.key_burst) for one in (before, spec))
        for one in [one for one in self._paid if one.startswith(f"each:{spec.name}:")]:
            self._paid[one] = changed(self._paid[one], old, key, now)

    def put(self, meters: Sequence[Meter], now: float) -> list[bool]:
        """Add or change meters, each if its generation is that of the one there."""
        put: list[bool] = []
        for meter in meters:
            put.append(self.meters.get(meter.name, Meter(name="")).generation == meter.generation)
            if put[-1]:
                self._put(meter, now)
        return put

    def _put(self, meter: Meter, now: float) -> None:
        before, window = self.meters.get(meter.name), window_of(meter.name)
        self.meters[meter.name] = replace(meter, generation=meter.generation + 1, running=0, tat=0.0)
        for name in [one for one in self._paid if meter.name in (one, of_each(one))]:
            self._paid[name] = changed(self._paid[name], before, replace(meter, name=name), now)
        if window is not None and before is None:
            self._beside.setdefault(window.beside, []).append(meter.name)

    def drop(self, names: Sequence[str]) -> None:
        """Remove meters, and what they remember."""
        for name in names:
            there, window = self.meters.pop(name, None), window_of(name)
            for one in [one for one in self._paid if name in (one, of_each(one))]:
                del self._paid[one]
            if there is not None and window is not None:
                self._beside[window.beside].remove(name)

    def charge(self, name: str, cost: float, calls: int, now: float) -> None:
        """What has passed it has cost that much more, or less."""
        for one in (name, *self._budgets(name)):
            if (meter := self._known(one)) is not None and meter.rate is not None:
                self._paid[one] = charged(self._now(meter), now, cost, calls)

    def find(self, names: Sequence[str] | None, queues: Mapping[str, Queue]) -> list[Meter]:
        """Meters by name: those that were put or declared, or that a queue has for a key."""
        if names is None:
            return [self._now(self.meters[name]) for name in sorted(self.meters)]
        return [meter for name in sorted(set(names)) if (meter := self._find(name, queues)) is not None]

    def _find(self, name: str, queues: Mapping[str, Queue]) -> Meter | None:
        if (meter := self._known(name)) is not None:
            return self._now(meter)
        kind, _, rest = name.partition(":")
        queue, _, key = rest.partition(":")
        if kind == "key" and queue in queues and Split(queues[queue].spec).keyed:
            return replace(self.of_key(queues[queue], key), name=name)
        return None
