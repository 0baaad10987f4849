"""What an exception keeps alive: the frames it went through, and everything their variables hold.

Owns letting go of that once the end of a task has been told. A traceback that somebody keeps still says where it was.
"""

import contextlib
import inspect
from collections.abc import Iterator
from types import TracebackType
from typing import Any

from forebay.flow.group import leaves

_OPEN = inspect.CO_GENERATOR | inspect.CO_COROUTINE | inspect.CO_ASYNC_GENERATOR
_parts: Any = BaseException.__dict__


def clear(error: BaseException) -> None:
    """Empty the frames of functions that have returned, of this exception and of those that led to it.

    Not those of generators and coroutines: one that has not ended would be closed.
    """
    for one in _chain(error):
        trace: TracebackType | None = _parts["__traceback__"].__get__(one)
        while trace is not None:
            if not trace.tb_frame.f_code.co_flags & _OPEN:
                with contextlib.suppress(RuntimeError):  # it has not returned
                    trace.tb_frame.clear()
            trace = trace.tb_next


def _chain(error: BaseException) -> Iterator[BaseException]:
    """It, what is in it if it is a group, and the causes and contexts of all of them, each once."""
    waiting, seen = [error], set[int]()
    while waiting:
        one = waiting.pop()
        if id(one) in seen:
            continue
        seen.add(id(one))
        yield one
        waiting += [leaf for leaf in leaves(one) if leaf is not one]
        waiting += [part for name in ("__cause__", "__context__") if (part := _parts[name].__get__(one)) is not None]
