"""Messages that leave for another store, or come from one: `engine.backend.Moves`, in the steps of `flow.crossing`."""

from collections.abc import Sequence
from typing import Any

from forebay.engine.backend import OVERTAKEN
from forebay.engine.contract import Fate, Receipt
from forebay.engine.redis import forms, passages
from forebay.engine.redis.connections import Connections
from forebay.engine.redis.room import Room
from forebay.engine.redis.talk import Batch, Call, Reading
from forebay.model.errors import EngineError, EngineFull
from forebay.model.passage import MOST, Passage
from forebay.store.records import Load, Route

#: Messages of one script: it holds up all others for some milliseconds at the most.
BITE = 250


class Moving:
    """The `Moves` of one namespace. What was carried out and not answered is carried out again, which changes nothing.

    Many messages go in bites, each carried out whole.
    """

    def __init__(self, connections: Connections, room: Room) -> None:
        self._server, self._room = connections, room

    async def named(self) -> str:
        """See `Moves.named`."""
        return forms.text(await self._server.talk.carry(_called, "born"))

    async def claim(self, route: str, mover: str, about: str = "") -> None:
        """See `Moves.claim`."""
        await self._server.talk.carry(_called, "claim", route, mover, about)

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
        return _load(await self._server.talk.carry(_called, "depart", *args))

    async def aside(self, route: str, *, after: int = 0, limit: int = 1000) -> Load:
        """See `Moves.aside`."""
        return _load(await self._server.looker.carry(_called, "aside", route, after, limit))

    async def arrive(self, route: str, mover: str, passages: Sequence[Passage]) -> list[Receipt]:
        """See `Moves.arrive`."""
        return await self._admitted(route, mover, "", passages)

    async def _admitted(self, route: str, mover: str, back: str, some: Sequence[Passage]) -> list[Receipt]:
        return await self._server.talk.carry(self._admit, (route, mover, back), some) if some else []

    def _admit(self, batch: Batch, way: Sequence[str], some: Sequence[Passage]) -> Reading[list[Receipt]]:
        if self._room.full:
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
        found = await self._server.looker.carry(_called, "marked", route, *ids)
        return [forms.text(id_) for id_ in found]

    async def forget(self, route: str, mover: str, ids: Sequence[str] | None = None) -> None:
        """See `Moves.forget`."""
        some = ids or ()
        for at in range(0, max(1, len(some)), 1000):
            every = "1" if ids is None else ""
            answer = await self._server.talk.carry(_called, "forget", route, mover, every, *some[at : at + 1000])
            _mine(answer or None)

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
