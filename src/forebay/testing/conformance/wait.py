"""What `wait` promises: it wakes for work, for due times and for cancels, misses none, and does not spin.

These run on the machine's clock and in real threads. A bound on a wake-up is generous; that a wake-up comes at all,
and not by a timeout, is what is tested: the timeouts in use are ten times the bound.
"""

import threading
import time
from typing import Any

import pytest

from forebay.model.meter import Meter
from forebay.model.outcome import Ack, Cancel, DeadLetter, Outcome, Release, Retry
from forebay.testing.conformance.kit import BOOM, PROMPT, Kit, ident, in_threads, names

ROUNDS = 20
SLOTS: list[dict[str, Any]] = [{"concurrency": 1}, {"key_concurrency": 1}]


class TestWait:
    def test_a_publish_after_the_last_lease_is_not_slept_through(self, live: Kit) -> None:
        """What came between looking and waiting ends the wait at once."""
        assert live.take() == []
        live.publish("a")
        assert live.wait() < PROMPT

    def test_a_publish_wakes_another_thread(self, live: Kit) -> None:
        """Whoever waits in another thread has the message promptly, time after time."""
        self._ping_pong(live, live.fellow())

    def test_a_publish_wakes_another_process(self, live: Kit) -> None:
        """Whoever waits on another instance has the message promptly, time after time."""
        self._ping_pong(live, live.peer())

    def test_a_message_wakes_when_it_is_due(self, live: Kit) -> None:
        """A delay ends the wait: neither early in the lease, nor a timeout late."""
        live.needs("delays")
        before = time.monotonic()
        live.publish("a", delay=0.3)
        published = time.monotonic()
        assert live.take_patiently() == ["a"]
        taken = time.monotonic()
        assert taken - before > 0.25
        assert taken - published < PROMPT

    def test_a_delay_that_is_published_meanwhile_counts(self, live: Kit) -> None:
        """A waiter that slept before the delayed message came wakes at its due time as well."""
        live.needs("delays")
        waiter = live.fellow()

        before: list[float] = []

        def publish() -> float:
            before.append(time.monotonic())
            live.publish("a", delay=0.3)
            return time.monotonic()

        def take() -> float:
            assert waiter.take_patiently() == ["a"]
            return time.monotonic()

        published, taken = in_threads(publish, take)
        assert taken - before[0] > 0.25
        assert taken - published < PROMPT

    def test_a_cancel_wakes_who_runs_it(self, live: Kit) -> None:
        """A worker that only waits hears promptly that something it runs is to stop."""
        live.needs("cancel")
        other = live.fellow()
        live.publish("a")
        live.lease()

        def until_asked() -> float:
            while not (asked := live.ask().cancelled):
                live.wait()
            assert list(asked) == [ident("a")]
            return time.monotonic()

        def cancel() -> float:
            other.cancel("a")
            return time.monotonic()

        heard, said = in_threads(until_asked, cancel)
        assert heard - said < PROMPT

    def test_a_released_message_wakes(self, live: Kit) -> None:
        """What one worker hands back, another that waits gets promptly."""
        other = live.fellow()
        live.publish("a")
        (delivery,) = live.lease()

        def release() -> float:
            live.settle(Release(), delivery)
            return time.monotonic()

        def take() -> float:
            assert other.take_patiently("other") == ["a"]
            return time.monotonic()

        released, taken = in_threads(release, take)
        assert taken - released < PROMPT

    def test_a_recovered_message_wakes(self, live: Kit) -> None:
        """What a dead worker held, one that waits gets promptly after the burial."""
        other = live.fellow()
        live.publish("a")
        live.lease(worker="dead")

        def bury() -> float:
            live.recover("dead")
            return time.monotonic()

        def take() -> float:
            assert other.take_patiently("other") == ["a"]
            return time.monotonic()

        buried, taken = in_threads(bury, take)
        assert taken - buried < PROMPT

    def test_an_opened_gate_wakes(self, live: Kit) -> None:
        """Resuming a queue wakes the workers that wait for it."""
        other = live.fellow()
        live.close_gate()
        live.publish("a")

        def resume() -> float:
            live.open_gate()
            return time.monotonic()

        def take() -> float:
            assert other.take_patiently("other") == ["a"]
            return time.monotonic()

        resumed, taken = in_threads(resume, take)
        assert taken - resumed < PROMPT

    def test_a_timeout_ends_the_wait(self, live: Kit) -> None:
        """With nothing to come the wait ends by itself."""
        live.take()
        assert live.wait(0.2) < PROMPT

    def test_waiting_for_nothing_does_not_spin(self, live: Kit) -> None:
        """A loop of lease and wait over an empty queue turns a few times, not thousands."""
        live.publish("elsewhere", queue="other")
        turns, end = 0, time.monotonic() + 0.5
        while time.monotonic() < end:
            live.take()
            live.wait(0.1)
            turns += 1
        assert turns < 50

    def test_waiting_behind_a_closed_gate_does_not_spin(self, live: Kit) -> None:
        """Messages that may not be leased are no reason to wake."""
        live.close_gate()
        live.publish("a")
        live.publish("b", delay=0.1)
        turns, end = 0, time.monotonic() + 0.5
        while time.monotonic() < end:
            live.take()
            live.wait(0.1)
            turns += 1
        assert turns < 50

    def test_who_looked_and_who_took_are_told_apart(self, live: Kit) -> None:
        """One worker looks, messages come, another of the same process takes one: the first still hears of the rest."""
        live.beat("other")
        assert live.take() == []
        seen = live.news
        live.publish("a", "b")
        assert live.take(1, "other") == ["a"]
        live.news = seen
        assert live.wait() < PROMPT

    def test_a_look_that_found_nothing_is_not_news_to_itself(self, live: Kit) -> None:
        """What had come before the look does not end the wait after it, however often somebody else looks."""
        live.publish("a")
        live.take()
        live.wait(0.0)
        live.take(worker="other")
        seen = live.news
        live.take()
        live.news = seen
        assert live.wait(0.3) > 0.2

    def test_only_a_cancellation_ends_a_wait_without_queues(self, live: Kit) -> None:
        """Who only listens for cancellations is not woken by what comes due: it has no room for it anyway."""
        live.needs("delays")
        live.publish("soon", delay=0.05)
        live.beat()
        live.ask(limit=0)
        live.wait(0.0, queues=())
        live.ask(limit=0)
        assert live.wait(0.4, queues=()) > 0.3

    def _ping_pong(self, live: Kit, other: Kit) -> None:
        done = threading.Semaphore(0)

        def serve() -> None:
            for number in range(ROUNDS):
                live.publish(f"ping{number}")
                assert done.acquire(timeout=PROMPT)

        def answer() -> None:
            for number in range(ROUNDS):
                assert other.take_patiently() == [f"ping{number}"]
                done.release()

        in_threads(serve, answer)


class TestFreed:
    @pytest.fixture(autouse=True)
    def _meters(self, live: Kit) -> None:
        live.needs("meters")

    @pytest.mark.parametrize("end", [Ack(), DeadLetter("bug"), Retry(600, BOOM)], ids=str)
    @pytest.mark.parametrize("bounds", SLOTS, ids=str)
    def test_a_slot_that_becomes_free_wakes_who_sleeps(self, live: Kit, bounds: dict[str, Any], end: Outcome) -> None:
        """However the run ended that had it, and though the message that may start now came long ago."""
        live.declare(**bounds)
        other = live.fellow()
        for number in range(ROUNDS):
            live.publish(f"a{number}", f"b{number}", key=f"k{number}")
            self._handed_on(live, other, end, f"b{number}")

    @pytest.mark.parametrize("end", [Ack(), DeadLetter("bug"), Retry(600, BOOM)], ids=str)
    def test_a_slot_of_a_shared_meter_wakes_who_sleeps_for_another_queue(self, live: Kit, end: Outcome) -> None:
        """Messages of both name it: a provider's, say."""
        live.run(live.backend.put_meters([Meter(name="provider:smtp", slots=1)]))
        other = live.fellow()
        for number in range(ROUNDS):
            live.publish(f"a{number}", meters=("provider:smtp",))
            live.publish(f"b{number}", queue="other", meters=("provider:smtp",))
            self._handed_on(live, other, end, f"b{number}", "other")

    def _handed_on(self, live: Kit, other: Kit, end: Outcome, second: str, queue: str = "q") -> None:
        """The only slot goes from what runs to `second`, for which somebody looks and then waits."""
        (first,) = live.lease(1)
        looked = threading.Event()

        def settle() -> float:
            assert looked.wait(PROMPT)
            assert live.settle(end, first) == [True]
            return time.monotonic()

        def take() -> float:
            assert other.take(worker="other", queues=[queue]) == []
            looked.set()
            other.wait(queues=[queue])
            while not (held := other.lease(worker="other", queues=[queue])):  # a wait may end for older news
                other.wait(queues=[queue])
            taken = time.monotonic()
            assert (names(held), other.settle(Ack(), *held, worker="other")) == ([second], [True])
            return taken

        settled, taken = in_threads(settle, take)
        assert taken - settled < PROMPT


class TestWatch:
    def test_an_end_after_the_mark_is_not_slept_through(self, live: Kit) -> None:
        """What ended between taking a mark and watching ends the watch at once."""
        live.publish("a")
        (delivery,) = live.lease()
        mark = live.mark()
        assert live.state("a") == "running"
        live.settle(Ack(), delivery)
        assert live.watch(mark) < PROMPT
        assert live.watch(mark, 10 * PROMPT, "a") < PROMPT

    @pytest.mark.parametrize("where", ["thread", "process"])
    def test_an_end_wakes_who_watches_elsewhere(self, live: Kit, where: str) -> None:
        """Whoever watches in another thread, or on another instance, knows promptly, time after time."""
        other = live.fellow() if where == "thread" else live.peer()
        live.asks("watch", "held")

        def watch() -> None:
            for number in range(ROUNDS):
                live.publish(f"ping{number}")
                ended, mark = time.monotonic() + PROMPT, live.mark()
                while live.state(f"ping{number}") != "done":
                    assert time.monotonic() < ended
                    mark = live.run(live.backend.watch(None, ended - time.monotonic(), mark))

        def settle() -> None:
            for number in range(ROUNDS):
                assert other.take_patiently() == [f"ping{number}"]
                (delivery,) = other.run(other.backend.held("w"))
                assert other.settle(Ack(), delivery) == [True]

        in_threads(watch, settle)

    def test_progress_wakes(self, live: Kit) -> None:
        """Progress of a running message is news as well."""
        live.publish("a")
        (delivery,) = live.lease()
        mark = live.mark()
        assert live.run(live.backend.progress(delivery, b"\x01"))
        assert live.watch(mark) < PROMPT

    def test_each_kind_of_end_wakes(self, live: Kit) -> None:
        """Cancelled while waiting, cancelled while running, buried for good: each wakes who watches."""
        live.publish("a", "b")
        (running,) = live.lease(1)
        mark = live.mark()
        live.cancel("b")
        assert live.watch(mark) < PROMPT
        mark = live.mark()
        live.settle(Cancel(), running)
        assert live.watch(mark) < PROMPT

    def test_an_end_is_told_once(self, live: Kit) -> None:
        """A watch in a loop that passes its mark on is woken by an end, and then waits for the next one."""
        mark = live.mark()
        live.publish("a")
        live.cancel("a")
        turns, end = 0, time.monotonic() + 0.5
        while time.monotonic() < end:
            mark = live.run(live.backend.watch(None, 0.1, mark))
            turns += 1
        assert 2 <= turns < 50

    def test_each_watcher_has_its_own_mark(self, live: Kit) -> None:
        """Somebody else who looks and watches meanwhile takes nobody's wake-up away."""
        live.publish("a")
        mark = live.mark()
        live.cancel("a")
        assert live.state("a") == "cancelled"
        live.watch(live.mark(), 0.0)
        assert live.watch(mark) < PROMPT

    def test_a_mark_is_given_at_once(self, live: Kit) -> None:
        """The first one costs no wait, whatever timeout is named."""
        assert live.watch(None) < PROMPT

    def test_a_timeout_ends_the_watch(self, live: Kit) -> None:
        """With nothing to see the watch ends by itself."""
        assert live.watch(live.mark(), 0.2) < PROMPT
