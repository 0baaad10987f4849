"""Waiting for the end of a message, with a word when it takes long: why it waits, and what to do."""

import asyncio
import contextlib
from typing import Any

from forebay.app import Forebay
from forebay.cli import output
from forebay.cli.why import reasons
from forebay.model.errors import ForebayError, ResultTimeout
from forebay.model.lifecycle import FINAL, State

#: Seconds until the first word, and between looks after that.
HINT = 2.0
#: What needs no word: it goes its way.
_USUAL = frozenset({"running", "next", "behind"})


async def patiently(app: Forebay, id_: str, timeout: float | None) -> Any:
    """The result of a message; see `Handle.aresult` for the errors."""
    hints = asyncio.create_task(_hints(app, id_))
    try:
        return await app.handle(id_).aresult(timeout)
    except ResultTimeout as error:
        raise ResultTimeout(f"{error}{await _because(app, id_)}") from None
    finally:
        hints.cancel()
        with contextlib.suppress(asyncio.CancelledError, ForebayError):
            await hints


async def _hints(app: Forebay, id_: str) -> None:
    """Say why it waits, once for each reason."""
    told: set[str] = set()
    while True:
        await asyncio.sleep(HINT)
        (found,) = await app.store.find([id_])
        if found is None or found.state in FINAL:
            return
        for reason in (await reasons(app, found))[:1] if found.state is not State.RUNNING else []:
            if reason.code not in {*told, *_USUAL}:
                told.add(reason.code)
                output.note(f"waits: {reason.text}" + (f" → {reason.advice}" if reason.advice else ""))


async def _because(app: Forebay, id_: str) -> str:
    """The same for the error at the end of patience."""
    (found,) = await app.store.find([id_])
    if found is None or found.state in FINAL | {State.RUNNING}:
        return ""
    first = (await reasons(app, found))[0]
    return "" if first.code in _USUAL else f": {first.text}"
