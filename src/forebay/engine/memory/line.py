"""A line of message ids in the order of their keys: a heap, and a dict that says which of its entries still count.

Who leaves from the middle is only crossed out, and skipped when met; once most of a heap is crossed out it is rebuilt,
so that a line is never much longer than what waits in it.
"""

from collections.abc import Iterator
from heapq import heapify, heappop, heappush

Key = tuple[float, int]


class Line:
    """Ids in order of their keys. A key's second part is the receipt, so no two are equal."""

    __slots__ = ("_heap", "_keys")

    def __init__(self) -> None:
        self._heap: list[tuple[Key, str]] = []
        self._keys: dict[str, Key] = {}

    def __len__(self) -> int:
        return len(self._keys)

    def add(self, id: str, key: Key) -> None:
        """Let `id` wait at `key`."""
        self._keys[id] = key
        heappush(self._heap, (key, id))

    def remove(self, id: str) -> None:
        """Take `id` out, wherever it stands; nothing happens if it is not there."""
        if self._keys.pop(id, None) is not None and len(self._heap) > 2 * len(self._keys) + 64:
            self._heap = [(key, name) for name, key in self._keys.items()]
            heapify(self._heap)

    def first(self) -> tuple[Key, str] | None:
        """Who is first, and its key; None if nobody waits."""
        heap = self._heap
        while heap and self._keys.get(heap[0][1]) != heap[0][0]:
            heappop(heap)
        return heap[0] if heap else None

    def head(self) -> str | None:
        """The id of who is first."""
        first = self.first()
        return None if first is None else first[1]

    def __iter__(self) -> Iterator[str]:
        return iter(list(self._keys))
