"""What the user's code has raised, as data, and without what is ours in it: whatever it does when it is looked at.

An exception of theirs may raise when it is printed, or asked for anything at all. Nothing here or behind it may: what
cannot be looked at is told as one that can.
"""

import traceback
from collections.abc import Callable
from itertools import islice
from types import TracebackType
from typing import TypeVar

from forebay.flow.group import is_group, leaves
from forebay.flow.retry import Retry, telling
from forebay.flow.snooze import Snooze
from forebay.model import errors
from forebay.model.errors import encodable
from forebay.model.message import Failure

R = TypeVar("R")
#: Characters of a stored traceback, whose end tells most, and of the name of an exception.
_TRACE, _NAME = 16_000, 200
#: Exceptions of a group that its failure names.
_TOLD = 5
#: What calls the user's code, and is left out at the beginning of a traceback.
_OURS = ("forebay.work.", "forebay.engine.shield", "asyncio.")


def looked_at(error: BaseException, judge: Callable[[BaseException], R]) -> R:
    """`judge(error)`; if that fails because of it, what is made of one that stands for it."""
    try:
        return judge(error)
    except MemoryError:
        raise
    except BaseException as broken:  # noqa: BLE001 - an exception of theirs may do anything when it is looked at
        return judge(_instead_of(error, broken))


def _instead_of(error: BaseException, broken: BaseException) -> BaseException:
    """What stands for an exception that cannot be looked at; it shows where that was raised."""
    text = f"{errors.name_of(error)}, which cannot be looked at: {errors.name_of(broken)}: {errors.text_of(broken)}"
    return RuntimeError(text).with_traceback(trace_of(error))


def without_us(error: BaseException) -> BaseException:
    """Its traceback begins where the user's code does."""
    trace = trace_of(error)
    while trace is not None and trace.tb_next and _module(trace).startswith(_OURS):
        trace = trace.tb_next
    return BaseException.with_traceback(error, trace)


def _module(trace: TracebackType) -> str:
    """Whose code it was in: of a program that was started as a module, too, which is called __main__."""
    known = trace.tb_frame.f_globals
    return str(getattr(known.get("__spec__"), "name", None) or known.get("__name__"))


def trace_of(error: BaseException) -> TracebackType | None:
    """Its traceback, whatever a class of theirs makes of the name."""
    trace: TracebackType | None = BaseException.__dict__["__traceback__"].__get__(error)
    return trace


def failure_of(error: BaseException) -> Failure:
    """An exception as data, whatever it does when printed; a group in the words of the one that decides in it."""
    one = telling(error)
    try:
        trace = "".join(traceback.format_exception(error))
    except BaseException as broken:  # noqa: BLE001 - their __str__ may do anything
        trace = f"(its traceback cannot be made: {errors.name_of(broken)})"
    return Failure(errors.name_of(one)[:_NAME], _words(one), encodable(trace[-_TRACE:]))


def because(error: BaseException) -> str:
    """What made a task raise it, if that was an exception."""
    cause = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    if cause is None or isinstance(cause, Retry | Snooze):
        return ""
    text = errors.text_of(cause)
    name = errors.name_of(cause)
    return f"{name}: {text}" if text else name


def _words(error: BaseException) -> str:
    """What it says; of a group, what the first of its exceptions say too, for its own text only counts them."""
    if isinstance(error, Retry):
        why = because(error)
        return f"asked to be tried again, because of {why}" if why else "asked to be tried again"
    text = errors.text_of(error)
    if not is_group(error):
        return text
    within = "; ".join(f"{errors.name_of(leaf)}: {errors.text_of(leaf)}" for leaf in islice(leaves(error), _TOLD))
    return f"{text}: {within}"[: errors.LONGEST]
