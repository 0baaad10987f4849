"""The consumer of a queue of raw messages, as data."""

from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from forebay.flow.retry import Retry
from forebay.produce.origin import Origin


class Consumer(msgspec.Struct, frozen=True, kw_only=True):
    """A function that takes raw messages, whole batches at a time.

    Attributes:
        batch: the most messages handed over at once.
        max_wait: seconds that a batch may wait to fill up.
    """

    name: str
    queue: str
    function: Callable[[Sequence[Any]], Any]
    batch: int
    max_wait: float
    retry: Retry
    is_async: bool
    origin: Origin
