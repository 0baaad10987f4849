"""Calls the app's `on_failure` hooks, and knows which of them are under way: a hook that hangs is named.

Called from the worker process, on its loop; a plain hook runs in a thread of its own. What a hook raises is logged, and
changes nothing.
"""

import asyncio
import contextlib
import inspect
import logging
import threading
import time
from collections.abc import Callable, Coroutine, Generator, Sequence
from typing import Any

from forebay.model.outcome import Outcome
from forebay.produce.context import Context
from forebay.produce.hooks import Hooks
from forebay.produce.producer import Producer
from forebay.work.aside import aside
from forebay.work.failures import Told

_logger = logging.getLogger("forebay.worker")
#: Seconds after which a hook that has not ended is told.
LATE = 10.0


class Hearing:
    """The hooks of one worker process."""

    def __init__(self, hooks: Hooks, producer: Producer) -> None:
        self._hooks, self._producer = hooks, producer
        self._under_way: dict[object, tuple[str, str, float]] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def __len__(self) -> int:
        """How many hooks there are."""
        return len(self._hooks)

    def at_work(self) -> list[tuple[str, str, float]]:
        """The hooks that run: name and task, message id, and seconds since."""
        now = time.monotonic()
        return [(name, id_, now - since) for name, id_, since in self._under_way.values()]

    def tell(self, failures: Sequence[Told]) -> asyncio.Task[None]:
        """Call all hooks for each of these, one after the other."""
        return self.spawn(self._tell(failures))

    def spawn(self, coroutine: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Have something done that `quiet` waits for."""
        task = asyncio.get_running_loop().create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def quiet(self) -> None:
        """Until all have heard."""
        while self._tasks:
            await asyncio.wait(self._tasks)

    def give_up(self) -> None:
        """Wait no longer: what has not ended is told, and ends with this process."""
        for name, id_, seconds in self.at_work():
            _logger.warning("%s %s has not ended after %.0f s: given up", name, id_, seconds)
        for task in self._tasks:
            task.cancel()

    async def _tell(self, failures: Sequence[Told]) -> None:
        for delivery, error, result in failures:
            context = Context(delivery, producer=self._producer)
            for hook in self._hooks:
                await self._call(hook, context, error, result)

    async def _call(self, hook: Callable[..., Any], context: Context, error: BaseException, result: Outcome) -> None:
        name, delivery, mark = name_of_hook(hook), context.delivery, object()
        what = f"on_failure hook {name} for {delivery.task or f'a message to {delivery.queue}'}"
        self._under_way[mark] = (what, delivery.id, time.monotonic())
        text = "%s %s has not ended after %g s (give what it calls a timeout)"
        late = asyncio.get_running_loop().call_later(LATE, _logger.warning, text, what, delivery.id, LATE)
        try:
            await _called(hook, context, error, result)
        except (asyncio.CancelledError, GeneratorExit):
            raise
        except BaseException:
            _logger.exception("on_failure hook %s failed itself", name)
        finally:
            late.cancel()
            del self._under_way[mark]


@contextlib.contextmanager
def watched(occasion: str, hook: Callable[..., Any]) -> Generator[None]:
    """While a hook runs that may block its loop: a line of the log once it takes long."""
    text = "%s hook %s has not ended after %g s (give what it calls a timeout)"
    late = threading.Timer(LATE, _logger.warning, (text, occasion, name_of_hook(hook), LATE))
    late.daemon = True
    with contextlib.suppress(RuntimeError):  # no thread for it: then without
        late.start()
    try:
        yield
    finally:
        late.cancel()


def name_of_hook(hook: Callable[..., Any]) -> str:
    """What a hook is called in the log."""
    return str(getattr(hook, "__qualname__", hook))


async def _called(hook: Callable[..., Any], *args: Any) -> None:
    if inspect.iscoroutinefunction(hook):
        await hook(*args)
    elif inspect.isawaitable(value := await aside(hook, *args, name="forebay-hook")):
        await value
