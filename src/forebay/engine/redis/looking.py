"""Finding messages: by id, or by walking along an index in windows, between which others get their turn."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any, NamedTuple

from forebay.engine.redis.forms import Routes, Stories
from forebay.engine.redis.talk import Batch, Reading, Talk
from forebay.engine.waiting import blocking
from forebay.model.lifecycle import LIVE, State
from forebay.store.records import Choice, Found

#: Messages of one window: a few milliseconds of the server.
WINDOW = 500


class Seen(NamedTuple):
    """A message, its number in the order of its index, and whether it runs and was asked to stop."""

    found: Found
    number: int
    asked: bool


class Looking:
    """Looks over a connection for reading."""

    def __init__(self, talk: Callable[[], Talk]) -> None:
        self._talk = talk
        self._routes = Routes()

    async def find(self, ids: Sequence[str]) -> list[Found | None]:
        """What is known of each id."""
        found: list[Found | None] = []
        for at in range(0, len(ids), WINDOW):
            found += (await self._talk().carry(self._stories, "find", *ids[at : at + WINDOW])).all()
        return found

    def _stories(self, batch: Batch, script: str, *args: Any) -> Reading[Stories]:
        call = batch.call(script, *args)
        return lambda: Stories(self._routes, call.answer)

    async def number(self, id_: str) -> int | None:
        """Its number among those that are live, or those that have ended; None if it is not known."""
        stories: Stories = await self._talk().carry(self._stories, "find", id_)
        return stories.seq(0)

    async def newest(self, what: str, limit: int) -> list[Found]:
        """The last `limit` that are live, or "ends", in order."""
        stories = await self._talk().carry(self._stories, "window", what, "", "", limit, "1")
        return [one for one in reversed(stories.all()) if one is not None]

    async def walk(self, what: str, queue: str | None, after: int) -> AsyncIterator[list[Seen]]:
        """All that is live, or has ended in a state of that name, from a number on, in windows."""
        position = str(after)
        while True:
            reply = await self._talk().carry(_window, what, queue or "", position)
            seen = self._seen(reply)
            if seen:
                yield seen
            if not reply[0]:
                return
            position = reply[11].decode()
            if not blocking():
                await asyncio.sleep(0)

    async def named(self, ids: Sequence[str]) -> list[Seen]:
        """What is known of these ids, each once: the live ones in order of acceptance, ends in theirs."""
        once, found = list(dict.fromkeys(ids)), list[Seen]()
        for at in range(0, len(once), WINDOW):
            found += self._seen(await self._talk().carry(_raw, "find", *once[at : at + WINDOW]))
        return sorted(found, key=lambda one: one.number)

    async def running(self) -> list[Seen]:
        """All that runs, in order of acceptance."""
        reply = await self._talk().carry(_raw, "running")
        return sorted(self._seen(reply), key=lambda one: one.number)

    def _seen(self, reply: Sequence[Any]) -> list[Seen]:
        stories = Stories(self._routes, reply)
        return [
            Seen(found, stories.seq(n) or 0, bool(stories.asked[n]))
            for n, found in enumerate(stories.all())
            if found is not None
        ]


def _raw(batch: Batch, script: str, *args: Any) -> Reading[Any]:
    call = batch.call(script, *args)
    return lambda: call.answer


def _window(batch: Batch, what: str, queue: str, after: str) -> Reading[Any]:
    return _raw(batch, "window", what, queue, after, WINDOW, "")


def index(state: State | None) -> str:
    """The index that messages in a state are in."""
    return "live" if state is None or state in LIVE else str(state)


def chosen(choice: Choice, found: Found) -> bool:
    """Whether a choice means it, by all but its id."""
    return (
        choice.queue in (None, found.queue)
        and choice.task in (None, found.task)
        and choice.key in (None, found.key)
        and choice.state in (None, found.state)
    )
