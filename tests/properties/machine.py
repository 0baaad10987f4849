"""The one machine: rules by family, each a class to mix in, over `Twins`; a test chooses the families it is about.

A rule may let time pass first and then makes one call on both engines. After each step both are tidied and must look
the same through every reading verb, and no message may be lost or invented. How many, and for how long: see `bounds`.
"""

from collections.abc import Mapping, Sequence

from hypothesis import seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, multiple, rule
from msgspec.structs import replace

from forebay.engine.contract import Beat, Depth, Fate, Leased, Want
from forebay.flow.lane import parts
from forebay.model.delivery import Delivery
from forebay.model.lifecycle import State
from forebay.model.message import Carried, Failure, Message
from forebay.model.meter import Meter
from forebay.model.outcome import (
    Ack,
    Cancel,
    DeadLetter,
    Discard,
    Expire,
    Lose,
    Outcome,
    Park,
    Release,
    Retry,
    Settlement,
    Snooze,
)
from forebay.model.queue import QueueSpec
from forebay.store.records import Choice, Query
from properties.bounds import ASKED, HISTORIES, SEED, SETTINGS, Budget
from properties.leading import ROUNDS, follow, startable
from properties.twins import Twins, answer

BOOM = Failure("ValueError", "boom")
WORKERS, QUEUES, LANES = ("w1", "w2", "w3"), ("p", "q"), ("", "slow", "smtp")
EVERYTHING = 1_000

Pair = tuple[str, Delivery, Delivery]

passing = st.sampled_from([0.0, 0.0, 0.0, 1.0, 10.0, 20.0])
names = st.integers(1, 8).map(lambda number: f"{number:032x}")
several = st.lists(names, min_size=1, max_size=3, unique=True)
queues = st.sampled_from(QUEUES)
workers = st.sampled_from(WORKERS)
lanes = st.sampled_from(LANES)
holders = st.sampled_from(["operator", "breaker"])
choices = st.builds(
    Choice,
    ids=st.none() | several,
    queue=st.none() | queues,
    key=st.none() | st.sampled_from(["tenant", "nobody"]),
    state=st.none() | st.sampled_from(State),
)
leases = Bundle("leases")


class Machine(RuleBasedStateMachine):
    """Publishing, leasing and acknowledging, which every history has."""

    leases = leases
    #: Seconds that a beat holds; long, where losing workers is not the subject.
    lease_for = 1e9
    #: The model and the system under test.
    make_twins = Twins
    #: The time of this machine's test.
    budget: Budget

    def __init__(self) -> None:
        super().__init__()
        self.budget.begin()
        self.twins = self.make_twins()
        self._fences: dict[tuple[int, str], int] = {}
        try:
            for worker in WORKERS:
                self.beat(worker)
        except BaseException:
            self.teardown()  # nobody else does
            raise

    def teardown(self) -> None:
        self.budget.end()
        self.twins.close()

    def later(self, seconds: float) -> None:
        """Let time pass on both. An end past its retention is forgotten by tidying; until then either may know it."""
        self.twins.clock.advance(seconds)
        self.tidy()

    def tidy(self) -> None:
        for side in (self.twins.model, self.twins.system):
            answer(side, "tidy", ())

    def beat(self, worker: str) -> None:
        self.twins.agree("extend", [Beat(worker=worker, lease=self.lease_for)])

    def publish(self, called: Sequence[str], **fields: object) -> None:
        self.take_in([Message(id=name, **{"queue": "q", **fields}) for name in called])

    def take_in(self, messages: Sequence[Message]) -> None:
        for receipt in self.twins.agree("publish", messages)[0]:
            if receipt.fate is Fate.ACCEPTED:  # a name may come back once its end is forgotten: another message
                for side in (0, 1):
                    self._fences.pop((side, receipt.id), None)

    def some(self, limit: int) -> int:
        """So many, if both have the same ones first: where the newest run first that is an engine's affair."""
        return EVERYTHING if self.twins.newest else limit

    def settle(self, pairs: Sequence[Pair], outcome: Outcome, worker: str | None = None) -> None:
        """Settle in the name of whoever leased the first of them, or in another's."""
        holder = worker or pairs[0][0]
        self.twins.agree_on(
            "settle",
            (holder, [Settlement(mine, outcome) for _, mine, _ in pairs]),
            (holder, [Settlement(theirs, outcome) for _, _, theirs in pairs]),
        )

    @rule(called=several, queue=queues, priority=st.sampled_from([0, 0, 5, -1]), passing=passing)
    def publish_some(self, called, queue, priority, passing):
        self.later(passing)
        self.publish(called, queue=queue, priority=priority, key="tenant", headers={"a": "b"}, body=b"\x80")

    @rule(target=leases, worker=workers, chosen=st.sampled_from([("q",), ("p",), QUEUES]), limit=st.integers(0, 4))
    def lease(self, worker, chosen, limit):
        return self._lease(worker, chosen, limit)

    @rule(target=leases, worker=workers, passing=passing)
    def lease_everything(self, worker, passing):
        self.twins.clock.advance(passing)  # untidied: a lease itself sees what is due and what is too late
        return self._lease(worker, QUEUES, EVERYTHING)

    @rule(pair=leases, passing=passing)
    def ack(self, pair, passing):
        self.later(passing)
        self.settle([pair], Ack(b"\xc3", keep=60))

    @rule(pair=leases, more=st.lists(leases, min_size=1, max_size=3))  # a list alone would be drawn without leases too
    def ack_several(self, pair, more):
        """In the order in which they were published: which of several that end at once ended first, nobody promises."""
        self.settle(sorted([pair, *more], key=lambda one: one[2].receipt), Ack())

    def _lease(self, worker: str, chosen: Sequence[str], limit: int, caps: Mapping[str, int] | None = None):
        if limit and self._depends_on_turns(chosen):
            return self._led(Want(worker, chosen, EVERYTHING if limit > 2 else limit, caps or {}))
        if limit and sum(len(lines) for lines in self._lines(chosen)) > 1:
            limit = EVERYTHING  # a limit would be shared out between lanes, each engine in its own rotation
        mine, theirs = self.twins.agree("lease", Want(worker, chosen, limit, caps or {}))
        if not isinstance(mine, Leased):
            return multiple()  # both say that this worker has no lease
        return self._pairs(worker, mine, theirs)

    def _led(self, want: Want):
        """A lease where the engine may choose, and memory follows; nothing that may start stays."""
        pairs: list[Pair] = []
        for _ in range(ROUNDS):
            theirs = answer(self.twins.system, "lease", [want])
            if not isinstance(theirs, Leased):
                assert answer(self.twins.model, "lease", [want]) is theirs
                break
            mine = follow(self.twins.model, want, theirs.deliveries)
            by_id = {one.id: one for one in theirs.deliveries}
            for one in mine.deliveries:
                assert self.twins.view(by_id[one.id]) == self.twins.view(one)
            pairs += self._pairs(want.worker, mine, theirs).values
            if want.limit < EVERYTHING or not startable(self.twins.model, want):
                break
        else:
            raise AssertionError(f"these may start, and stay: {startable(self.twins.model, want)}")
        return multiple(*pairs)

    def _pairs(self, worker: str, mine: Leased, theirs: Leased):
        for side, leased in enumerate((mine, theirs)):
            for delivery in leased.deliveries:
                assert delivery.fence > self._fences.get((side, delivery.id), 0), "a fence grows with every lease"
                self._fences[side, delivery.id] = delivery.fence
        other = {delivery.id: delivery for delivery in theirs.deliveries}
        return multiple(*((worker, delivery, other[delivery.id]) for delivery in mine.deliveries))

    def _lines(self, queues: Sequence[str]) -> list[set[str]]:
        """The lanes of each queue in which something waits, with either engine."""
        found: list[set[str]] = [set() for _ in queues]
        for side in (self.twins.model, self.twins.system):
            for lines, depth in zip(found, answer(side, "depth", [list(queues)]), strict=True):
                apart = {lane.lane: lane.ready + lane.parked for lane in depth.lanes}
                lines.update(lane for lane, n in apart.items() if n)
                lines.update([""] if depth.ready + depth.parked > sum(apart.values()) else [])
        return found

    def _depends_on_turns(self, queues: Sequence[str]) -> bool:
        """Whether lanes of them share a meter, so that each engine may say which of them gets what it lets through."""
        found = self._lines(queues)
        meters = [meter.name for meter in answer(self.twins.model, "meters", ())]
        for lines in found:
            keys = [parts(line).key for line in lines if parts(line).key is not None]
            if len(lines) > 1 and (meters or len(set(keys)) < len(keys)):
                return True
        return sum(map(len, found)) > 1 and any(":" not in name for name in meters)  # of no one queue

    @invariant()
    def they_look_the_same(self):
        self.tidy()
        self.twins.agree("find", [f"{number:032x}" for number in range(1, 9)])
        self.twins.agree("messages", Query(limit=EVERYTHING))
        for depth in self.twins.agree("depth", list(QUEUES))[1]:
            assert depth.published == accounted_for(depth), "nothing is lost, nothing is invented"

    @rule(
        state=st.none() | st.sampled_from(State), queue=st.none() | queues, key=st.none() | st.just("tenant"),
        unique=st.none() | st.just("k1"), limit=st.sampled_from([1, 2, EVERYTHING]),
    )  # fmt: skip
    def look_closer(self, state, queue, key, unique, limit):
        query = Query(state=state, queue=queue, key=key, unique=unique, limit=self.some(limit))
        self.twins.agree("messages", query)
        self.twins.agree("gates")
        self.twins.agree("meters", ["queue:q", "queue:p", "key:q:tenant", "key:q:t1", "task:q:a", "provider"])
        self.twins.agree("workers")
        for worker in WORKERS:
            self.twins.agree("held", worker)


def histories(machine: type[Machine], share: int = 1) -> type:
    """The test that runs generated histories of a machine; a `share`th of the usual number, if a step takes long."""
    machine.budget = Budget()
    made = seed(SEED)(machine).TestCase
    made.settings = settings(SETTINGS, max_examples=ASKED or max(5, HISTORIES // share))
    made.budget = machine.budget
    return made


def accounted_for(depth: Depth) -> int:
    """Messages of a queue that wait, run, or have ended."""
    waiting = depth.scheduled + depth.ready + depth.parked + depth.running
    return waiting + depth.dead + depth.done + depth.cancelled + depth.expired + depth.discarded


class Delays:
    """Messages that are due later."""

    @rule(called=several, delay=st.sampled_from([0.0, 5.0, 30.0]))
    def publish_delayed(self, called, delay):
        self.publish(called, delay=delay)

    @rule(called=several, ahead=st.sampled_from([-10.0, 0.0, 15.0]))
    def publish_due(self, called, ahead):
        self.publish(called, due=self.twins.clock.now() + ahead, delay=99.0)


class Failing:
    """Outcomes that lead back to waiting."""

    @rule(pair=leases, delay=st.sampled_from([0.0, 5.0, 30.0]))
    def retry(self, pair, delay):
        self.settle([pair], Retry(delay, BOOM))

    @rule(pair=leases, delay=st.sampled_from([0.0, 15.0]))
    def snooze(self, pair, delay):
        self.settle([pair], Snooze(delay))

    @rule(pair=leases, more=st.lists(leases, max_size=2), why=st.sampled_from([Release(), Release(5.0, "not here")]))
    def release(self, pair, more, why):
        self.settle([pair, *more], why)

    @rule(pair=leases, delay=st.sampled_from([0.0, 10.0]), passing=passing)
    def nobody_knows_the_task(self, pair, delay, passing):
        self.later(passing)
        self.settle([pair], Release(delay, "no worker here knows it", unknown=True))


class Cancelling:
    """Stopping what waits and what runs."""

    @rule(called=several, passing=passing)
    def cancel(self, called, passing):
        self.later(passing)
        self.twins.agree("cancel", called)

    @rule(choice=choices, limit=st.sampled_from([1, 2, 100]))
    def cancel_all(self, choice, limit):
        self.twins.agree("cancel_all", choice, self.some(limit))

    @rule(pair=leases, why=st.sampled_from([Cancel(), Cancel("because"), Discard("old")]))
    def give_up(self, pair, why):
        self.settle([pair], why)


class Expiring:
    """Messages that are worth starting only for a while."""

    @rule(called=several, ttl=st.sampled_from([0.0, 5.0, 15.0]), delay=st.sampled_from([0.0, 0.0, 10.0]))
    def publish_short_lived(self, called, ttl, delay):
        self.publish(called, ttl=ttl, delay=delay)

    @rule(ttl=st.sampled_from([None, 10.0]))
    def give_the_queue_a_time_to_live(self, ttl):
        self.twins.agree("declare", [QueueSpec(name="q", ttl=ttl)])

    @rule(pair=leases)
    def too_late(self, pair):
        self.settle([pair], Expire())


class Lanes:
    """Lanes, their gates, and parking."""

    @rule(called=several, queue=queues, lane=lanes)
    def publish_in_a_lane(self, called, queue, lane):
        self.publish(called, queue=queue, lane=lane)

    @rule(pair=leases, lane=lanes, ahead=st.sampled_from([None, -5.0, 15.0]), passing=passing)
    def park(self, pair, lane, ahead, passing):
        self.later(passing)
        self.settle([pair], Park(lane, "down", None if ahead is None else self.twins.clock.now() + ahead))

    @rule(queue=queues, lane=st.none() | lanes, holder=holders, ahead=st.sampled_from([None, None, 0.0, 15.0]))
    def close_gate(self, queue, lane, holder, ahead):
        until = None if ahead is None else self.twins.clock.now() + ahead
        self.twins.agree("close_gate", queue, lane, "deploy", holder, until)

    @rule(queue=queues, lane=st.none() | lanes, holder=holders)
    def open_gate(self, queue, lane, holder):
        self.twins.agree("open_gate", queue, lane, holder)

    @rule(worker=workers, lane=lanes)
    def lease_all_but_a_lane(self, worker, lane):
        self._lease(worker, QUEUES, EVERYTHING, {lane: 0})


class Bounded:
    """Rates, slots, keys in order, and gates and meters on tasks and keys."""

    @rule(
        queue=queues,
        rate=st.sampled_from([None, None, 0.1, 1.0]),
        concurrency=st.sampled_from([None, None, 1, 2]),
        key_rate=st.sampled_from([None, 0.1, 1.0]),
        key_concurrency=st.sampled_from([None, 1, 2]),
        order=st.sampled_from([{}, {}, {"ordered": True}, {"ordered": True}, {"lifo": True}]),
        limit=st.sampled_from([None, None, None, 1, 3, 8]),
        reserve=st.sampled_from([None, 0.4]),
        on_full=st.sampled_from(["reject", "shed_oldest"]),
    )
    def declare(self, queue, key_concurrency, order, limit, reserve, on_full, **bounds):  # noqa: PLR0917
        slots = None if "ordered" in order else key_concurrency
        self.twins.newest = self.twins.newest or "lifo" in order
        bounds |= {} if limit is None else {"limit": limit, "on_full": on_full}
        bounds |= {"reserve": reserve} if limit not in (None, 1) and on_full == "reject" else {}
        self.twins.agree("declare", [QueueSpec(name=queue, key_concurrency=slots, **order, **bounds)])

    @rule(
        called=several, queue=queues, key=st.sampled_from([None, "t1", "t2"]), task=st.sampled_from(["a", "b"]),
        lane=st.sampled_from(["", "", "smtp", "cpu"]), meters=st.sampled_from([(), (), ("provider",)]),
        cost=st.sampled_from([1.0, 1.0, 2.0, 0.5, 0.0]), delay=st.sampled_from([0.0, 0.0, 10.0]),
    )  # fmt: skip
    def publish_apart(self, called, lane, meters, **fields):
        self.publish(called, lane="metered" if meters else lane, meters=meters, **fields)

    @rule(
        queue=st.sampled_from([*QUEUES, ""]), about=st.sampled_from([{"task": "a"}, {"key": "t1"}]), holder=holders,
        ahead=st.sampled_from([None, None, 15.0]), opened=st.booleans(),
    )  # fmt: skip
    def turn_a_gate(self, queue, about, holder, ahead, opened):
        until = None if ahead is None else self.twins.clock.now() + ahead
        if opened:
            self.twins.agree_on("open_gate", *[((queue, None, holder), about)] * 2)
        else:
            self.twins.agree_on("close_gate", *[((queue, None, "why", holder, until), about)] * 2)

    @rule(
        name=st.sampled_from(["provider", "task:q:a", "key:q:t1", "queue:q"]), rate=st.sampled_from([None, 0.1, 1.0]),
        slots=st.sampled_from([None, 0, 1, 2]), older=st.sampled_from([0, 0, 0, 1]),
    )  # fmt: skip
    def put_a_meter(self, name, rate, slots, older):
        before = answer(self.twins.model, "meters", [[name]])
        generation = before[0].generation - older if before else older
        self.twins.agree("put_meters", [Meter(name=name, rate=rate, slots=slots, generation=generation)])

    @rule(name=st.sampled_from(["provider", "task:q:a", "key:q:t1"]))
    def drop_a_meter(self, name):
        self.twins.agree("drop_meters", [name])


class Crowded:
    """Keys whose messages wait in several lanes of one queue, while what is told apart comes and goes."""

    @rule(
        called=st.lists(st.integers(9, 60).map(lambda number: f"{number:032x}"), min_size=1, max_size=3, unique=True),
        key=st.sampled_from(["t1", "t1", "t2", None]), task=st.sampled_from(["a", "b"]),
        lane=st.sampled_from(["", "", "cpu"]), delay=st.sampled_from([0.0, 0.0, 10.0]),
        priority=st.sampled_from([0, 0, 0, 5]), ttl=st.sampled_from([None, None, 15.0]),
    )  # fmt: skip
    def publish_among_many(self, called, **fields):
        self.publish(called, **fields)

    @rule(
        told=st.sampled_from([
            {}, {"ordered": True}, {"key_concurrency": 1}, {"key_rate": 0.1}, {"concurrency": 2}, {"fair": True},
            {"fair": True, "key_concurrency": 1}, {"lifo": True}, {"lifo": True, "fair": True},
            {"lifo": True, "key_concurrency": 1},
        ])
    )  # fmt: skip
    def tell_apart(self, told):
        self.twins.newest = self.twins.newest or "lifo" in told
        if "fair" not in told or self.twins.system.capabilities.fair:
            self.twins.agree("declare", [QueueSpec(name="q", **told)])

    @rule(about=st.sampled_from([{"task": "a"}, {"key": "t1"}]), opened=st.booleans())
    def pause_or_resume(self, about, opened):
        verb = "open_gate" if opened else "close_gate"
        self.twins.agree_on(verb, *[(("q", None), about)] * 2)

    @rule(target=leases, worker=workers)
    def lease_what_there_is(self, worker):
        return self._lease(worker, ["q"], EVERYTHING)

    @rule(pair=leases, lane=st.sampled_from(["cpu", "smtp"]))
    def park_in_an_open_lane(self, pair, lane):
        self.settle([pair], Park(lane, "down"))

    @rule(called=st.integers(9, 60).map(lambda number: f"{number:032x}"))
    def cancel_one(self, called):
        self.twins.agree("cancel", [called])


class Dying:
    """Dead letters, redriven and purged."""

    @rule(pair=leases, cause=st.sampled_from([DeadLetter("bug", BOOM), DeadLetter("why")]), passing=passing)
    def dead_letter(self, pair, cause, passing):
        self.later(passing)
        self.settle([pair], cause)

    @rule(choice=choices, limit=st.sampled_from([1, 2, 100]))
    def redrive(self, choice, limit):
        self.twins.agree("redrive", choice, self.some(limit))

    @rule(choice=choices, limit=st.sampled_from([1, 100]))
    def purge(self, choice, limit):
        self.twins.agree("purge", choice, self.some(limit))


class Unique:
    """Keys that only one live message may hold."""

    @rule(
        called=several,
        key=st.sampled_from(["k1", "k2"]),
        delay=st.sampled_from([0.0, 10.0]),
        ttl=st.sampled_from([None, 5.0]),  # late ones stand in nobody's way
        passing=passing,
    )
    def publish_unique(self, called, key, delay, ttl, passing):
        self.later(passing)
        self.publish(called, unique=key, delay=delay, ttl=ttl)

    @rule(
        called=several,
        key=st.sampled_from(["k1", "k2"]),
        queue=queues,
        more=st.sampled_from([None, 12.0]),
        passing=passing,
    )
    def publish_debounced(self, called, key, queue, more, passing):
        self.later(passing)
        for name in called:
            self.publish([name], unique=key, queue=queue, debounce=5.0, max_wait=more, body=name.encode())


class Moved:
    """Messages that come from elsewhere, with what they have been through there; and runs that took their time."""

    @rule(
        called=several,
        history=st.builds(Carried, st.integers(0, 3), st.integers(0, 3), failure=st.sampled_from([None, BOOM])),
        age=st.sampled_from([None, -5.0, 0.0, 12.0]),
        more=st.sampled_from([{}, {"ttl": 20.0}, {"delay": 5.0}, {"unique": "k1"}, {"unique": "k1", "debounce": 5.0}]),
    )
    def publish_carried(self, called, history, age, more):
        carried = replace(history, created=None if age is None else self.twins.clock.now() - age)
        for some in [[name] for name in called] if "debounce" in more else [called]:
            self.publish(some, carried=carried, **more)

    @rule(pair=leases, took=st.sampled_from([0.0, 0.25, 7200.5]))
    def settle_what_took_its_time(self, pair, took):
        holder, mine, theirs = pair
        both = ([Settlement(one, Ack(), took)] for one in (mine, theirs))
        self.twins.agree_on("settle", *((holder, settlements) for settlements in both))


class Losing:
    """Workers that stop beating, are buried, and come back."""

    @rule(worker=workers, passing=passing)
    def beat_again(self, worker, passing):
        self.later(passing)
        self.beat(worker)

    @rule(lost=st.lists(workers, max_size=2), passing=passing)
    def recover(self, lost, passing):
        self.later(passing)
        self.twins.agree("recover", lost)

    @rule(pair=leases, worker=workers)
    def settle_in_a_foreign_name(self, pair, worker):
        self.settle([pair], Ack(), worker)

    @rule(pair=leases)
    def lose(self, pair):
        self.settle([pair], Lose("killed by signal 9"))

    @rule(pair=leases, passing=passing)
    def progress(self, pair, passing):
        self.later(passing)
        self.twins.agree_on("progress", (pair[1], b"\x05"), (pair[2], b"\x05"))

    @rule(step=st.sampled_from([-600.0, 600.0]))
    def somebody_sets_the_date(self, step):
        self.twins.clock.wall += step
