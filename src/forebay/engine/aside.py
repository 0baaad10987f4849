"""A thread for what must not be interrupted: it carries out calls one after another, for whoever asks.

Whoever asks may be struck at any moment (Ctrl-C, a signal handler that raises), and is nowhere near the work: the call
is carried out all the same, once. The thread comes when it is needed and goes when nothing was asked for a while, so
that an app that is dropped leaves none behind.
"""

import _thread
import contextlib
import functools
import inspect
import logging
import os
import queue
import threading
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, NamedTuple, ParamSpec, Protocol, TypeVar

from forebay.engine import own
from forebay.engine.native import simple_queue
from forebay.engine.waiting import Answer, Completion, drive, on_loop
from forebay.model.errors import EngineUnreachable

_logger = logging.getLogger("forebay.engine")

P = ParamSpec("P")
T = TypeVar("T")


#: Seconds to wait for a call that somebody is about to put in. A greenlet (gevent) does so in steps, and takes the next
#: one only if we wait: looking again and again would keep it from that for ever.
BRIEF = 0.01


class _Call(NamedTuple):
    function: Callable[[], Any]
    completion: Completion[Any] | None


class Aside:
    """One thread at a time, and none if there is nothing to do.

    Args:
        linger: seconds that the thread stays when it has nothing to do.
    """

    def __init__(self, linger: float = 0.0) -> None:
        self._linger = linger
        self._begin()

    def _begin(self) -> None:
        self._calls: queue.SimpleQueue[_Call] = simple_queue()
        self._one = threading.Lock()  # taken by our threads alone
        self._serving = False
        self._started = self._begun = 0
        self._ident = 0
        self._pid = os.getpid()

    def ask(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> Completion[T]:
        """Have `function(*args)` carried out; await the answer, or leave it.

        Raises:
            EngineUnreachable: this process may start no thread.
        """
        if self._pid != os.getpid():
            self._begin()  # forked: the thread stayed with the parent
        completion: Completion[T] = Completion()
        call = _Call(lambda: function(*args, **kwargs), completion)
        if self.asks_itself():
            _carry_out(call)
            return completion
        self._put(call)
        return completion

    def asks_itself(self) -> bool:
        """Whether the present thread is the one that carries out: what it waits for here would wait for itself."""
        return self._ident == threading.get_ident()

    def tell(self, function: Callable[[], object]) -> None:
        """Have it carried out, and wait for nothing."""
        self._put(_Call(function, None))

    def _put(self, call: _Call) -> None:
        self._calls.put(call)
        if not self._serving and self._started <= self._begun:
            self._start()

    def _start(self) -> None:
        """Two may start one at the same time: the second finds nothing to do, or waits for its turn."""
        try:
            _thread.start_new_thread(self._run, ())
        except RuntimeError as error:  # no thread to be had, or the interpreter ends
            if on_loop():  # the work may need a loop of its own
                raise EngineUnreachable(own.NO_THREAD) from error
            self._serve()
        self._started += 1  # too low if struck before; then there is one more start than needed, some time

    def _run(self) -> None:
        own.enter()
        self._serve()

    def _serve(self) -> None:
        with self._one:
            self._begun += 1
            self._ident = threading.get_ident()
            try:
                self._work_on()
            except BaseException as error:
                _logger.exception("the thread for calls aside ended")
                self._refuse(error)
            finally:
                self._serving, self._ident = False, 0

    def _work_on(self) -> None:
        patience = self._linger
        while True:
            self._serving = True
            self._work(patience)
            self._serving = False
            if self._calls.empty():  # whoever puts one in later sees that nobody serves
                return
            patience = max(self._linger, BRIEF)

    def _refuse(self, error: BaseException) -> None:
        """The thread ends as it should not: whoever waits for it is told; the next to ask gets another one."""
        with contextlib.suppress(queue.Empty):
            while True:
                completion = self._calls.get_nowait().completion
                if completion is not None:
                    completion.set(None, own.ended("an engine", error))
                    Answer.deliver([completion])

    def _work(self, patience: float) -> None:
        while True:
            try:
                call = self._calls.get(timeout=patience) if patience else self._calls.get_nowait()
            except queue.Empty:
                return
            _carry_out(call)
            del call  # what it holds need not stay as long as this thread


class HasAside(Protocol):
    """Whose verbs are carried out aside."""

    aside: Aside


A = TypeVar("A", bound=HasAside)


def carried_out_aside(*, but: Sequence[str]) -> Callable[[type[A]], type[A]]:
    """For an engine that works in the memory of this process: each verb, `but` some, in the thread of its `aside`."""

    def wrap(engine: type[A]) -> type[A]:
        for name, verb in inspect.getmembers(engine, inspect.iscoroutinefunction):
            if name not in but:
                setattr(engine, name, _aside(verb))
        return engine

    return wrap


def _aside(verb: Callable[..., Coroutine[Any, Any, Any]]) -> Callable[..., Coroutine[Any, Any, Any]]:
    @functools.wraps(verb)
    async def carried(self: HasAside, *args: Any, **kwargs: Any) -> Any:
        return await self.aside.ask(lambda: drive(verb(self, *args, **kwargs)))

    return carried


def _carry_out(call: _Call) -> None:
    answer, failure = None, None
    try:
        answer = call.function()
    except BaseException as error:  # noqa: BLE001 - handed to whoever asked
        failure = error
    if call.completion is not None:
        call.completion.set(answer, failure)
        Answer.deliver([call.completion])
    elif failure is not None:
        _logger.error("nobody waits for it any more, and it failed: %s", failure)
