"""What runs here: begun, ended, told to stop. The one place where a message's slot is given back, whatever fails.

A run is in the table from its beginning to its end. `finish` takes it out, reports it and frees its slot; nothing else
does. What cannot even begin goes the same way.
"""

import asyncio
import contextlib
import logging
from collections.abc import Callable, Collection, Coroutine, Iterator
from typing import Any, Protocol

from forebay.engine.backend import Completed
from forebay.model import outcome
from forebay.model.delivery import Delivery
from forebay.model.errors import EngineClosed, ForebayError, name_of, text_of
from forebay.model.outcome import Ack, Outcome
from forebay.work.ends import Ends
from forebay.work.executor import Executor
from forebay.work.failures import Told
from forebay.work.run import AGAIN, Run, Stop

_logger = logging.getLogger("forebay.worker")
#: What lacks when nothing more can be started.
_MEANS = (RuntimeError, OSError, MemoryError)
#: Seconds that what a call has come to may take to be known.
_WORD = 2.0
#: Gives a slot back.
Free = Callable[[], None]


class Starts(Protocol):
    """What runs are run by; see `Pools`."""

    def start(self, run: Run) -> None:
        """Run it as soon as there is room; raises if there are no means to."""
        ...

    def forget(self, run: Run) -> None:
        """One that has a deadline has ended."""
        ...


class Runs:
    """The table of runs.

    Args:
        idle: told when the last one has ended.

    Attributes:
        pools: have runs run, and `finish` called at their end.
        ended: told of each run that has come to its end.
    """

    pools: Starts

    def __init__(
        self,
        executor: Executor,
        ends: Ends,
        idle: Callable[[], None],
    ) -> None:
        self._executor, self._ends, self._idle = executor, ends, idle
        self._loop = asyncio.get_running_loop()
        self._runs: dict[Run, Free] = {}
        self._beside: set[asyncio.Task[None]] = set()  # what is awaited for a run, before it and after it
        self._after = 0
        self.ended: Callable[[Run], object] = bool

    def __len__(self) -> int:
        """How many slots are taken: by what runs, and by what follows a failure."""
        return len(self._runs) + self._after

    def __iter__(self) -> Iterator[Run]:
        return iter(list(self._runs))

    def begin(self, delivery: Delivery, free: Free) -> None:
        """Begin a delivery. `free` is called once, when its slot is free again, and never from within this call."""
        try:
            run = self._executor.begin(delivery)
        except Exception as error:  # a flaw of ours, or no memory
            with contextlib.suppress(Exception):  # the log is theirs
                _logger.exception("%s %s could not begin", delivery.task, delivery.id)
            run = outcome.Lose(f"it could not begin: {name_of(error)}: {text_of(error)}")
        if not isinstance(run, Run):
            heard = self._ends.hear([self._ends.settle(delivery, run)])
            self._loop.call_soon(free if heard is None else self._kept(heard, free))
            return
        self._runs[run] = free
        if run.task.running.at_most_once:
            self._spawn(self._once(run))
            return
        try:
            self.pools.start(run)
        except _MEANS as error:
            self._put_off(run, error)

    def ruled(self, delivery: Delivery) -> bool:
        """Whether a rule has something else done with a message than to run it: then that is its end here."""
        fate = self._executor.rules.fate(delivery) if self._executor.rules.concern(delivery) else None
        if fate is not None:
            self._ends.hear([self._ends.settle(delivery, fate)])
        return fate is not None

    def finish(self, run: Run, result: Outcome) -> None:
        """A run has ended: report it, and give its slot back. Only the first end of a run counts."""
        plain = not (run.task.special or run.context.completing)
        if not (plain or run.asked) and self._waits(run, result):
            return
        free = self._runs.pop(run, None)
        if free is None:
            return
        run.finished, run.interrupt = True, None  # which is a circle of references, and the collector's work
        try:
            self.ended(run)
            if run.deadline is not None:
                self.pools.forget(run)
            if plain and type(result) is Ack:
                self._ends.acked(run, result)
            else:
                free = self._told(run, result, free)
        except Exception:
            with contextlib.suppress(Exception):  # the log is theirs, too
                _logger.exception("the end of %s %s was not taken note of", run.task.name, run.delivery.id)
        finally:
            if run.error is not None and free is not _nothing:
                run.let_go()
            free()
            if not self._runs:
                self._idle()

    def _told(self, run: Run, result: Outcome, free: Free) -> Free:
        """Report one that is not simply done; what gives its slot back."""
        failure = self._report(run, result)
        heard = self._ends.hear([failure]) if failure else None
        if heard is None:
            return free
        heard.add_done_callback(lambda _: run.let_go())
        return self._kept(heard, free)

    def _waits(self, run: Run, result: Outcome) -> bool:
        """Whether something has to be known first; then it ends once more when it is."""
        if run not in self._runs:
            return False
        if run.context.completing:
            run.asked = run.finished = True
            self._spawn(self._ask(run, result))
        elif (word := self._executor.providers.probed(run, result)) is not None:
            run.asked = run.finished = True
            self._spawn(self._tell(run, result, word))
        return run.asked

    def revoke(self, ids: Collection[str]) -> None:
        """Stop these, if they run here."""
        for run in self:
            if run.delivery.id in ids:
                run.halt(Stop.CANCEL)

    def halt(self, why: Stop) -> None:
        """Stop all."""
        self._executor.completes.hurry()
        for run in self:
            run.halt(why)

    def _put_off(self, run: Run, error: BaseException) -> None:
        """There is no thread or process for it: elsewhere, or later."""
        text = f"{name_of(error)}: {text_of(error)}"
        _logger.error("%s %s cannot start here now: %s", run.task.name, run.delivery.id, text)
        self._loop.call_soon(self.finish, run, outcome.Release(AGAIN, text))

    async def _once(self, run: Run) -> None:
        """At most once: the end is durable before the beginning. When that is not sure it does not begin."""
        try:
            settled = await self._ends.settle_first(run, self._executor.keep(run.task))
        except ForebayError as error:
            _logger.error("%s %s could not be settled before it begins: %s", run.task.name, run.delivery.id, error)
            self._ends.unsure(run)
            settled = False
        if settled:
            run.settled = True
            try:
                self.pools.start(run)
            except _MEANS as error:
                self._put_off(run, error)
        else:
            self.finish(run, outcome.Release())

    async def _tell(self, run: Run, result: Outcome, word: asyncio.Event) -> None:
        """It has failed because of its provider: its slot is free for others when they know."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_WORD):
                await word.wait()
        self.finish(run, result)

    async def _ask(self, run: Run, result: Outcome) -> None:
        """It was to be done in a transaction of its own: settled if that was committed, or as any other."""
        run.interrupt = None
        if run.deadline is not None:
            self.pools.forget(run)
        try:
            standing = await self._executor.completes.standing(run.context)
        except EngineClosed:
            standing = Completed.LOST
        run.settled = standing is Completed.COMMITTED
        if standing is Completed.UNDONE and isinstance(result, Ack | outcome.Snooze):
            result = self._executor.undone(run)
        self.finish(run, result)

    def _report(self, run: Run, result: Outcome) -> Told | None:
        """What the hooks are to hear: it may have a provider, or was settled before, or never began."""
        if run.task.running.provider is not None or run.paid is not None or isinstance(result, outcome.Park):
            self._executor.providers.ended(run, result)
        if run.settled:
            return self._ends.ended_once(run, result)
        return None if run.task.running.at_most_once else self._ends.settle(run.delivery, result, run)

    def _kept(self, heard: asyncio.Task[None], free: Free) -> Free:
        """Keep the slot until those who care have heard of it."""
        self._after += 1
        heard.add_done_callback(lambda _: self._freed(free))
        return _nothing

    def _freed(self, free: Free) -> None:
        self._after -= 1
        free()
        if not self:
            self._idle()

    def _spawn(self, coroutine: Coroutine[Any, Any, None]) -> None:
        task = self._loop.create_task(coroutine)
        self._beside.add(task)
        task.add_done_callback(self._beside.discard)


def _nothing() -> None:
    """A slot that is given back later."""
