"""The line of the log for the end of one attempt, wherever that becomes known: in its worker, or to whoever buries it.

The same fields on every record: `message_id`, `task`, `attempt`, `queue`, `duration` (seconds; None for what did not
run, or is not known to have).
"""

import logging
import time

from forebay.model import outcome
from forebay.model.delivery import Delivery
from forebay.model.outcome import Outcome
from forebay.model.ruling import QUARANTINE_AFTER
from forebay.work.raised import trace_of
from forebay.work.run import Job

logger = logging.getLogger("forebay.worker")
#: How severe ends are; INFO unless said here.
_LEVELS: dict[type[Outcome], int] = {
    outcome.Release: logging.DEBUG,
    outcome.Retry: logging.WARNING,
    outcome.Lose: logging.WARNING,
    outcome.DeadLetter: logging.ERROR,
}


def level_of(delivery: Delivery, result: Outcome) -> int:
    """How severe an end is; success counts like any other."""
    if isinstance(result, outcome.Lose) and delivery.lost + 1 >= QUARANTINE_AFTER:
        return logging.ERROR
    return _LEVELS.get(type(result), logging.INFO)


def tell(level: int, delivery: Delivery, text: str, job: Job | None = None, result: Outcome | None = None) -> None:
    """One record. A dead letter has its traceback, from here or as it came from another process."""
    if not logger.isEnabledFor(level):
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
    record = logger.makeRecord(logger.name, level, __file__, 0, line, (), trace, "ended", extra)
    if error is None and level >= logging.ERROR and isinstance(result, outcome.DeadLetter | outcome.Retry):
        record.exc_text = result.failure.traceback if result.failure else None
    logger.handle(record)
