"""Threads of an engine's own. Nobody throws anything into them: what they do is done whole.

Nothing here waits. Knows no engine.
"""

import contextlib
import threading
from collections.abc import Callable, Generator

from forebay.engine.strand import Strands
from forebay.model.errors import EngineError, EngineUnreachable, text_of

#: What to say when the system gives no thread.
NO_THREAD = (
    "this process may start no more threads: raise the limit of processes (`ulimit -u`, pids.max) or of memory "
    "(`ulimit -v`), or end some"
)

_here = Strands()


def ended(whose: str, error: BaseException) -> EngineError:
    """What callers are told whose thread has ended, which none should."""
    text = f"{whose}: its thread in this process has ended with {type(error).__name__}: {text_of(error)}"
    return EngineError(f"{text}; nothing of this call is known to have happened, and only a restart helps")


def enter() -> None:
    """The present thread is an engine's own from now on."""
    _here().own = True


def inside() -> bool:
    """Whether the present thread is an engine's own: it must not wait for what engines do."""
    return getattr(_here(), "own", False)


@contextlib.contextmanager
def working() -> Generator[None, None, None]:
    """Whichever thread it is does an engine's work for a while, and holds what others of them wait for."""
    here = _here()
    before, here.own = inside(), True
    try:
        yield
    finally:
        here.own = before


def start(name: str, target: Callable[[], None]) -> threading.Thread:
    """A thread of an engine's own, which ends with the process at the latest.

    Raises:
        EngineUnreachable: the system gives none.
    """

    def run() -> None:
        enter()
        target()

    thread = threading.Thread(target=run, name=name, daemon=True)
    begin(thread)
    return thread


def begin(thread: threading.Thread) -> None:
    """Start it.

    Raises:
        EngineUnreachable: the system gives none.
    """
    try:
        thread.start()
    except RuntimeError as error:
        raise EngineUnreachable(NO_THREAD) from error
