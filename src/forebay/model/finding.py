"""What a check found: how bad it is, what was seen, and what to do about it."""

from enum import StrEnum

import msgspec

from forebay.model.errors import EngineUnreachable


class Level(StrEnum):
    """How bad a finding is."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


class Finding(msgspec.Struct, frozen=True):
    """The answer of one check.

    Attributes:
        check: what was looked at, in one word.
        text: what was seen.
        advice: what to do next; empty if all is well.
    """

    check: str
    level: Level
    text: str
    advice: str = ""


def fine(check: str, text: str) -> Finding:
    """All is well."""
    return Finding(check, Level.OK, text)


def warn(check: str, text: str, advice: str) -> Finding:
    """It works, but somebody should look."""
    return Finding(check, Level.WARN, text, advice)


def fail(check: str, text: str, advice: str) -> Finding:
    """It does not work, or will not for long."""
    return Finding(check, Level.FAIL, text, advice)


def unusable(check: str, error: Exception, otherwise: str) -> Finding:
    """What keeps us out: with the error's own advice, or `otherwise` if it has none."""
    advice = error.advice if isinstance(error, EngineUnreachable) else ""
    return fail(check, str(error).removesuffix(f": {advice}"), advice or otherwise)
