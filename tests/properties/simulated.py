"""All policies of flow together in virtual time: an app in memory whose workers, hours and bad luck come from a seed.

The engine, the executor that judges runs, and the governors of providers and of pressure are the product's own; made up
are the pools, the tasks, what goes wrong, and the clock. After each step the invariants hold; once nothing goes wrong
any more all of it ends. A seed that fails says so; `python -m properties.simulated SEED` (in tests/) tells its story.
"""

import asyncio
import random
import sys
from collections import Counter
from functools import cache
from types import SimpleNamespace

from msgspec.structs import replace

from forebay import Breaker, Forebay, Retry
from forebay.config import Settings
from forebay.engine.contract import Beat, Fate, Want
from forebay.engine.memory.engine import MemoryEngine
from forebay.engine.memory.messages import MemoryMessages
from forebay.engine.memory.metering import MemoryMeters
from forebay.engine.memory.state import Memory
from forebay.engine.memory.store import MemoryStore
from forebay.engine.waiting import drive
from forebay.flow.breaker import slots
from forebay.flow.limit import reserve
from forebay.model.lifecycle import State
from forebay.model.message import PARENT
from forebay.model.outcome import Ack, Park, Release, Settlement
from forebay.model.provider import meter_of
from forebay.model.queue import QueueSpec
from forebay.provider.steer import look
from forebay.store.records import Query
from forebay.testing import ManualClock
from forebay.work import governor, pressure
from forebay.work.executor import Bounds, Executor
from forebay.work.feeding import Feeding
from forebay.work.governor import Governor
from forebay.work.pressure import Pressure
from forebay.work.run import Run
from forebay.work.storetime import StoreTime

#: Seconds of one step; until when something may go wrong; and until all has to have ended.
STEP, CALM, END = 0.5, 4.0, 120.0
#: Seconds that a step or two of looks may take to see an outage.
NOTICED = 1.5
OTHER = "other"
SETTINGS = Settings(url="memory://")


class Down(Exception):
    """The provider does not answer."""

    status_code = 503


class Throttled(Exception):
    """The provider says when to come again."""

    status_code = 429

    def __init__(self, after):
        super().__init__(f"come again in {after}")
        self.headers = {"retry-after": str(after)}


class Here(MemoryEngine, MemoryMessages, MemoryMeters, MemoryStore):
    """The memory engine, its verbs carried out where they are called: nothing here is struck."""

    def __init__(self, clock):
        memory = Memory(SETTINGS, clock)
        for part in Here.__bases__:
            part.__init__(self, memory)


class Luck:
    """What a story is about, all of it drawn from its seed."""

    def __init__(self, seed):
        self.rng = rng = random.Random(seed)
        self.chain = "abcd"[: rng.randint(1, 4)]
        self.limits = {queue: rng.choice([2, 6, 15]) for queue in self.chain}
        self.heavy = rng.choice([None, None, *self.chain])  # a queue that bounds its bytes as well
        self.rates = {queue: rng.choice([None, None, None, 8.0]) for queue in self.chain}
        self.slots = {queue: rng.choice([None, None, 1, 3]) for queue in self.chain}
        self.asks = rng.choice(self.chain)  # whose task needs the provider
        self.concurrency = rng.choice([2, 4, 8])
        self.outage = (1.0, rng.choice([1.5, 3.0, 6.0])) if rng.random() < 0.7 else (0.0, 0.0)
        self.throttles = rng.random() < 0.3  # it answers 429 now and then
        self.takes = {queue: rng.choice([0.1, 0.3, 0.6]) for queue in self.chain} | {OTHER: 0.1}
        self.workers, self.room = rng.randint(1, 2), rng.randint(2, 6)
        turn = sum(one * 1.5 + STEP for one in self.takes.values()) / (
            self.workers * self.room
        )  # each queue has had one
        self.prompt = 1.0 + 4 * turn  # turns go by lanes, of which there are more and fewer
        self.dies = rng.choice([None, None, rng.uniform(1.0, CALM)])
        self.offers = rng.randint(1, 4)
        self.adaptive = random.Random(f"adaptive {seed}").random() < 0.5  # of its own: older stories stay as they are


@cache
def declared(asks, concurrency, adaptive):
    """Tasks by queue, the registry that has them, and the body of a call; made once, for it takes a while."""
    app = Forebay("memory://")
    app.provider(
        "p", concurrency=concurrency, adaptive=adaptive, breaker=Breaker(min_calls=3, open_for=1, max_open=4), ramp=2
    )
    retry = Retry(max_attempts=30, base=0.2, cap=1.0)
    tasks = {
        queue: app.task(queue=queue, name=f"t{queue}", provider="p" if queue == asks else None, retry=retry)(_nothing)
        for queue in (*"abcd", OTHER)
    }
    return tasks, app.registry, tasks[OTHER].codec.encode((), {})


class Worker:
    """One process: its governors, and what it runs."""

    def __init__(self, name, engine, clock, registry, queues):
        self.name, self.runs, self.next = name, [], 0.0
        self.time = StoreTime(clock)
        self.executor = Executor(registry.tasks, Bounds.of(SETTINGS), None, self.time, name)
        self.executor.providers.specs = registry.providers
        self.executor.feeding = Feeding()
        self.governor = Governor(engine, engine, self.executor.providers, registry.tasks, queues)
        about = SimpleNamespace(engine=engine, store=engine, registry=registry)
        self.pressure = Pressure(about, self.executor.feeding)
        self.executor.feeding.wake = _nothing


class Story:
    """One seed."""

    def __init__(self, seed, *, tells=False):
        self.seed, self.luck, self.tells = seed, Luck(seed), tells
        self.rng, self.clock = self.luck.rng, ManualClock()
        random.seed(seed)
        self.start = self.clock.now()
        self.tasks, self.registry, self.body = declared(self.luck.asks, self.luck.concurrency, self.luck.adaptive)
        self.engine = self.store = Here(self.clock)
        self.queues = (*self.luck.chain, OTHER)
        self.workers, self.born = [], 0
        self.ids, self.lost, self.asked, self.done = 0, set(), [], Counter()
        self.waits, self.left = {}, 0

    def specs(self):
        luck = self.luck
        for queue in luck.chain:
            yield QueueSpec(
                name=queue, limit=luck.limits[queue], rate=luck.rates[queue], concurrency=luck.slots[queue],
                limit_bytes=40 if queue == luck.heavy else None, on_full="reject",
            )  # fmt: skip

    @property
    def at(self):
        """Seconds since it began."""
        return self.clock.now() - self.start

    def say(self, text):
        if self.tells:
            print(f"{self.at:6.2f}  {text}")

    # --- what is done ---

    async def play(self):
        await self.engine.open()
        await self.engine.declare(list(self.specs()))
        for _ in range(self.luck.workers):
            await self.begin()
        while self.at < CALM or self.left:
            assert self.at < END, f"stuck: {await self.engine.depth(list(self.queues))}"
            await self.step()
        found = await self.store.messages(Query(state=State.DEAD, limit=1))
        assert not found, f"dead: {found}"

    async def begin(self):
        self.born += 1
        worker = Worker(f"w{self.born}", self.engine, self.clock, self.registry, self.queues)
        await self.beat(worker)
        await worker.governor.declare()
        self.workers.append(worker)

    async def beat(self, worker):
        beat = Beat(worker=worker.name, lease=1e6, queues=self.queues, concurrency=self.luck.room)
        await self.engine.extend([beat])

    async def step(self):
        self.clock.advance(STEP)
        if self.luck.dies is not None and self.at >= self.luck.dies:
            await self.die()
        if self.at < CALM:
            await self.offer()
        for worker in self.workers:
            await self.end(worker)
            await self.lease(worker)
            if worker.next <= self.at:
                await worker.governor._look()
                await worker.pressure._look()
                worker.next = self.at + STEP * self.rng.randint(1, 3)
        await self.look()

    async def offer(self):
        first = self.luck.chain[0]
        made = [self.message(first, {}) for _ in range(self.luck.offers)]
        receipts = await self.engine.publish(made)
        refused = [one for one in receipts if one.fate is Fate.FULL]
        assert all(one.retry_after is None or one.retry_after > 0 for one in refused)
        if self.rng.random() < 0.5:
            one = self.message(OTHER, {})
            self.waits[one.id] = self.at
            await self.engine.publish([one])

    def message(self, queue, headers):
        self.ids += 1
        (one,) = self.tasks[queue].messages([self.body], self.tasks[queue].waiting)
        return replace(one, id=f"m{self.ids}", queue=queue, headers=headers or None)

    async def lease(self, worker):
        free = self.luck.room - len(worker.runs)
        if free <= 0:
            return
        leased = await self.engine.lease(Want(worker.name, self.queues, free))
        worker.time.heard(leased.now)
        for delivery in leased.deliveries:
            run = worker.executor.begin(delivery)
            if not isinstance(run, Run):
                assert isinstance(run, Park | Release), run
                await self.settle(worker, delivery, run)
                continue
            if delivery.queue == self.luck.asks:
                assert delivery.attempt == 1 or delivery.id in self.lost, f"{delivery.id} has lost an attempt"
                self.asked.append(self.at)
            if delivery.queue == OTHER:
                waited = self.at - self.waits[delivery.id]
                assert waited <= self.luck.prompt or delivery.attempt > 1, f"{delivery.id} has waited {waited:.2f} s"
            takes = self.luck.takes[delivery.queue] * self.rng.uniform(0.5, 1.5)
            worker.runs.append((self.at + takes, self.at, run))
        if any(one.queue == self.luck.asks for one in leased.deliveries):
            seen = (await look(self.store, ["p"]))["p"]
            may = self.luck.concurrency if seen.provider is None else slots(seen.provider, self.clock.now())
            assert seen.meter.running <= (may or 0), f"{seen.meter.running} calls, where {may} may be"

    async def end(self, worker):
        over = [one for one in worker.runs if one[0] <= self.at]
        worker.runs = [one for one in worker.runs if one[0] > self.at]
        for _, began, run in over:
            error = self.error(run.delivery.queue, began)
            if error is None:
                await self.pass_on(worker, run)
            result = worker.executor.judge(run, None, error)
            if run.task.running.provider:
                worker.executor.providers.ended(run, result)
            await self.settle(worker, run.delivery, result)

    def error(self, queue, began):
        """What the run that began then raises."""
        start, back = self.luck.outage
        if queue == self.luck.asks and start <= began < back:
            return Down("no answer")
        if queue == self.luck.asks and self.luck.throttles and began < CALM and self.rng.random() < 0.1:
            return Throttled(1)
        if queue == OTHER and began < CALM and self.rng.random() < 0.1:
            return ValueError("bad luck")
        return None

    async def pass_on(self, worker, run):
        """Its child comes into the next queue: what is done is never refused."""
        queue = run.delivery.queue
        if queue != OTHER and queue != self.luck.chain[-1]:
            target = self.luck.chain[self.luck.chain.index(queue) + 1]
            child = self.message(target, {PARENT: run.delivery.id})
            worker.executor.feeding(run.context, [child])
            (receipt,) = await self.engine.publish([child])
            assert receipt.fate is Fate.ACCEPTED, f"{run.delivery.id} was done, and its child is refused: {receipt}"

    async def settle(self, worker, delivery, result):
        (done,) = await self.engine.settle(worker.name, [Settlement(delivery, result, 0.1)])
        assert done, f"{delivery.id} was not settled"
        if isinstance(result, Ack):
            self.done[delivery.queue] += 1
        self.say(
            f"{worker.name} {delivery.queue} {delivery.id} {type(result).__name__} {getattr(result, 'reason', '')}"
        )

    async def die(self):
        self.luck.dies = None
        worker = self.workers.pop(0)
        self.lost |= {run.delivery.id for _, _, run in worker.runs}
        self.say(f"{worker.name} dies with {len(worker.runs)}")
        await self.engine.recover([worker.name])
        await self.begin()

    # --- what holds ---

    async def look(self):
        """The invariants, after each step."""
        self.left = 0
        for queue in self.queues:
            known = self.engine._memory.queue(queue)
            count, total = known.count, known.total
            waiting, running = count[State.READY] + count[State.SCHEDULED], count[State.RUNNING]
            self.left += waiting + running
            ended = total["done"] + total["cancelled"] + total["expired"] + total["discarded"] + count[State.DEAD]
            assert total["published"] == waiting + running + ended, f"{queue}: something is lost, or doubled"
            assert total["done"] == self.done[queue], f"{queue}: done {total['done']}, and {self.done[queue]} were told"
            assert known.size == waiting * len(self.body), f"{queue}: {waiting} messages have {known.size} bytes"
            if queue != OTHER:
                back = self.luck.workers * self.luck.room  # what was handed back has its place
                assert waiting <= self.luck.limits[queue] + reserve(self.luck.limits[queue]) + back
                assert self.luck.slots[queue] is None or running <= self.luck.slots[queue]
        (meter,) = await self.store.meters([meter_of("p")]) or [SimpleNamespace(running=0)]
        assert meter.running <= self.luck.concurrency, f"{meter.running} calls at a time"
        start, back = self.luck.outage
        asked = [at for at in self.asked if start + NOTICED + self.luck.takes[self.luck.asks] * 1.5 <= at < back]
        assert len(asked) <= 1 + 2 * (back - start), f"asked {len(asked)} times while it was down"


def _nothing() -> None:
    """What all tasks do."""


def play(seeds, *, tells=False):
    """Play these seeds, without a loop; raises at the first that fails, whose seed it names."""
    clock = SimpleNamespace(monotonic=lambda: 0.0)
    before = governor.time, pressure.time, pressure.asyncio
    governor.time = pressure.time = clock
    pressure.asyncio = SimpleNamespace(Event=asyncio.Event, get_running_loop=_nothing)
    try:
        for seed in seeds:
            story = Story(seed, tells=tells)
            clock.monotonic = story.clock.monotonic
            try:
                drive(story.play())
            except BaseException as error:
                error.add_note(f"seed {seed}, {story.at:.2f} s: cd tests && python -m properties.simulated {seed}")
                raise
    finally:
        governor.time, pressure.time, pressure.asyncio = before


if __name__ == "__main__":
    first, *count = map(int, sys.argv[1:])
    play(range(first, first + (count[0] if count else 1)), tells=not count)
