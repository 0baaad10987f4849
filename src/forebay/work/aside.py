"""Calls that may block, in a thread of their own: asyncio's default executor is the user's, and may be full."""

import asyncio
import contextvars
import threading
from collections.abc import Callable
from typing import Any, TypeVar

from forebay.engine.waiting import call_in

T = TypeVar("T")


async def aside(function: Callable[..., T], *args: Any, name: str = "forebay-aside") -> T:
    """Call `function` in a thread of its own, in a copy of the present context. Who stops waiting does not stop it.

    Raises:
        RuntimeError: no thread can be started.
    """
    loop = asyncio.get_running_loop()
    future: asyncio.Future[T] = loop.create_future()

    def answer(value: Any, error: BaseException | None) -> None:
        if future.done():
            return
        if error is None:
            future.set_result(value)
        else:
            future.set_exception(error)

    def serve() -> None:
        try:
            value, error = scope.run(function, *args), None
        except BaseException as raised:  # noqa: BLE001 - handed to whoever asked
            value, error = None, raised
        call_in(loop, answer, value, error)

    scope = contextvars.copy_context()
    threading.Thread(target=serve, name=name, daemon=True).start()
    return await future
