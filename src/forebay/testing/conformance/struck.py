"""What holds when a call is struck: an exception is raised in the caller, at any step of it, and it goes on from there.

Ctrl-C, a signal handler that raises, a task's timeout and a cancelled coroutine are all of this kind. The call may have
happened or not; the next one works, nobody is locked out, and what was done was done once and whole.
"""

import asyncio
import contextlib
import random
import signal
import sys
from collections.abc import Callable, Coroutine, Iterator, Sequence
from types import FrameType
from typing import Any

import pytest

from forebay.engine import quiet
from forebay.engine.contract import Beat, Want
from forebay.engine.waiting import drive
from forebay.model.message import Message
from forebay.model.outcome import Ack, Settlement
from forebay.store.records import Query
from forebay.testing.conformance.kit import Kit, ident, in_threads

#: Steps between two strikes of one verb. A prime, so that the strikes meet other places from verb to verb.
STRIDE = 29
#: Where a strike may come: between any two opcodes, or lines in Python 3.12, which crashes if a trace raises elsewhere.
STEP = "line" if sys.version_info[:2] == (3, 12) else "opcode"
#: Turns of a loop within which a verb is cancelled.
TURNS = 12

Verb = Callable[[Kit, str], Coroutine[Any, Any, Any]]


def _message(name: str) -> Message:
    return Message(id=ident(name), queue="q")


#: The verbs, each with a name of a message that is new for every strike.
VERBS: dict[str, Verb] = {
    "publish": lambda kit, name: kit.backend.publish([_message(name)]),
    "lease": lambda kit, _: kit.backend.lease(Want("w", ["q"], 1)),
    "extend": lambda kit, _: kit.backend.extend([Beat(worker="w", lease=1e9)]),
    "recover": lambda kit, _: kit.backend.recover(),
    "wait": lambda kit, _: kit.backend.wait(["q"], 0.0, 0),
    "depth": lambda kit, _: kit.backend.depth(["q"]),
    "find": lambda kit, name: kit.backend.find([ident(name)]),
    "watch": lambda kit, _: kit.backend.watch(None, 0.0, kit.news),
    "messages": lambda kit, _: kit.backend.messages(Query(queue="q")),
    "held": lambda kit, _: kit.backend.held("w"),
    "cancel": lambda kit, name: kit.backend.cancel([ident(name)]),
    "tidy": lambda kit, _: kit.backend.tidy(),
    "close_gate": lambda kit, _: kit.backend.close_gate("elsewhere"),
    "workers": lambda kit, _: kit.backend.workers(),
}


class _Striker:
    """Raises KeyboardInterrupt at one step of ours in this thread, as a signal handler would."""

    def __init__(self, step: int) -> None:
        self._left = step
        self.struck = False

    def __call__(self, frame: FrameType, event: str, _: object) -> "_Striker | None":
        if "forebay" not in frame.f_globals.get("__name__", ""):  # what breaks in asyncio is not ours to mend
            return None
        frame.f_trace_opcodes = STEP == "opcode"
        if event == STEP and not self.struck and not quiet.quiet():  # where no handler runs, none raises
            self._left -= 1
            if self._left < 0:
                self.struck = True
                raise KeyboardInterrupt
        return self

    def during(self, call: Callable[[], object]) -> bool:
        """Whether it struck before the call was over."""
        before = sys.gettrace()
        sys.settrace(self)
        try:
            next(_apart(call))
        except KeyboardInterrupt:
            return True
        finally:
            sys.settrace(before)
        return self.struck


def _apart(call: Callable[[], object]) -> Iterator[object]:
    """A generator keeps to itself what is being handled in it. A strike at the end of an `except` leaves that wrong.

    Otherwise whatever fails later in this thread would be told "during handling of" it.
    """
    yield call()


def _strikes(call: Callable[[str], object]) -> list[str]:
    """Call it again and again, struck each time a little later, until it is over before; the names it was given."""
    names: list[str] = []
    first = random.randrange(STRIDE)  # from run to run the strikes meet all places
    print(f"FIRST={first}")  # noqa: T201 - a test that fails shows it
    while True:
        names.append(f"s{len(names)}")
        striker = _Striker(first + len(names) * STRIDE)
        if not striker.during(lambda: call(names[-1])):
            return names


async def _cancelled(*calls: tuple[int, Coroutine[Any, Any, Any]]) -> None:
    """Begin each call and cancel it so many turns of the loop later."""
    for turns, call in calls:
        task = asyncio.ensure_future(call)
        for _ in range(turns):
            await asyncio.sleep(0)
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


# a coroutine that was struck before its first step was never awaited, and Python says so
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning", "ignore::RuntimeWarning")
class TestStruck:
    @pytest.fixture(autouse=True)
    def _looks(self, kit: Kit) -> None:
        kit.asks("find", "held", "messages")

    @pytest.mark.parametrize("verb", VERBS)
    def test_a_thread_that_is_struck_in_a_verb_leaves_nothing_behind(self, kit: Kit, verb: str) -> None:
        """Raised in the caller at any step of a verb: the next call works, in every thread, and counts are right."""
        kit.beat()
        kit.publish(*(f"before{number}" for number in range(3)))
        names = _strikes(lambda name: drive(VERBS[verb](kit, name)))
        self._goes_on(kit, names)

    @pytest.mark.parametrize("verb", VERBS)
    def test_a_loop_that_is_struck_in_a_verb_leaves_nothing_behind(self, kit: Kit, verb: str) -> None:
        """The same for Ctrl-C that breaks off a loop: another loop goes on."""
        kit.beat()
        kit.publish(*(f"before{number}" for number in range(3)))

        loops = [asyncio.new_event_loop()]

        def call(name: str) -> None:
            try:
                loops[-1].run_until_complete(VERBS[verb](kit, name))
            except KeyboardInterrupt:
                loops.append(asyncio.new_event_loop())
                raise

        names = _strikes(call)
        for loop in loops:
            loop.close()
        self._goes_on(kit, names)

    @pytest.mark.parametrize("verb", VERBS)
    def test_a_coroutine_that_is_cancelled_in_a_verb_leaves_nothing_behind(self, kit: Kit, verb: str) -> None:
        """Cancelled at once, or after a few turns of the loop: it may have happened, and everything goes on."""
        kit.beat()
        kit.publish(*(f"before{number}" for number in range(3)))
        names = [f"s{turns}" for turns in range(TURNS)]
        kit.run(_cancelled(*((turns, VERBS[verb](kit, name)) for turns, name in enumerate(names))))
        self._goes_on(kit, names)

    def test_what_a_cancelled_lease_took_is_held(self, kit: Kit) -> None:
        """Verbs of one worker are carried out in order: once a later one is answered, `held` tells all it took."""
        kit.beat()
        kit.publish(*(f"m{number}" for number in range(TURNS)))

        async def story() -> None:
            for turns in range(TURNS):
                await _cancelled((turns, kit.backend.lease(Want("w", ["q"], 1))))
                await kit.backend.lease(Want("w", (), 0))
                held = {delivery.id for delivery in await kit.backend.held("w")}
                await asyncio.sleep(0.005)
                assert {delivery.id for delivery in await kit.backend.held("w")} == held

        kit.run(story())

    def _goes_on(self, kit: Kit, names: Sequence[str]) -> None:
        with pytest.raises(KeyboardInterrupt):  # Ctrl-C is still heard
            signal.raise_signal(signal.SIGINT)
        fellow = kit.fellow()
        in_threads(lambda: fellow.publish("after"), lambda: kit.publish("later"))
        known = sum(kit.find(name) is not None for name in names)
        assert kit.depth().published == 3 + 2 + known, "each was accepted once, or never"
        assert kit.beat()
        everything = {delivery.id for delivery in kit.lease(1000)} | {one.id for one in kit.run(kit.backend.held("w"))}
        live = {one.id for one in kit.run(kit.backend.messages(Query(queue="q", limit=1000)))}
        assert everything == live, "what was leased is held, and can be settled"
        held = kit.run(kit.backend.held("w"))
        assert all(kit.run(kit.backend.settle("w", [Settlement(delivery, Ack()) for delivery in held])))
