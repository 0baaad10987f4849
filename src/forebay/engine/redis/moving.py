"""Messages that leave for another store, or come from one: `engine.backend.Moves`, in the steps of `flow.crossing`."""

import time
from collections.abc import Sequence
from typing import Any

from forebay.engine.backend import OVERTAKEN
from forebay.engine.contract import Fate, Receipt
from forebay.engine.patience import DEADLINE
from forebay.engine.redis import forms, passages
from forebay.engine.redis.connections import Connections
from forebay.engine.redis.room import Room
from forebay.engine.redis.server import parse_info
from forebay.engine.redis.talk import Batch, Call, Reading, Talk
from forebay.model.errors import EngineError, EngineFull, EngineUnreachable
from forebay.model.passage import MOST, Passage
from forebay.store.records import Load, Route

#: Messages of one script: it holds up all others for some milliseconds at the most.
BITE = 250
#: Seconds between looks at whether the server's log is written.
PAUSE = 0.01


class Moving:
    """The `Moves` of one namespace. What was carried out and not answered is carried out again, which changes nothing.

    Many messages go in bites, each carried out whole. A server answers before its log is written, and forgets what was
    not when it is killed: nothing is told here before it is there, and was seen to be there after that.
    """

    def __init__(self, connections: Connections, room: Room) -> None:
        self._server, self._room = connections, room

    async def named(self) -> str:
        """See `Moves.named`."""
        return forms.text(await self._server.talk.carry(_called, "born"))

    async def claim(self, route: str, mover: str, about: str = "") -> None:
        """See `Moves.claim`."""
        await self._server.talk.carry(_called, "claim", route, mover, about)
        await self._written()

    async def routes(self) -> list[Route]:
        """See `Moves.routes`."""
        found = await self._server.looker.carry(_called, "routes")
        return sorted(
            (Route(forms.text(name), forms.text(about), aside, marked) for name, about, aside, marked in found),
            key=lambda route: route.name,
        )

    async def depart(
        self, route: str, mover: str, queue: str, *, dead: bool = False, after: int = 0, limit: int = 1000
    ) -> Load:
        """See `Moves.depart`."""
        args = route, mover, queue, "1" if dead else "", after, min(limit, BITE), MOST
        load = _load(await self._server.talk.carry(_called, "depart", *args))
        standing = await self._standing(route, [one.id for one in load.passages])
        return Load([one for one in load.passages if one.id in standing], load.after)

    async def _standing(self, route: str, ids: Sequence[str]) -> set[str]:
        """Which of these messages stand aside, and do so after a kill of the server."""
        await self._written()
        return {forms.text(id_) for id_ in await self._server.talk.carry(_called, "standing", route, *ids)}

    async def _written(self) -> None:
        """Until the server's log holds what it has answered up to now.

        Raises:
            EngineUnreachable: its disk is too slow for that.
        """
        await self._server.talk.carry(_written, self._server.talk)

    async def aside(self, route: str, *, after: int = 0, limit: int = 1000) -> Load:
        """See `Moves.aside`."""
        return _load(await self._server.looker.carry(_called, "aside", route, after, limit))

    async def arrive(self, route: str, mover: str, passages: Sequence[Passage]) -> list[Receipt]:
        """See `Moves.arrive`."""
        return await self._admitted(route, mover, "", passages)

    async def _admitted(self, route: str, mover: str, back: str, some: Sequence[Passage]) -> list[Receipt]:
        return await self._server.talk.carry(self._admit, (route, mover, back), some) if some else []

    def _admit(self, batch: Batch, way: Sequence[str], some: Sequence[Passage]) -> Reading[list[Receipt]]:
        if not way[2] and self._room.full:  # what comes back is here already
            return _no_room
        bites = [some[at : at + BITE] for at in range(0, len(some), BITE)]
        calls = [(batch.call("arrive", *way, *passages.written(bite)), bite) for bite in bites]
        return lambda: [receipt for call, bite in calls for receipt in self._receipts(call, bite)]

    def _receipts(self, call: Call, some: Sequence[Passage]) -> list[Receipt]:
        last, answers = _mine(call.answer)
        self._server.mark.see(last)
        return [_receipt(passage.id, answer) for passage, answer in zip(some, answers, strict=True)]

    async def marked(self, route: str, ids: Sequence[str]) -> list[str]:
        """See `Moves.marked`."""
        await self._written()
        found = await self._server.looker.carry(_called, "marked", route, *ids)
        return [forms.text(id_) for id_ in found]

    async def forget(self, route: str, mover: str, ids: Sequence[str] | None = None) -> None:
        """See `Moves.forget`."""
        if ids is None:
            await self._forget(route, mover, "1")
        for at in range(0, len(ids or ()), BITE):
            some = (ids or ())[at : at + BITE]
            await self._forget(route, mover, "", *some)
            while await self._standing(route, some):  # a server that was killed meanwhile remembers them again
                await self._forget(route, mover, "", *some)

    async def _forget(self, *args: str) -> None:
        _mine(await self._server.talk.carry(_called, "forget", *args) or None)

    async def back(self, route: str, mover: str, ids: Sequence[str]) -> list[Receipt]:
        """See `Moves.back`."""
        receipts = list[Receipt]()
        for at in range(0, len(ids), BITE):
            aside = _load(await self._server.talk.carry(_called, "aside_of", route, *ids[at : at + BITE]))
            receipts += await self._admitted(route, mover, "1", aside.passages)
        return receipts


def _called(batch: Batch, script: str, *args: Any) -> Reading[Any]:
    call = batch.call(script, *args)
    return lambda: call.answer


def _written(_: Batch, talk: Talk) -> Reading[None]:
    """See `Moving._written`. What was held back while the disk was busy is written with the next round after that."""
    deadline = time.monotonic() + DEADLINE
    while time.monotonic() < deadline:
        said = talk.ask("INFO", "persistence")
        told = parse_info(said.decode()) if isinstance(said, bytes) else {}
        if "0" in (told.get("aof_buffer_length", "0"), told.get("aof_pending_bio_fsync", "0")):
            talk.ask("PING")
            return lambda: None
        time.sleep(PAUSE)
    return _too_slow


def _too_slow() -> None:
    raise EngineUnreachable(
        f"its log was not written within {DEADLINE:.0f} s (aof_pending_bio_fsync): is its disk too slow, or broken?"
    )


def _no_room() -> list[Receipt]:
    raise EngineFull(
        "no room for these messages: the server uses as much memory as max_size allows; let workers catch up"
    )


def _mine(answer: Any) -> Any:
    """An answer, unless somebody else moves along that route by now."""
    if answer is None:
        raise EngineError(OVERTAKEN)
    return answer


def _load(answer: Any) -> Load:
    after, *cells = _mine(answer)
    found = [passages.read(cells[at], cells[at + 1]) for at in range(0, len(cells), 2)]
    return Load(found, None if int(after) < 0 else int(after))


def _receipt(id_: str, answer: int | bytes) -> Receipt:
    if isinstance(answer, int):
        return Receipt(id_, Fate.DUPLICATE if answer else Fate.ACCEPTED)
    return Receipt(forms.text(answer)[1:], Fate.DUPLICATE)
