"""What a failed call says about the provider it went to: one of four kinds, and when to ask again. Data only.

`provider/classify.py` makes verdicts out of exceptions; a breaker and a retry policy act on them.
"""

from enum import StrEnum, auto

import msgspec


class Kind(StrEnum):
    """What a failure means for whoever else wants to call the same provider."""

    #: It cannot be reached, does not answer in time, or says that it has failed.
    OUTAGE = auto()
    #: It works, and asks to be called later or less often.
    THROTTLE = auto()
    #: It works, and refuses this request: asking again does not change its answer.
    REJECTED = auto()
    #: It says nothing about the provider: a fault of the program that called it.
    BUG = auto()


class Verdict(msgspec.Struct, frozen=True):
    """What one failure means for its provider.

    Attributes:
        kind: outage, throttle, rejected or bug.
        retry_after: seconds from now until the provider wants to be called again, 0 or more and bounded; None if it
            has not said.
        reason: why, in one short line without anything that the exception or the answer carried as free text, so that
            no secret gets from there into a log.
    """

    kind: Kind
    retry_after: float | None = None
    reason: str = ""
