"""Providers as one worker sees them: what a failure means, what may start, and what calls have come to.

Decides nothing about a provider itself: that is the governor's, who reads and writes how it stands for all workers, and
puts what it has read here. Without a governor (in a process that only runs one task) nothing is held back.
"""

import asyncio
import logging
import random
import time
from collections.abc import Mapping
from typing import Any, Protocol

from msgspec.structs import replace

from forebay.flow import spent
from forebay.flow.breaker import away, overdue, pause, probed, told
from forebay.flow.budget import KNOWN
from forebay.flow.down import ProviderDown
from forebay.flow.lane import owned
from forebay.flow.repeats import Repeats
from forebay.flow.retry import Retry, telling
from forebay.flow.snooze import Snooze
from forebay.model import errors, outcome
from forebay.model.delivery import Delivery
from forebay.model.duration import span
from forebay.model.message import Failure
from forebay.model.outcome import Outcome, Park
from forebay.model.plain import first_line
from forebay.model.provider import Call, Provider, Stand, key_in, keyed, lane_of, meter_of, of_lane, unkeyed
from forebay.model.rule import rule_of
from forebay.model.verdict import Kind, Verdict
from forebay.produce.pricing import home
from forebay.produce.provided import ProviderSpec
from forebay.produce.task import Task
from forebay.work.fallback import Fallbacks, Tasks
from forebay.work.run import ISOLATE_AFTER, Run
from forebay.work.said import said

#: Seconds that a message waits at first, and at the most, which meets an outage that no breaker knows of yet.
PAUSE, LONGEST = 1.0, 60.0
#: Seconds that a key waits which is to wait, and was not told for how long.
KEY_PAUSE = 5.0
#: Seconds that one waits which was leased when its provider was no longer to be asked.
LATE = 0.5
#: Outages that one message may meet while its provider answers others; how many such messages are remembered.
ALONE, MOST_MET = 10, 1_000
#: Seconds that a message stays behind others of its provider which was a probe and has failed: at first, and what is
#: added when it fails again, in pauses until the next probe. By chance, so that several of them do not take turns.
BEHIND, TURNS = 1.0, 2.0
#: Calls that are kept for the governor.
MOST = 20_000


#: Unknown names that are told.
_NAMES = 100
_logger = logging.getLogger("forebay.provider")


class Tells(Protocol):
    """Whoever is told of calls that matter at once."""

    def __call__(self) -> None: ...


def _nobody() -> None:
    """There is no governor."""


class Providers:
    """Those that one process knows.

    Attributes:
        view: how they stand, as far as is known.
        calls: what calls have come to since somebody last took them.
        places: lanes of queues in which messages of each were seen.
        urgent: called when something has happened that others should know at once.
        falls: those whose fallback could run what waits for them, when that was last asked.
        waiters: set when the calls up to now have been written down.
    """

    def __init__(self, specs: Mapping[str, ProviderSpec]) -> None:
        self.specs = specs
        self.view: dict[str, Provider] = {}
        self.calls: dict[str, list[Call]] = {}
        self.urgent: Tells = _nobody
        self._met: dict[str, int] = {}
        self._asked: dict[str, int] = {}
        self._unknown: set[str] = set()
        self.waiters: list[asyncio.Event] = []
        self.fallbacks = Fallbacks(self)
        self.falls: set[str] = set()
        self._repeats: dict[str, Repeats] = {}
        self._charges: dict[str, tuple[float, int]] = {}

    # --- before a run ---

    def held(self, task: Task[..., Any, Any], delivery: Delivery, now: float) -> Outcome | None:
        """What becomes of a message that was leased, and whose provider is not to be asked now; None if it is."""
        name = task.running.provider
        one = self.view.get(name or "")
        if name is None or one is None:
            return None
        if not one.shut(now):
            if why := self._not_now(one, delivery, now):
                return outcome.Release(LATE, why)
            return _homeward(name, task, delivery, f"its task depends on provider {name}")
        if _moved_on(one, now):
            self.view[name] = probed(one, now, 0)
            return None
        if one.burying and overdue(one, delivery.created, now):
            return outcome.DeadLetter(_given_up(one, now))
        return _back(name, task, delivery, told(one, now))

    def _not_now(self, one: Provider, delivery: Delivery, now: float) -> str:
        """Why what is leased is not to be asked, though nothing held it: it is handed out for the fallback.

        A budget is used up, of its provider or of its key, and it has not paid for it; or its key was told to wait.
        """
        spec, key = self.specs.get(one.name), one.spent_key(delivery.lane, now)
        falls = spec is not None and spec.fallback is not None
        if one.spent > now and (one.diverted or (falls and now - one.spent_at > KNOWN)):
            return told(one, now)
        if key is not None and (key.diverted or key.throttled > now or (falls and now - key.at > KNOWN)):
            return spent.told(one, key, now)
        return ""

    def instead(
        self, task: Task[..., Any, Any], tasks: Tasks, now: float, delivery: Delivery
    ) -> Task[..., Any, Any] | None:
        """What is run in the place of this task, whose provider is not to be asked for long; None if nothing is.

        What runs in a process of its own, after workers have died with it, knows no provider but its task's.
        """
        one = self.view.get(task.running.provider or "")
        if one is None or delivery.lost >= ISOLATE_AFTER:
            return None
        key = one.spent_key(delivery.lane, now)
        if not (one.diverted and one.elsewhere(now)) and (key is None or not key.diverted):
            return None
        return self.fallbacks.instead(task, tasks, now)

    # --- after a run ---

    def judged(self, run: Run, error: BaseException, failure: Failure) -> Outcome | None:
        """What becomes of a run that has failed because of its provider; None if its retry policy is to say."""
        one = telling(error)
        if isinstance(one, ProviderDown):
            return self._down(run, one, failure)
        name, running = run.task.running.provider, run.task.running
        if name is None or name not in self.specs or isinstance(one, errors.DeadLetter | Retry | Snooze):
            return None
        run.verdict = verdict = self._verdict(name, error, run)
        if running.at_most_once or verdict.kind in (Kind.REJECTED, Kind.BUG):
            return None
        now = run.time.now()
        if verdict.kind is Kind.OUTAGE and (dead := self._overdue(name, run, failure, now)):
            return dead
        if verdict.kind is Kind.OUTAGE and self._alone(name, run.delivery.id):
            return None
        until = now + verdict.retry_after if verdict.retry_after else None  # a time that has passed says nothing
        of_key = key_in(_lane(name, run.task, run.delivery))
        throttles = verdict.kind is Kind.THROTTLE and (until is not None or of_key)
        until = until if throttles else self._shuts(name, now, until)
        return self._parked(run, name, f"{failure}", until, "throttle" if throttles else "outage")

    def _alone(self, name: str, message: str) -> bool:
        """Whether only this message fails, again and again, while the provider answers others: then its attempts count.

        A request that a service cannot digest looks like an outage, and would be asked for ever.
        """
        one = self.view.get(name)
        if one is None or one.stand is not Stand.CLOSED or one.down is not None:
            return False
        return _counted(self._met, message) > ALONE

    def _verdict(self, name: str, error: BaseException, run: Run) -> Verdict:
        from forebay.provider.classify import verdict  # when something has failed, and not at each start

        return verdict(name, self.specs[name].classify, error, run.time.now())

    def _down(self, run: Run, error: ProviderDown, failure: Failure) -> Outcome | None:
        if error.provider not in self.specs:
            self._tell_unknown(run.task.name, error.provider)
            return None
        if run.task.running.at_most_once:
            return None
        now = run.time.now()
        run.verdict = Verdict(kind=Kind.OUTAGE)
        if dead := self._overdue(error.provider, run, failure, now):
            return dead
        until, cause = error.at(now), error.__cause__ or error.__context__
        because = f"{errors.name_of(cause)}: {errors.text_of(cause)}" if cause is not None else "its task says so"
        return self._parked(run, error.provider, because, until, "down")

    def _tell_unknown(self, task: str, name: str) -> None:
        """A slip of the pen: the attempt counts, so that nothing is tried for ever; told once for each name."""
        if name in self._unknown or len(self._unknown) >= _NAMES:
            return
        self._unknown.add(name)
        known = ", ".join(sorted(self.specs)) or "none"
        text = "task %s: ProviderDown(%r), but no such provider is declared (known are %s): its attempts count; %s"
        _logger.warning(text, task, name, known, f"declare it with app.provider({name!r}), or correct the name")

    def _overdue(self, name: str, run: Run, failure: Failure, now: float) -> Outcome | None:
        one = self.view.get(name)
        if one is None or not overdue(one, run.delivery.created, now):
            return None
        return outcome.DeadLetter(f"{_given_up(one, now)}; the last: {failure}", failure)

    def _shuts(self, name: str, now: float, until: float | None) -> float | None:
        """A probe that fails gives its slot back: its lane is shut in the same step, so that no other one goes."""
        one = self.view.get(name)
        if one is None or one.stand is not Stand.HALF_OPEN:
            return until
        return max(now + pause(one), until or 0.0)

    def _parked(self, run: Run, name: str, why: str, until: float | None, blame: outcome.Blame) -> Outcome:
        """Back to its lane; the attempt does not count."""
        delivery, view, now = run.delivery, self.view.get(name), run.time.now()
        until = until if until is not None and until > now else None
        what = "asked to wait" if run.verdict and run.verdict.kind is Kind.THROTTLE else "is down"
        reason = f"provider {name} {what}: {first_line(why)}"[: errors.LONGEST]
        wait = outcome.PAUSE if view is not None and view.stand is not Stand.CLOSED else _pause(view, now)
        wait = max(wait, self._put_off(name)) if until is None else wait
        lane = _lane(name, run.task, delivery)
        if blame == "throttle" and until is None and unkeyed(lane) != lane:
            until = now + KEY_PAUSE  # no breaker looks after a key
        if run.elsewhere:  # it goes back to where it waits for its own provider
            run.until = until
            return outcome.Release(wait, reason)
        if blame == "throttle" and until is not None:  # no sooner than the retry budget allows, if that is later
            behind = max(0.0, self._put_off(name) - (until - now))
        else:
            behind = self._behind(view, delivery.id, now)
        return Park(lane, reason, until, pause=wait, behind=behind, provider=name, blame=blame)

    def _behind(self, one: Provider | None, message: str, now: float) -> float:
        """Seconds for which others go before a probe: it would be the next one as well, and may be all that fails.

        A request that a service cannot digest would keep it from all others, for ever.
        """
        if one is None or not (one.stand is Stand.HALF_OPEN or _moved_on(one, now)):
            return 0.0
        if one.name in self.falls and away(replace(one, stand=Stand.OPEN, until=now + pause(one)), now):
            return 0.0  # its fallback runs it, as soon as all know
        again = _counted(self._asked, message) - 1
        return BEHIND + (pause(one) * random.uniform(0.0, min(again, TURNS)) if again else 0.0)

    def spaced(self, run: Run, error: BaseException, result: Outcome) -> Outcome:
        """What the retry policy of a run says, no sooner than the retry budget of its provider allows."""
        name = run.task.running.provider
        asked = isinstance(telling(error), Retry)
        if name is None or name not in self.specs or asked or not isinstance(result, outcome.Retry):
            return result
        return replace(result, delay=max(result.delay, self._put_off(name)))

    def _put_off(self, name: str) -> float:
        """Seconds by which a repeat is put off, so that few calls are repeats."""
        return 0.0 if self.specs[name].retry_budget is None else self._budget(name).wait(time.monotonic())

    def _budget(self, name: str) -> Repeats:
        if name not in self._repeats:
            self._repeats[name] = Repeats(self.specs[name].retry_budget or 0.0, time.monotonic())
        return self._repeats[name]

    # --- what calls have come to ---

    def probed(self, run: Run, result: Outcome) -> asyncio.Event | None:
        """Set when others know of a call that failed because of its provider; None if it did not, or nobody tells them.

        Of any such call, whatever is known of its provider here: it may have been the probe, and that is not known yet.
        """
        park = result if isinstance(result, Park) and result.blame in ("outage", "down") else None
        one = None if park is None else self.view.get(park.provider)
        if one is None or self.urgent is _nobody:
            return None
        word = asyncio.Event()
        self.waiters.append(word)
        self.ended(run, result)
        return word

    def ended(self, run: Run, result: Outcome) -> None:
        """A run of a task with a provider, or one that has found a provider to be down, has ended."""
        if run.called:
            return
        run.called = True
        self._give_back(run, result)
        name = (result.provider if isinstance(result, Park) else "") or run.task.running.provider or ""
        if name not in self.specs:
            return
        trip = self.specs[name].terms.breaker
        took = time.monotonic() - run.started
        slow = trip is not None and trip.slow is not None and took > trip.slow
        self._charge(name, run)
        self._budget(name).called(time.monotonic())
        call = said(run, result, slow, took)
        calls = self.calls.setdefault(name, [])
        if len(calls) < MOST:
            calls.append(call)
        if self._matters(name, call):
            self.urgent()

    def _charge(self, name: str, run: Run) -> None:
        """What it has cost beyond what its meter was charged: all of it, where it went elsewhere."""
        if run.used is None and not run.elsewhere:
            return
        cost = run.price() if run.used is None else run.used
        cost, calls = (cost, 1) if run.elsewhere else (cost - run.price(), 0)
        for meter in self._payers(name, run):
            before = self._charges.get(meter, (0.0, 0))
            self._charges[meter] = before[0] + cost, before[1] + calls

    def _give_back(self, run: Run, result: Outcome) -> None:
        """What went elsewhere because of its key alone has asked nothing of its own provider, and was charged there."""
        one = self.view.get(of_lane(run.delivery.lane))
        if run.paid is None or one is None or one.diverted or isinstance(result, outcome.Release):
            return
        key = one.spent_key(run.delivery.lane, run.time.now())
        paid = one.terms.keyed and key is not None and not key.budget  # one that is used up was not charged
        mine = [keyed(meter_of(one.name), key.key)] if paid and key is not None else []
        for meter in (meter_of(one.name), *mine):
            before = self._charges.get(meter, (0.0, 0))
            self._charges[meter] = before[0] - run.paid(), before[1] - 1

    def _payers(self, name: str, run: Run) -> list[str]:
        """The meters that are charged: its own, and that of the key that was used."""
        key = run.delivery.lane.removeprefix(unkeyed(run.delivery.lane))
        mine = self.specs[name].terms.keyed and key and not run.elsewhere
        return [meter_of(name), meter_of(name) + key] if mine else [meter_of(name)]

    def charges(self) -> dict[str, tuple[float, int]]:
        """What meters of providers are to be charged since the last time: cost, and calls."""
        charges, self._charges = self._charges, {}
        return charges

    def _matters(self, name: str, call: Call) -> bool:
        """Whether others should know at once: it fails, or says when to come again, or is what a probe has come to."""
        one = self.view.get(name)
        probes = one is not None and one.stand in (Stand.HALF_OPEN, Stand.RAMP)
        return call.ok is False or (call.until is not None and not call.key) or (call.ok is not None and probes)

    def take(self) -> dict[str, list[Call]]:
        """The calls since the last time, by provider."""
        calls, self.calls = self.calls, {}
        return calls


def _counted(times: dict[str, int], message: str) -> int:
    """How often that message has come by now; the last `MOST_MET` of them are remembered."""
    n = times[message] = times.pop(message, 0) + 1  # the newest is the last
    if len(times) > MOST_MET:
        times.pop(next(iter(times)))
    return n


def _lane(name: str, task: Task[..., object, object], delivery: Delivery) -> str:
    """Where a message waits for a provider: in the lane of its key, if it has one."""
    lane = lane_of(name, cpu=task.running.cpu)
    return delivery.lane if unkeyed(delivery.lane) == lane else lane


def _homeward(name: str, task: Task[..., Any, Any], delivery: Delivery, why: str, pause: float = 0.0) -> Park | None:
    """To its lane, of a message that was sent when its task had no provider, or another one; None if it is there.

    It would be run beside those that wait for their turn, and exceed what the provider may be asked.
    """
    if of_lane(delivery.lane) == name or rule_of(delivery.lane) is not None:
        return None
    return Park(owned(home(task, delivery)), why, pause=pause)


def _back(name: str, task: Task[..., Any, Any], delivery: Delivery, why: str) -> Outcome:
    """To where it waits, of one that was leased a moment too late."""
    if (moves := _homeward(name, task, delivery, why, LATE)) is not None:
        return moves
    lane = _lane(name, task, delivery)
    return Park(lane, why, pause=LATE) if delivery.lane != lane else outcome.Release(LATE, why)


def _moved_on(one: Provider, now: float) -> bool:
    """Whether somebody else must have let the probe go: this is an older look, and of an open one none is handed out.

    To put the message back would rewrite it for nothing, and give its slot to the next one, and so on.
    """
    over = one.stand is Stand.OPEN and one.until is not None and one.until <= now
    return over and not one.burying and one.throttled <= now


def _given_up(one: Provider, now: float) -> str:
    since = span(now - (one.down or now))
    because = f": {one.reason}" if one.reason else ""
    most = span(one.terms.max_outage)
    return f"provider {one.name} has been down for {since}, longer than its max_outage of {most}{because}"


def _pause(one: Provider | None, now: float) -> float:
    """Seconds that a message waits by itself: the longer nothing has answered, the longer; by chance half of it."""
    down = 0.0 if one is None or one.down is None else max(0.0, now - one.down)
    return min(LONGEST, max(PAUSE, down / 2)) * random.uniform(0.5, 1.0)
