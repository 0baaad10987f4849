"""What is told of ends: to the engine by way of the settler, to the log, to the app's hooks. Counts them.

One line of the log for each end that somebody may want to see, with the same fields on every record: `message_id`,
`task`, `attempt`, `queue`, `duration` (seconds; None for what did not run).
"""

import contextlib
import inspect
import logging
import time
from collections.abc import Callable, Sequence
from typing import Any

from forebay.engine.contract import Engine
from forebay.model import outcome
from forebay.model.delivery import Delivery
from forebay.model.errors import ForebayError
from forebay.model.lifecycle import REFUNDS
from forebay.model.outcome import Outcome, Settlement
from forebay.model.ruling import QUARANTINE_AFTER
from forebay.produce.hooks import Hooks
from forebay.work.aside import aside
from forebay.work.executor import trace_of
from forebay.work.run import Job, Run
from forebay.work.settler import Settler

_logger = logging.getLogger("forebay.worker")
#: Ends that a failed attempt leads to.
FAILURES = (outcome.Retry, outcome.DeadLetter, outcome.Lose)
_ONCE = "at_most_once: it was settled before it ran, and is not run again"


#: Ends without news, and how severe the others are; INFO unless said here.
_QUIET = (outcome.Ack, outcome.Snooze, outcome.Park)
_LEVELS: dict[type[Outcome], int] = {
    outcome.Release: logging.DEBUG,
    outcome.Retry: logging.WARNING,
    outcome.Lose: logging.WARNING,
    outcome.DeadLetter: logging.ERROR,
}
#: Unknown names that are remembered as told.
_NAMES = 1_000


class Ends:
    """Reports the ends of one worker.

    Args:
        hooks: what the app wants called after each failed attempt, with (context, error, outcome).
        verbose: log what is done, too.
    """

    def __init__(self, engine: Engine, worker: str, settler: Settler, hooks: Hooks, *, verbose: bool) -> None:
        self._engine, self._worker, self._settler, self._hooks = engine, worker, settler, hooks
        self._good = logging.INFO if verbose else logging.DEBUG
        self._unsure: set[str] = set()
        self._strangers: set[str] = set()
        self.done = self.failed = 0
        settler.refused = self.refused

    def settle(self, delivery: Delivery, result: Outcome, job: Job | None = None) -> None:
        """A message has ended: report its outcome; `job` is what ran, if something did."""
        took = 0.0 if job is None else (time.monotonic() - job.started) / job.share
        self._settler.put(Settlement(delivery, result, took))
        if type(result) is outcome.Ack:
            self.done += 1
            level = self._good
        else:
            self._count(result)
            level = self._level(delivery, result)
        if _logger.isEnabledFor(level):
            _tell(level, delivery, outcome.describe(result), job, result)

    def hand_back(self, deliveries: Sequence[Delivery]) -> None:
        """Release deliveries that were not started, or not ended."""
        for delivery in deliveries:
            self._settler.put(Settlement(delivery, outcome.Release()))

    def lose(self, deliveries: Sequence[Delivery], cause: str) -> None:
        """Count a lost worker for deliveries that run here and cannot be stopped."""
        for delivery in deliveries:
            self.settle(delivery, outcome.Lose(cause))

    # --- at most once ---

    async def settle_first(self, run: Run, keep: float) -> bool:
        """Have it done before it begins; False if its lease is lost.

        Raises:
            ForebayError: the engine has not said yes, nor no.
        """
        self._unsure.discard(run.delivery.id)
        return (await self._engine.settle(self._worker, [Settlement(run.delivery, outcome.Ack(None, keep))]))[0]

    def unsure(self, run: Run) -> None:
        """It has not run, and whether it was settled is not known: hand it back, if it is still ours."""
        self._unsure.add(run.delivery.id)
        self._settler.put(Settlement(run.delivery, outcome.Release()))

    def ended_once(self, run: Run, result: Outcome) -> None:
        """One that was settled before has ended: nothing is to be settled, and a failure is to be seen."""
        self._count(result)
        if type(result) is outcome.Ack:
            _tell(self._good, run.delivery, outcome.describe(result), run, result)
            return
        failure = result.failure if isinstance(result, outcome.Retry | outcome.DeadLetter) else None
        text = f"{failure or outcome.describe(result)}; {_ONCE}"
        _tell(logging.ERROR, run.delivery, text, run, result)

    def refused(self, settlement: Settlement) -> None:
        """The engine did not carry it out: the message is somebody else's now, or has ended."""
        delivery = settlement.delivery
        if delivery.id in self._unsure:
            text = "it was settled and has not run, as far as is known: lost, for it runs at most once"
            _tell(logging.ERROR, delivery, text)
        else:
            text = f"its lease was lost, so its outcome ({settlement.outcome.move}) does not count"
            _tell(logging.WARNING, delivery, text)
        self._unsure.discard(delivery.id)

    # --- hooks ---

    def care(self, run: Run, result: Outcome) -> bool:
        """Whether somebody here wants to hear of this end."""
        return isinstance(result, FAILURES) and not run.told and len(self._hooks) > 0

    async def told(self, run: Run, result: Outcome) -> None:
        """Call the app's hooks for a failure; failures of theirs are logged."""
        error = run.error or ForebayError(outcome.describe(result))
        for hook in self._hooks:
            try:
                await _call(hook, run.context, error, result)
            except Exception:
                _logger.exception("on_failure hook %s failed itself", getattr(hook, "__qualname__", hook))

    # --- log and counters ---

    def _count(self, result: Outcome) -> None:
        if type(result) is outcome.Ack:
            self.done += 1
        elif result.move not in REFUNDS:
            self.failed += 1

    def _level(self, delivery: Delivery, result: Outcome) -> int:
        if isinstance(result, _QUIET):
            return self._good
        if isinstance(result, outcome.Release) and result.unknown:
            return self._strange(delivery)
        if isinstance(result, outcome.Lose) and delivery.lost + 1 >= QUARANTINE_AFTER:
            return logging.ERROR
        return _LEVELS.get(type(result), logging.INFO)

    def _strange(self, delivery: Delivery) -> int:
        """A name that nobody here knows is worth a warning once, however many messages it has."""
        name = delivery.task or delivery.queue
        if name in self._strangers or len(self._strangers) >= _NAMES:
            return logging.DEBUG
        self._strangers.add(name)
        return logging.WARNING


async def _call(hook: Callable[..., Any], *args: Any) -> None:
    if inspect.iscoroutinefunction(hook):
        await hook(*args)
    elif inspect.isawaitable(value := await aside(hook, *args, name="forebay-hook")):
        await value


def _tell(level: int, delivery: Delivery, text: str, job: Job | None = None, result: Outcome | None = None) -> None:
    """One record. A dead letter has its traceback, from here or as it came from another process."""
    if not _logger.isEnabledFor(level):
        return
    seconds = None if job is None else time.monotonic() - job.started
    took = "" if seconds is None else f" ({seconds:.3f} s)"
    name = delivery.task or f"message to {delivery.queue}"
    line = f"{name} {delivery.id} attempt {delivery.attempt}: {text}{took}"
    extra = {
        "message_id": delivery.id, "task": delivery.task, "attempt": delivery.attempt, "queue": delivery.queue,
        "duration": seconds,
    }  # fmt: skip
    error = job.error if job is not None and level >= logging.ERROR else None
    trace = None if error is None else (type(error), error, trace_of(error))
    record = _logger.makeRecord(_logger.name, level, __file__, 0, line, (), trace, "ended", extra)
    if error is None and level >= logging.ERROR and isinstance(result, outcome.DeadLetter | outcome.Retry):
        record.exc_text = result.failure.traceback if result.failure else None
    with contextlib.suppress(Exception):  # a handler of theirs fails: the message has its end all the same
        _logger.handle(record)
