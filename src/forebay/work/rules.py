"""Rules as one worker sees them: read from the store, judged on each message that it has leased, before user code runs.

A message that a rule is carried out on goes back, or ends, at no attempt's cost. One that a rule cannot be judged on is
left as it is. Does not decide which rule counts: `flow.rule` does.
"""

import asyncio
import logging
import random
import time
from collections import Counter
from collections.abc import Callable, Collection, Mapping
from typing import Any

from forebay.engine.trouble import Trouble
from forebay.flow.lane import own
from forebay.flow.rule import Ready, judge, ordered, ready
from forebay.model import outcome
from forebay.model.delivery import Delivery
from forebay.model.errors import ConfigError, EngineClosed
from forebay.model.outcome import Outcome
from forebay.model.rule import Do, Rule, rule_of
from forebay.model.sealed import REROUTED
from forebay.produce.pricing import home
from forebay.produce.seal import Seal
from forebay.produce.sight import Sight
from forebay.produce.task import Task
from forebay.rules import Row, carry_out, counted, let_go, rows, tidy
from forebay.store.contract import Store

_logger = logging.getLogger("forebay.rules")
#: Seconds between two looks at the rules; at what a rule that is gone has left closed.
TICK, ANEW = 0.8, 10.0
#: Seconds that one waits which was leased before the gate of its rule was closed.
LATE = 0.5
#: Pairs of a rule and a reason that are told.
_TOLD = 200

Tasks = Mapping[str, Task[..., Any, Any]]


class Rules:
    """Those that one process knows.

    Attributes:
        known: what messages are judged by, in the order in which they count.
        kept: whether somebody keeps them; without (in a process that only runs one task) nothing is held back.
        seal: with which bodies are opened.
        urgent: set when a lane was found open that should not be.
        met, unread: by name, what was not written down yet.
    """

    def __init__(self, tasks: Tasks, now: Callable[[], float]) -> None:
        self._tasks, self._now = tasks, now
        self.known: list[Ready] = []
        self.kept = False
        self.seal: Seal | None = None
        self.urgent = asyncio.Event()
        self.met: Counter[str] = Counter()
        self.unread: Counter[str] = Counter()
        self._told: set[tuple[str, str]] = set()

    def concern(self, delivery: Delivery) -> bool:
        """Whether a message has to be judged at all."""
        return bool(self.known) or (self.kept and rule_of(delivery.lane) is not None)

    def fate(self, delivery: Delivery) -> Outcome | None:
        """What becomes of a message that was leased; None if it is to run."""
        now = self._now()
        if delivery.expires is not None and now > delivery.expires:
            return None
        facts = Sight(delivery, self.seal, delivery.attempt, max(0.0, now - delivery.created))
        found = judge(self.known, facts, now)
        for rule, why in found.unread:
            self._unread(rule, delivery, why)
        if found.rule is None:
            return self._home(delivery)
        result = self._carried_out(found.rule, delivery)
        self.met[found.rule.name] += result is not None and delivery.lane != found.rule.lane
        return result

    def _carried_out(self, rule: Rule, delivery: Delivery) -> Outcome | None:
        why, there = rule.why(), delivery.lane == rule.lane
        match rule.do:
            case Do.DROP:
                return outcome.Discard(why)
            case Do.PAUSE if rule.gated:
                return outcome.Release(LATE, why)
            case Do.PAUSE:
                if there:
                    self.urgent.set()
                return outcome.Park(rule.lane, why)
            case Do.THROTTLE:
                return None if there else outcome.Park(own(rule.lane, [rule.meter]), why, pause=0.0)
            case Do.REROUTE:
                return _rerouted(rule, delivery, why)

    def _home(self, delivery: Delivery) -> Outcome | None:
        """One that a rule has held up goes back into the lane of its provider, or of processes, if it has one."""
        task = self._tasks.get(delivery.task)
        if task is None or rule_of(delivery.lane) is None or not task.way[0]:
            return None
        return outcome.Park(home(task, delivery), "let go by a rule", pause=0.0)

    def _unread(self, rule: Rule, delivery: Delivery, why: str) -> None:
        self.unread[rule.name] += 1
        if (rule.name, why) not in self._told and len(self._told) < _TOLD:
            self._told.add((rule.name, why))
            text = "rule %s cannot be judged on %s (%s): %s; such messages are left as they are"
            _logger.warning(text, rule.name, delivery.id, delivery.task or delivery.queue, why)


def _rerouted(rule: Rule, delivery: Delivery, why: str) -> Outcome | None:
    """To another queue, unless it has been there: two rules would send it to and fro for ever."""
    headers = delivery.headers or {}
    been = [*headers.get(REROUTED, "").split(","), delivery.queue] if REROUTED in headers else [delivery.queue]
    if rule.to in been:
        return None
    return outcome.Reroute(rule.to, why, {**headers, REROUTED: ",".join(been)})


class Keeper:
    """Brings rules from the store to a worker, and what was counted back; puts right what they close.

    Args:
        queues: those that the worker serves. seal: with which bodies are opened.
    """

    def __init__(self, store: Store, rules: Rules, queues: Collection[str], seal: Seal | None) -> None:
        self._store, self._rules, self._queues = store, rules, queues
        rules.seal = seal
        self._trouble, self._anew = Trouble(_logger), 0.0
        self._ready: dict[str, Ready] = {}

    async def declare(self) -> None:
        """Know them before the first message."""
        await self.look()

    async def run(self) -> None:
        """Keep them until cancelled."""
        while True:
            try:
                await self.look()
                self._trouble.over("the look at the rules")
            except EngineClosed:
                raise
            except Exception as error:  # noqa: BLE001 - what is not known now is tried again
                self._trouble.tell("the look at the rules", error)
            await self._sleep(TICK * random.uniform(0.7, 1.0))

    async def _sleep(self, pause: float) -> None:
        try:
            async with asyncio.timeout(pause):
                await self._rules.urgent.wait()
                await asyncio.sleep(LATE)
        except TimeoutError:
            pass

    async def look(self) -> None:
        """See which rules there are."""
        self._rules.urgent.clear()
        self._rules.kept = True
        found = await rows(self._store)
        if gone := self._take(found):
            self._anew = 0.0  # one that was just removed may have been carried out here once more
            await let_go(self._store, gone)
        now = await self._store.now() if found else 0.0
        if any(row.rule.over(now) for row in found) or time.monotonic() >= self._anew:
            self._anew = time.monotonic() + ANEW
            await tidy(self._store, found, now)
        live = [row.rule for row in found if not row.rule.over(now)]
        if live:
            await carry_out(self._store, live, self._queues)
        await self._count()

    def _take(self, found: list[Row]) -> list[Rule]:
        """Judge by these from now on; a condition is read once. Those that are there no more."""
        before, self._ready = self._ready, {}
        for rule, _ in found:
            known = before.get(rule.name)
            same = known is not None and (known.rule.where, known.rule.since) == (rule.where, rule.since)
            try:
                self._ready[rule.name] = Ready(rule, known.condition) if known and same else ready(rule)
            except ConfigError as error:  # of another edition
                self._trouble.tell(f"rule {rule.name}", error, advice="it is not carried out by this worker")
        self._tell(before)
        self._rules.known = ordered([*self._ready.values()])
        return [one.rule for name, one in before.items() if name not in self._ready]

    def _tell(self, before: Mapping[str, Ready]) -> None:
        for name in self._ready.keys() - before.keys():
            rule = self._ready[name].rule
            _logger.info("rule %s: %s, by %s%s", name, rule.do, rule.by, rule.reason and f": {rule.reason}")
        for name in before.keys() - self._ready.keys():
            _logger.info("rule %s is over", name)

    async def _count(self) -> None:
        """Write down what has been met; what could not be is told the next time."""
        met, unread = self._rules.met, self._rules.unread
        for name in {*met, *unread}:
            counts = met.pop(name, 0), unread.pop(name, 0)
            done = False
            try:
                done = not any(counts) or await counted(self._store, name, *counts)
            finally:
                if not done:
                    met[name] += counts[0]
                    unread[name] += counts[1]
