"""What is told of ends: to the engine by way of the settler, to the log, to the app's hooks. Counts them.

Every attempt that ends in this process, or that its parent has settled for it, comes through here.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Sequence

from forebay.engine.contract import Engine
from forebay.model import outcome
from forebay.model.delivery import Delivery
from forebay.model.lifecycle import REFUNDS
from forebay.model.outcome import Ack, Outcome, Settlement
from forebay.work.failures import Told, told
from forebay.work.hearing import Hearing
from forebay.work.run import Job, Run
from forebay.work.settler import Settler
from forebay.work.telling import level_of, logger, tell

_ONCE = "at_most_once: it was settled before it ran, and is not run again"
_WITHIN = "it is done all the same: the transaction that it was done in (complete_in) had been committed"


#: Ends without news; what a rule has done is told by `rules list`, with how often.
_QUIET = (Ack, outcome.Park, outcome.Reroute, outcome.Discard)
#: Of a message that is put off again and again, the beginnings whose end is told.
_TOLD = frozenset(10**power for power in range(9))
#: Unknown names that are remembered as told.
_NAMES = 1_000


class Ends:
    """Reports the ends of one worker.

    Args:
        hearing: what calls the app's `on_failure` hooks.
        verbose: log what is done, too.
    """

    def __init__(self, engine: Engine, worker: str, settler: Settler, hearing: Hearing, *, verbose: bool) -> None:
        self._engine, self._worker, self._settler, self._hearing = engine, worker, settler, hearing
        self._good = logging.INFO if verbose else logging.DEBUG
        self._unsure: set[str] = set()
        self._strangers: set[str] = set()
        self.done = self.failed = 0
        settler.refused = self.refused

    def settle(self, delivery: Delivery, result: Outcome, job: Job | None = None) -> Told | None:
        """A message has ended: report its outcome; `job` is what ran, if something did. What the hooks are to hear."""
        took = 0.0 if job is None else (time.monotonic() - job.started) / job.share
        self._settler.put(Settlement(delivery, result, took))
        self._count(result)
        level = self._good if type(result) is Ack else self._level(delivery, result)
        if logger.isEnabledFor(level):
            tell(level, delivery, outcome.describe(result), job, result)
        return None if type(result) is Ack else self._heard(delivery, result, job)

    def acked(self, run: Run, result: Ack) -> None:
        """As `settle`, of a run that is done: with nothing more than that needs, for it is so of most messages."""
        self._settler.put(Settlement(run.delivery, result, time.monotonic() - run.started))
        self.done += 1
        if logger.isEnabledFor(self._good):
            tell(self._good, run.delivery, outcome.describe(result), run, result)

    def hand_back(self, deliveries: Sequence[Delivery]) -> None:
        """Release deliveries that were not started, or not ended."""
        for delivery in deliveries:
            self._settler.put(Settlement(delivery, outcome.Release()))

    def lose(self, deliveries: Sequence[Delivery], cause: str) -> None:
        """Count a lost worker for deliveries that run here and cannot be stopped."""
        self.hear([self.settle(delivery, outcome.Lose(cause)) for delivery in deliveries])

    # --- at most once ---

    async def settle_first(self, run: Run, keep: float) -> bool:
        """Have it done before it begins; False if its lease is lost.

        Raises:
            ForebayError: the engine has not said yes, nor no.
        """
        self._unsure.discard(run.delivery.id)
        done = outcome.Ack(None, keep, holds=True)
        return (await self._engine.settle(self._worker, [Settlement(run.delivery, done)]))[0]

    def unsure(self, run: Run) -> None:
        """It has not run, and whether it was settled is not known: hand it back, if it is still ours."""
        self._unsure.add(run.delivery.id)
        self._settler.put(Settlement(run.delivery, outcome.Release()))

    def ended_once(self, run: Run, result: Outcome) -> Told | None:
        """One that was settled before has ended: its slots are free, and a failure is to be seen."""
        self._settler.put(Settlement(run.delivery, outcome.OVER))
        self._count(result)
        if type(result) is Ack:
            tell(self._good, run.delivery, outcome.describe(result), run, result)
            return None
        failure = result.failure if isinstance(result, outcome.Retry | outcome.DeadLetter) else None
        text = f"{failure or outcome.describe(result)}; {_ONCE if run.task.running.at_most_once else _WITHIN}"
        tell(logging.ERROR, run.delivery, text, run, result)
        return self._heard(run.delivery, result, run, once=True)

    def refused(self, settlement: Settlement) -> None:
        """The engine did not carry it out: the message is somebody else's now, or has ended."""
        delivery = settlement.delivery
        if settlement.outcome is outcome.OVER:
            return
        if delivery.id in self._unsure:
            text = "it was settled and has not run, as far as is known: lost, for it runs at most once"
            tell(logging.ERROR, delivery, text)
            self.hear([self._heard(delivery, outcome.Lose(text), once=True)])
        else:
            text = f"its lease was lost, so its outcome ({settlement.outcome.move}) does not count"
            tell(logging.WARNING, delivery, text)
        self._unsure.discard(delivery.id)

    # --- hooks ---

    def hear(self, failures: Sequence[Told | None]) -> asyncio.Task[None] | None:
        """Have the app's hooks hear of these; what to wait for, if there is anything."""
        heard = [one for one in failures if one is not None]
        return self._hearing.tell(heard) if heard else None

    def buried(self, delivery: Delivery, result: Outcome, known: Callable[[], object]) -> None:
        """One that ran in another process, which is gone: its end has been settled and logged by whoever buried it.

        Args:
            known: called when the hooks have heard of it.
        """
        heard = self.hear([self._heard(delivery, result)])
        if heard is None:
            known()
        else:
            heard.add_done_callback(lambda task: None if task.cancelled() else known())

    def _heard(self, delivery: Delivery, result: Outcome, job: Job | None = None, *, once: bool = False) -> Told | None:
        """What the app's hooks are to be told of an end; None if they are not, or have heard where it ran."""
        if not len(self._hearing) or (isinstance(job, Run) and job.told):
            return None
        return told(delivery, result, None if job is None else job.error, once=once)

    # --- log and counters ---

    def _count(self, result: Outcome) -> None:
        if type(result) is Ack:
            self.done += 1
        elif result.move not in REFUNDS:
            self.failed += 1

    def _level(self, delivery: Delivery, result: Outcome) -> int:
        if isinstance(result, _QUIET) or (isinstance(result, outcome.Snooze) and delivery.fence not in _TOLD):
            return self._good
        if isinstance(result, outcome.Release) and result.unknown:
            return self._strange(delivery)
        return level_of(delivery, result)

    def _strange(self, delivery: Delivery) -> int:
        """A name that nobody here knows is worth a warning once, however many messages it has."""
        name = delivery.task or delivery.queue
        if name in self._strangers or len(self._strangers) >= _NAMES:
            return logging.DEBUG
        self._strangers.add(name)
        return logging.WARNING
