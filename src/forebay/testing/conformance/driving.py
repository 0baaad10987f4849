"""Verbs are the same for everybody: each can be driven by hand, in any thread, with no event loop anywhere."""

import time
from collections.abc import Coroutine
from typing import Any, TypeVar

from forebay.engine.contract import Beat, Want
from forebay.engine.waiting import drive
from forebay.model.message import Message
from forebay.model.outcome import Ack, Settlement
from forebay.testing.conformance.kit import PROMPT, Kit, ident, in_threads

T = TypeVar("T")


class TestDriving:
    def test_the_life_of_a_message_without_a_loop(self, kit: Kit) -> None:
        """Publish, lease, settle and look, each run to its end in the calling thread."""
        backend = kit.backend
        drive(backend.publish([Message(id=ident("a"), queue="q")]))
        assert drive(backend.extend([Beat(worker="w", lease=60)])) == [True]
        (delivery,) = drive(backend.lease(Want("w", ["q"], 1))).deliveries
        assert drive(backend.settle("w", [Settlement(delivery, Ack(b"\xc3"))])) == [True]
        (found,) = drive(backend.find([ident("a")]))
        assert found is not None
        assert found.result == b"\xc3"
        assert drive(backend.depth(["q"]))[0].done == 1

    def test_waiting_without_a_loop_blocks_and_wakes(self, live: Kit) -> None:
        """A thread that waits by hand sleeps, and wakes for a message from another thread."""
        other = live.fellow()
        live.beat()

        def publish() -> float:
            other.publish("a")
            return time.monotonic()

        def take() -> float:
            while not (leased := drive(live.backend.lease(Want("w", ["q"], 1)))).deliveries:
                drive(live.backend.wait(["q"], 10 * PROMPT, leased.news))
            return time.monotonic()

        published, taken = in_threads(publish, take)
        assert taken - published < PROMPT

    def test_watching_without_a_loop_blocks_and_wakes(self, live: Kit) -> None:
        """A thread that waits for a result by hand wakes when it is there."""
        other = live.fellow()
        live.publish("a")
        (delivery,) = live.lease()

        def settle() -> float:
            other.settle(Ack(), delivery)
            return time.monotonic()

        def watch() -> float:
            mark = drive(live.backend.watch(None, 0.0))
            while (found := drive(live.backend.find([ident("a")]))[0]) is None or found.finished is None:
                mark = drive(live.backend.watch([ident("a")], 10 * PROMPT, mark))
            return time.monotonic()

        settled, seen = in_threads(settle, watch)
        assert seen - settled < PROMPT

    def test_a_timeout_ends_a_wait_by_hand(self, live: Kit) -> None:
        """With nothing to come both waits end by themselves."""
        live.take()
        mark = live.mark()
        assert self._timed(live.backend.wait(["q"], 0.2, live.news)) < PROMPT
        assert self._timed(live.backend.watch(None, 0.2, mark)) < PROMPT

    def test_driven_inside_a_running_loop(self, kit: Kit) -> None:
        """Synchronous code that happens to run on a loop may drive a verb there, and not disturb it."""

        async def on_a_loop() -> int:
            drive(kit.backend.publish([Message(id=ident("a"), queue="q")]))
            await kit.backend.publish([Message(id=ident("b"), queue="q")])
            return drive(kit.backend.depth(["q"]))[0].ready

        assert kit.run(on_a_loop()) == 2

    def _timed(self, coroutine: Coroutine[Any, Any, T]) -> float:
        start = time.monotonic()
        drive(coroutine)
        return time.monotonic() - start
