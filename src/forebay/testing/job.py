"""One call that a drain makes, of a task or of a consumer, and the two ways to make it. Settles nothing."""

import asyncio
import contextvars
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from forebay.model.delivery import Delivery
from forebay.model.errors import TimeLimit
from forebay.model.outcome import Outcome
from forebay.produce.context import enter
from forebay.work.run import Run, Stop

#: What a call returned, and what it raised.
End = tuple[Any, BaseException | None]
Fates = Callable[[Any, BaseException | None], Sequence[tuple[Delivery, Outcome]]]


class Job:
    """A call that is due.

    Args:
        function: the call; nothing to call if its deliveries cannot be run at all.
        fates: from how the call ended to what becomes of its deliveries.
        run: the run behind it, if it is a task's.
    """

    def __init__(
        self,
        deliveries: Sequence[Delivery],
        fates: Fates,
        function: Callable[[], Any] | None = None,
        is_async: bool = False,
        run: Run | None = None,
    ) -> None:
        self.deliveries, self.fates, self.is_async, self.run = deliveries, fates, is_async, run
        self._function = function

    def here(self) -> End:
        """Call it in this thread, as a worker's thread would."""
        try:
            return contextvars.copy_context().run(self._call), None
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # noqa: BLE001 - whatever a task raises is its outcome
            return None, error

    async def on_loop(self, begun: Awaitable[Any] | None = None) -> End:
        """Call it on this loop, as a task of its own, and strike it when its time is up.

        Args:
            begun: what a call of it gave that has to be awaited.
        """
        task = asyncio.ensure_future(self._call_async(begun))
        timer = self._strike_later(task)
        try:
            value, error = await task
        finally:
            if timer is not None:
                timer.cancel()
        me = asyncio.current_task()
        if isinstance(error, asyncio.CancelledError) and me is not None and me.cancelling():
            raise error  # not the task, the test itself is being stopped
        return value, error

    def _strike_later(self, task: asyncio.Future[Any]) -> asyncio.Handle | None:
        run = self.run
        if run is None or run.task.running.timeout is None:
            return None

        def interrupt(_: Stop) -> None:
            task.cancel()

        run.interrupt = interrupt
        return asyncio.get_running_loop().call_later(run.task.running.timeout, run.halt, Stop.TIMEOUT)

    def _call(self) -> Any:
        if self.run is not None:
            enter(self.run.context)
        return None if self._function is None else self._function()

    async def _call_async(self, begun: Awaitable[Any] | None) -> End:
        """As a worker calls it: caught in here, for asyncio lets a SystemExit end the whole loop."""
        try:
            return await (self._call() if begun is None else begun), None
        except (KeyboardInterrupt, GeneratorExit):
            raise
        except asyncio.CancelledError as error:
            return None, self._struck() or error
        except BaseException as error:  # noqa: BLE001 - whatever a task raises is its outcome
            return None, error

    def _struck(self) -> BaseException | None:
        """What a task has raised, in a worker's eyes, that was stopped by its timeout."""
        run = self.run
        if run is None or run.stop is not Stop.TIMEOUT:
            return None
        return TimeLimit(f"ran longer than its timeout of {run.task.running.timeout:g} s")
