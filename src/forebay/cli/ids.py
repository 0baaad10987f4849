"""Ids as people give them: whole, or by the end that a narrow table shows."""

from collections.abc import Sequence

from forebay.app import Forebay
from forebay.model.errors import BadArguments

#: The shortest end that is looked up: what is shorter is a typing error rather than an id.
LEAST = 4
_SHOWN = 5


async def whole(app: Forebay, given: Sequence[str]) -> list[str]:
    """The ids that are meant; what nobody knows stays as it is, for the command to say so.

    Raises:
        BadArguments: the end of an id that several messages have.
    """
    found = await app.store.find(given)
    return [id_ if one is not None else await _meant(app, id_) for id_, one in zip(given, found, strict=True)]


async def _meant(app: Forebay, given: str) -> str:
    end = given.removeprefix("…").removeprefix("...")
    if len(end) < LEAST:
        return given
    ids = await app.store.ending(end, _SHOWN + 1)
    if len(ids) > 1:
        there = ", ".join(ids[:_SHOWN]) + (" …" if len(ids) > _SHOWN else "")
        raise BadArguments(f"{given!r} is the end of several ids: give more of {there}")
    return ids[0] if ids else given
