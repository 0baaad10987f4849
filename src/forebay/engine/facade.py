"""The one way to an engine: opens it once, declares the app's queues, and measures each verb. Adds no meaning.

Opening and closing are carried out aside, one after another, for all who ask, in threads and loops alike: who is struck
while it waits for that, or is cancelled, leaves it to the others as if it had never asked.
"""

import contextlib
import os
import sys
import time
from collections.abc import Callable, Coroutine, Iterable, Sequence
from typing import Any, NoReturn

from msgspec.structs import replace

from forebay.engine import native, own, quiet
from forebay.engine.aside import Aside
from forebay.engine.backend import Transacts
from forebay.engine.capabilities import Capabilities
from forebay.engine.contract import Beat, Depth, Engine, Leased, Receipt, Recovered, Want
from forebay.engine.declaring import Note, tell
from forebay.engine.measured import Watch
from forebay.engine.shield import strikable
from forebay.engine.waiting import drive
from forebay.engine.within import Within
from forebay.model.errors import EngineError
from forebay.model.message import Message
from forebay.model.outcome import Settlement
from forebay.model.queue import Declared, QueueSpec

#: Descriptors that a loop of asyncio's takes.
LOOP = 3


class Facade:
    """An engine with a watch on it.

    Args:
        inner: the engine.
        queues: what the app has declared up to now.
        admit: called before it is opened, and again when the app has declared more; raises ConfigError if the engine
            has not what the app asks for.
        note: writes a line of the audit, of each limit that opening has changed.
        transacts: what publishes in transactions of the caller's own, if the engine has that.

    Attributes:
        declares: whether opening makes the app's queues known; a command that only looks, or pauses, declares nothing.
    """

    def __init__(
        self,
        inner: Engine,
        queues: Callable[[], Iterable[QueueSpec]],
        admit: Callable[[], None] | None = None,
        *,
        note: Note | None = None,
        transacts: Transacts | None = None,
    ) -> None:
        self._inner, self._queues, self._admit, self._note = inner, queues, admit, note
        self._opened, self._pid = False, 0
        self._known: tuple[QueueSpec, ...] = ()
        self._declared: dict[str, QueueSpec] = {}
        self.declares = True
        self._aside = Aside()
        self._holders = 0
        self.watch = Watch()
        self.within = None if transacts is None else Within(transacts, self.watch, self._undeclared)

    @property
    def capabilities(self) -> Capabilities:
        """See `Engine.capabilities`."""
        return self._inner.capabilities

    async def open(self, *, starts: bool = False) -> None:
        """See `Engine.open`; cheap when it is open. Queues that the app has declared since then are made known.

        Args:
            starts: a worker starts here, and its declarations hold from now on (`QueueSpec.mild`).
        """
        if self._ready and not starts:
            return
        if self._foreign:
            self._refuse_foreign()
        if not self._aside.asks_itself():  # as a handler of logging does that enqueues what opening logs
            await self._aside.ask(self._make_ready, starts)

    def _refuse_foreign(self) -> NoReturn:
        raise EngineError(
            "this app was opened before the process forked, and two processes must not share what it opened: fork "
            "first, or close the app before, and each of them opens its own"
        )

    def _make_ready(self, starts: bool) -> None:
        native.refuse_half()
        if starts or not self._ready:  # somebody else may have asked for it a moment before
            self._run(lambda: self._open(starts))

    def _run(self, verb: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """On a loop of its own, for an engine may wait for its server.

        By hand if no descriptor is left for one, and where nothing has imported asyncio: it takes a while, and no
        engine without it can wait on a loop.
        """
        if "asyncio" in sys.modules and _spare(LOOP):
            import asyncio

            asyncio.run(verb())
        else:
            drive(verb())

    async def _open(self, starts: bool) -> None:
        queues = tuple(self._queues())
        if self._admit is not None:
            self._admit()
        if not self._opened:
            await self._inner.open()
            self._opened, self._pid, self._known = True, os.getpid(), ()
            self._declared.clear()
        if self.declares:
            await self._declare([self._said(spec, starts) for spec in queues])
        self._known = queues

    @staticmethod
    def _said(spec: QueueSpec, starts: bool) -> QueueSpec:
        return replace(spec.unmarked(), mild=not (starts or spec.assumed))

    async def _declare(self, specs: Sequence[QueueSpec]) -> None:
        """Declare what has not been declared from here, or not with such weight."""
        said = self._declared
        new = [spec for spec in specs if said.get(spec.name) not in (spec, replace(spec, mild=False))]
        await tell(new, await self.declare(new), self._note)
        said |= {spec.name: spec for spec in new}

    @property
    def _ready(self) -> bool:
        """Whether it is open in this process, and knows all queues that the app has declared."""
        return self._opened and self._pid == os.getpid() and tuple(self._queues()) == self._known

    def _undeclared(self) -> Sequence[QueueSpec]:
        """What is to be declared in a transaction of the caller's own: opening might have to wait for that."""
        if self._foreign:
            self._refuse_foreign()
        return () if self._ready else [self._said(spec, starts=False) for spec in self._queues()]

    @property
    def _foreign(self) -> bool:
        """Whether it was opened by the process that this one was forked from."""
        return self._opened and self._pid != os.getpid()

    def hold(self) -> None:
        """Keep it open until `let_go`, whoever closes it meanwhile: a worker's engine is not its tasks' to close."""
        self._holders += 1

    def let_go(self) -> None:
        """The end of one `hold`."""
        self._holders -= 1

    async def close(self) -> None:
        """See `Engine.close`; nothing is touched that belongs to the process that this one was forked from."""
        if self._foreign or self._holders:
            return
        await self._aside.ask(self._shut)

    def drop(self) -> None:
        """Close it, for an app that was dropped.

        A thread of our own, or of a task, that happens to collect it does not wait: nor is a timeout raised at the end
        of that, where nobody would hear of it. Nor does the main thread amid an attempt of its own, which may be the
        very one that the closing would wait for.
        """
        at_work = own.inside() or (quiet.main() and quiet.quiet())
        if not at_work and not strikable():
            drive(self.close())
        elif not self._foreign:
            self._aside.tell(self._shut)

    def _shut(self) -> None:
        self._opened = False
        self._run(self._inner.close)

    async def declare(self, queues: Sequence[QueueSpec]) -> list[Declared]:
        """See `Engine.declare`."""
        return await self._inner.declare(queues) if queues else []

    async def publish(self, messages: Sequence[Message]) -> list[Receipt]:
        """See `Engine.publish`."""
        started = time.perf_counter()
        receipts = await self._inner.publish(messages)
        self.watch.note("publish", started, len(messages))
        return receipts

    async def lease(self, want: Want) -> Leased:
        """See `Engine.lease`."""
        started = time.perf_counter()
        leased = await self._inner.lease(want)
        self.watch.note("lease", started, len(leased.deliveries))
        return leased

    async def settle(self, worker: str, settlements: Sequence[Settlement]) -> list[bool]:
        """See `Engine.settle`."""
        started = time.perf_counter()
        verdicts = await self._inner.settle(worker, settlements)
        self.watch.note("settle", started, len(settlements))
        return verdicts

    async def extend(self, beats: Sequence[Beat]) -> list[bool]:
        """See `Engine.extend`."""
        started = time.perf_counter()
        renewed = await self._inner.extend(beats)
        self.watch.note("extend", started, len(beats))
        return renewed

    async def recover(self, lost: Sequence[str] = ()) -> Recovered:
        """See `Engine.recover`."""
        started = time.perf_counter()
        recovered = await self._inner.recover(lost)
        self.watch.note("recover", started, recovered.returned + recovered.quarantined)
        return recovered

    async def wait(self, queues: Sequence[str], timeout: float, since: int) -> None:
        """See `Engine.wait`."""
        started = time.perf_counter()
        await self._inner.wait(queues, timeout, since)
        self.watch.note("wait", started)

    async def depth(self, queues: Sequence[str] | None = None) -> list[Depth]:
        """See `Engine.depth`."""
        started = time.perf_counter()
        depths = await self._inner.depth(queues)
        self.watch.note("depth", started, len(depths))
        return depths


def _spare(number: int) -> bool:
    """Whether this process may open that many descriptors more."""
    with contextlib.ExitStack() as taken:
        try:
            for _ in range(number):
                taken.callback(os.close, os.open(os.devnull, os.O_RDONLY))
        except OSError:
            return False
    return True
