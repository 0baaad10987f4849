"""What a failed attempt is to whoever hears of it: the outcome and the exception that `on_failure` is called with.

Pure. An attempt may fail without anything having been raised where it is told: its arguments did not fit, nobody knew
its task, its process is gone. Then the exception is made here, from the outcome.
"""

from typing import NamedTuple

from msgspec.structs import replace

from forebay.model import errors, outcome
from forebay.model.delivery import Delivery
from forebay.model.outcome import UNKNOWN_TASK, Outcome
from forebay.model.ruling import QUARANTINE_AFTER

#: Ends that a failed attempt leads to.
FAILURES = (outcome.Retry, outcome.DeadLetter, outcome.Lose)
#: How causes begin, and what was wrong.
BAD_ARGUMENTS, BAD_SEAL = "bad arguments", "bad seal"
_KINDS = ((UNKNOWN_TASK, errors.UnknownTask), (BAD_ARGUMENTS, errors.BadArguments), (BAD_SEAL, errors.BadSeal))


class Told(NamedTuple):
    """One failed attempt, for the hooks: `outcome` is what becomes of its message."""

    delivery: Delivery
    error: BaseException
    outcome: Outcome


def told(
    delivery: Delivery, result: Outcome, raised: BaseException | None = None, *, once: bool = False
) -> Told | None:
    """What the hooks are told of an end; None if it is no failure.

    Args:
        raised: what was raised, if that is known here.
        once: its message was done before it ran.
    """
    if not isinstance(result, FAILURES):
        return None
    return Told(delivery, error_of(result, raised), outcome.Ack() if once else fate(delivery, result))


def fate(delivery: Delivery, result: Outcome) -> Outcome:
    """What becomes of the message; of the last worker that it may lose, a dead letter."""
    if isinstance(result, outcome.Lose) and delivery.lost + 1 >= QUARANTINE_AFTER:
        return outcome.DeadLetter(f"lost {delivery.lost + 1} workers; the last one: {result.cause}")
    return result


def error_of(result: Outcome, raised: BaseException | None = None) -> BaseException:
    """The exception of a failed attempt: what was raised, or one of ours that says the same as the outcome."""
    if isinstance(result, outcome.Lose):
        lost = errors.WorkerLost(result.cause)
        lost.__cause__ = raised
        return lost
    if raised is not None:
        return raised
    failure = result.failure if isinstance(result, outcome.Retry | outcome.DeadLetter) else None
    if failure is not None and failure.type == errors.class_name(errors.TimeLimit):
        return errors.TimeLimit(failure.message)
    text = result.cause if isinstance(result, outcome.DeadLetter) else str(failure or outcome.describe(result))
    return next((kind for start, kind in _KINDS if text.startswith(start)), errors.ForebayError)(text)


def light(one: Delivery) -> Delivery:
    """Without the body, for one that is told of elsewhere."""
    return replace(one, body=b"")
