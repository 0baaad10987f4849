"""Calls of the user's code inside this process: coroutines on the loop, plain functions in threads of our own.

Each call has a scope of its own, a copy of the context variables that the worker began with: what one sets, no other
sees, wherever it was started from. Each ends in one call of `done`, on the loop.
"""

import asyncio
import contextvars
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, Generic, TypeVar

from forebay.engine.waiting import call_in
from forebay.work.run import Job, Stop, to_await
from forebay.work.threads import Expose, Threads, Unfinished

J = TypeVar("J", bound=Job)
R = TypeVar("R")


class Calls(Generic[J, R]):
    """Calls jobs.

    Args:
        most: threads that there may be.
        scope: the context variables that each call begins with.
        judge: what becomes of a job that returned a value or raised an error; never raises. Called where the job ran.
        done: told on the loop of each job with that judgement.
    """

    def __init__(
        self,
        most: int,
        scope: contextvars.Context,
        judge: Callable[[J, Any, BaseException | None], R],
        done: Callable[[J, R], None],
    ) -> None:
        self._scope, self._judge, self._done = scope, judge, done
        self._loop = asyncio.get_running_loop()
        self._threads: Threads[J, R] = Threads(most, self._call, judge, done, self._go_on)

    def start(self, job: J) -> None:
        """Call it as soon as there is room.

        Raises:
            RuntimeError: there is no thread for it, and none can be started.
        """
        if job.is_async:
            self._start_on_loop(job, self._scope.copy())
        else:
            self._threads.start(job)

    def close(self) -> None:
        """End the threads that are idle; what is stuck in one ends with this process."""
        self._threads.close()

    def _start_on_loop(self, job: J, scope: contextvars.Context, value: Awaitable[Any] | None = None) -> None:
        loop, life = self._loop, self._live(job, value)
        if loop.get_task_factory() is None:  # then the loop would do the same, and some more for each
            task = asyncio.Task(life, loop=loop, context=scope)
        else:
            task = loop.create_task(life, context=scope)
        job.interrupt = partial(self._interrupt, job, task)
        if job.stop is not None:
            job.interrupt(job.stop)

    async def _live(self, job: J, awaitable: Awaitable[Any] | None) -> None:
        job.begun = True
        value: Any = None
        error: BaseException | None = None
        try:
            value = await (job.call() if awaitable is None else awaitable)
        except BaseException as raised:
            if issubclass(type(raised), GeneratorExit) and not self._loop.is_running():
                raise  # nobody raised it: the loop is gone, and this coroutine goes with it
            error = raised
        job.finished = True
        judgement = self._judge(job, value, error)
        value = error = None  # a frame that the error went through may lead here, and would lead back to it (3.13)
        self._done(job, judgement)

    def _interrupt(self, job: J, task: asyncio.Task[None], _: Stop) -> None:
        call_in(self._loop, self._cancel, job, task)

    def _cancel(self, job: J, task: asyncio.Task[None]) -> None:
        task.cancel()
        if not job.begun:  # then asyncio does not even begin it
            self._done(job, self._judge(job, None, asyncio.CancelledError()))

    def _call(self, job: J, expose: Expose) -> Any:
        scope = self._scope.copy()
        value = scope.run(job.call, expose)
        return Unfinished(value, scope) if value is not None and to_await(value) else value

    def _go_on(self, job: J, rest: Unfinished) -> None:
        self._start_on_loop(job, rest.scope, rest.value)
