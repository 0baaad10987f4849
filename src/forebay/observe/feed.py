"""What came and what ended since the last look, for whoever watches live.

Promises: a message is told once when it is seen waiting or running, and once for each end it has; one that came and
ended between two looks is told as ended. Bounded: at most `MOST` messages a look, and what was told is remembered for
the last `REMEMBERED` tellings. When more happened than that, `overrun` says so. Does not: change anything.
"""

from collections.abc import Sequence
from typing import Protocol

import msgspec

from forebay.model.lifecycle import FINAL
from forebay.store.records import Found

#: Messages of each kind that a look reads at first, and at most.
PAGE, MOST = 200, 20_000
#: What was told lately, so that nothing is told twice.
REMEMBERED = 100_000


class Watched(Protocol):
    """The part of a store that is watched."""

    async def watch(self, ids: Sequence[str] | None, timeout: float, since: int | None = None) -> int:
        """See `Results.watch`."""
        ...

    async def latest(self, limit: int) -> list[Found]:
        """See `Inspects.latest`."""
        ...


class Happening(msgspec.Struct, frozen=True):
    """One telling: when, whether as an end, and the message as it was found."""

    at: float
    ended: bool
    message: Found

    @property
    def key(self) -> tuple[str, float]:
        """Acceptance is told once, an end once for each time of ending: a redriven message may end again."""
        return self.message.id, self.at if self.ended else 0.0


class Feed:
    """Follows one store."""

    def __init__(self, store: Watched) -> None:
        self._store = store
        self._told: dict[tuple[str, float], None] = {}
        self._since = {True: 0.0, False: 0.0}
        self._mark: int | None = None
        self.overrun = False

    async def start(self, lines: int) -> list[Happening]:
        """Begin here: what is there counts as told. The last `lines` of it are returned."""
        await self.wait(0)  # what ends after this mark is heard of
        found = await self._read(PAGE)
        for one in found:
            self._since[one.ended] = max(self._since[one.ended], one.at)
        self._remember(found)
        return sorted(found, key=_time)[-lines:] if lines else []

    async def look(self) -> list[Happening]:
        """What happened since the last look, in order of time."""
        limit = PAGE
        while True:
            new = [one for one in await self._read(limit) if self._is_new(one)]
            ends = sum(one.ended for one in new)
            self.overrun = max(ends, len(new) - ends) >= limit
            if not self.overrun or limit >= MOST:
                break
            limit *= 10
        self._remember(new)
        return sorted(new, key=_time)

    async def wait(self, timeout: float) -> None:
        """Return when another end may have come since the last wait, or after `timeout` seconds."""
        self._mark = await self._store.watch(None, timeout, self._mark)

    async def _read(self, limit: int) -> list[Happening]:
        return [_happening(found) for found in await self._store.latest(limit)]

    def _is_new(self, one: Happening) -> bool:
        return one.at > self._since[one.ended] and one.key not in self._told

    def _remember(self, told: Sequence[Happening]) -> None:
        self._told.update(dict.fromkeys(one.key for one in told))
        for key in list(self._told)[: max(0, len(self._told) - REMEMBERED)]:
            del self._told[key]


def _happening(found: Found) -> Happening:
    ended = found.state in FINAL
    return Happening((found.finished if ended else found.created) or 0.0, ended, found)


def _time(one: Happening) -> float:
    return one.at
