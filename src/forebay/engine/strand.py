"""What belongs to one strand of execution: a thread, or a greenlet of it, whenever greenlets came into the process.

`threading.local` is made for what threads are when it is made. gevent may make them greenlets later (gunicorn with
`-k gevent --preload` imports the app, forks, and patches), and SQLAlchemy runs code in greenlets beside a loop.
"""

import sys
import threading
from types import SimpleNamespace
from typing import Any
from weakref import WeakKeyDictionary


class Strands:
    """Names that mean something else in each strand; call it for those of the present one."""

    __slots__ = ("_greenlets", "_threads")

    def __init__(self) -> None:
        self._threads = threading.local()
        self._greenlets: WeakKeyDictionary[object, SimpleNamespace] = WeakKeyDictionary()

    def __call__(self) -> Any:
        """A namespace, which lives as long as its strand."""
        getcurrent = getattr(sys.modules.get("greenlet"), "getcurrent", None)
        if getcurrent is None:
            return self._threads
        current = getcurrent()
        if current.parent is None:  # the one that each thread begins as
            return self._threads
        found = self._greenlets.get(current)
        if found is None:
            found = self._greenlets[current] = SimpleNamespace()
        return found
