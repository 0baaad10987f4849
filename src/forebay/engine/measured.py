"""A watch on each verb: how often it was called, about how many things, and how long it took. Adds no meaning."""

import time
from collections import Counter
from collections.abc import Awaitable, Callable
from functools import wraps
from types import SimpleNamespace
from typing import Any, cast

from forebay.engine.backend import Backend, verbs
from forebay.store.contract import Store


class Watch:
    """Counts per verb since the start: `calls`, `items` (messages, settlements, deliveries), `busy` seconds."""

    def __init__(self) -> None:
        self.calls: Counter[str] = Counter()
        self.items: Counter[str] = Counter()
        self.busy: dict[str, float] = {}

    def note(self, verb: str, started: float, items: int = 0) -> None:
        """One call, begun at `started` of `time.perf_counter`, is over; also one that failed."""
        self.calls[verb] += 1
        if items:
            self.items[verb] += items
        self.busy[verb] = self.busy.get(verb, 0.0) + time.perf_counter() - started


def watched_store(backend: Backend, watch: Watch) -> Store:
    """All parts as one object, for what the store has; each verb with a watch on it."""
    watched = {name: _watched(name, verb, watch) for name, verb in verbs(backend)}
    return cast("Store", SimpleNamespace(**watched))


def _watched(name: str, verb: Callable[..., Awaitable[Any]], watch: Watch) -> Callable[..., Awaitable[Any]]:
    @wraps(verb)
    async def measured(*args: Any, **kwargs: Any) -> Any:
        started = time.perf_counter()
        try:
            return await verb(*args, **kwargs)
        finally:
            watch.note(name, started)

    return measured
