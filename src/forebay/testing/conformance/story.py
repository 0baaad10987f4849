"""What is kept of a message: all that happened to it, whatever its end; and why it waits or ended, in one wording."""

from typing import Any

import pytest

from forebay.model.lifecycle import State
from forebay.model.message import Failure
from forebay.model.outcome import Ack, Cancel, DeadLetter, Discard, Expire, Lose, Outcome, Park, Release, Retry
from forebay.model.ruling import CANCELLED, EXPIRED, SILENT
from forebay.store.records import Choice
from forebay.testing.conformance.kit import BOOM, Kit

WHOLE: dict[str, Any] = {
    "task": "mail",
    "priority": 3,
    "lane": "smtp",
    "key": "tenant",
    "unique": "welcome:7",
    "headers": {"a": "b"},
}
LATER = Failure("KeyError", "later")


def lived(kit: Kit, last: Outcome) -> None:
    """A message with a rich life: it failed, lost a worker, told how far it is, and ended."""
    kit.publish("a", ttl=500, body=b"\x80", **WHOLE)
    kit.settle(Retry(10, BOOM), *kit.lease())
    kit.advance(10)
    kit.settle(Lose("killed"), *kit.lease())
    kit.advance(5)
    (delivery,) = kit.lease()
    kit.run(kit.backend.progress(delivery, b"\x05"))
    kit.advance(5)
    kit.settle(last, delivery)


class TestStory:
    @pytest.mark.parametrize(
        "last", [Ack(b"\xc3"), Ack(), Discard("old"), Cancel("enough"), Expire(), DeadLetter("bug")]
    )
    def test_an_end_keeps_the_whole_story(self, kit: Kit, last: Outcome) -> None:
        """Where it came from and belonged, how often it ran and where, what failed: as of a live one."""
        kit.needs("results")
        lived(kit, last)
        found = kit.found("a")
        assert {name: getattr(found, name) for name in WHOLE} == WHOLE
        assert (found.attempt, found.lost, found.worker, found.progress) == (3, 1, "w", b"\x05")
        assert found.created is not None
        since = found.created
        assert (found.due, found.started, found.finished, found.expires) == (
            since + 10,
            since + 15,
            since + 20,
            since + 500,
        )
        assert found.failure == BOOM

    def test_the_body_goes_with_the_end_unless_it_is_dead(self, kit: Kit) -> None:
        """A dead letter may be redriven; of others the arguments are not kept."""
        lived(kit, DeadLetter("bug", LATER))
        assert (kit.found("a").body, kit.found("a").failure) == (b"\x80", LATER)
        kit.run(kit.backend.purge(Choice()))
        assert (kit.found("a").body, kit.found("a").failure) == (b"", LATER)

    def test_a_purged_one_keeps_it_too(self, kit: Kit) -> None:
        """Discarded afterwards, it still says why it died."""
        lived(kit, DeadLetter("bug"))
        kit.run(kit.backend.purge(Choice()))
        found = kit.found("a")
        assert {name: getattr(found, name) for name in WHOLE} == WHOLE
        assert (found.state, found.cause, found.attempt, found.lost) == ("discarded", "purged: bug", 3, 1)

    def test_one_that_ended_while_it_waited_has_not_run(self, kit: Kit) -> None:
        """No worker and no beginning are made up."""
        kit.publish("a", **WHOLE)
        kit.cancel("a")
        found = kit.found("a")
        assert {name: getattr(found, name) for name in WHOLE} == WHOLE
        assert (found.cause, found.worker, found.started, found.attempt) == (CANCELLED, None, None, 0)

    def test_redriven_it_begins_anew(self, kit: Kit) -> None:
        """Of its first life only where it belongs is left."""
        lived(kit, DeadLetter("bug"))
        kit.run(kit.backend.redrive(Choice()))
        found = kit.found("a")
        assert {name: getattr(found, name) for name in WHOLE} == WHOLE
        assert (found.attempt, found.lost, found.failure, found.progress, found.expires) == (0, 0, None, None, None)
        assert (found.worker, found.started, found.finished, found.cause) == (None, None, None, "")


class TestCauses:
    @pytest.mark.parametrize(
        ("outcome", "cause"),
        [
            (Ack(), ""),
            (DeadLetter("bug"), "bug"),
            (Discard("old"), "old"),
            (Cancel("enough"), "enough"),
            (Expire(), EXPIRED),
            (Retry(10, BOOM), ""),
            (Park("smtp", "429"), "429"),
            (Release(), ""),
            (Release(5, "no worker here knows `x`", unknown=True), "no worker here knows `x`"),
        ],
    )
    def test_an_outcome_has_one_cause_on_every_engine(self, kit: Kit, outcome: Outcome, cause: str) -> None:
        """What a person reads does not depend on the engine."""
        kit.finish(outcome)
        assert kit.found("a").cause == cause

    def test_so_has_one_whose_time_ran_out(self, kit: Kit) -> None:
        """Found too late by a sweep or by its worker, it is the same end."""
        kit.publish("a", ttl=5)
        kit.advance(6)
        kit.tidy()
        assert (kit.found("a").state, kit.found("a").cause) == ("expired", EXPIRED)

    def test_so_has_one_that_was_asked_to_stop(self, kit: Kit) -> None:
        """It does not run again; a worker lost with it is counted and named."""
        for name, outcome, lost in (("a", Retry(0, BOOM), 0), ("b", Release(), 0), ("c", Lose("killed"), 1)):
            kit.publish(name)
            (delivery,) = kit.lease()
            kit.cancel(name)
            kit.settle(outcome, delivery)
            found = kit.found(name)
            cause = "cancelled; killed" if lost else "cancelled"
            assert (found.state, found.cause, found.lost, found.attempt) == ("cancelled", cause, lost, 1)

    def test_so_has_one_whose_worker_was_buried(self, kit: Kit) -> None:
        """Asked to stop it is cancelled; else, the last time, quarantined."""
        kit.publish("asked", "again")
        kit.lease(worker="w1")
        kit.cancel("asked")
        kit.lose("w1")
        assert (kit.found("asked").cause, kit.found("asked").lost) == (f"cancelled; {SILENT}", 1)
        for worker in ("w2", "w3"):
            kit.lease(worker=worker)
            kit.recover(worker)
        found = kit.found("again")
        assert (found.state, found.cause) == (State.DEAD, f"lost 3 workers; the last one: {SILENT}")


class TestRelease:
    def test_handed_back_with_a_delay_it_waits(self, kit: Kit) -> None:
        """Refunded, scheduled, and why it waits stays to be read while it does."""
        kit.finish(Release(30, "no worker here knows `x`"))
        found = kit.found("a")
        assert (found.state, found.attempt, found.due) == ("scheduled", 0, kit.now() + 30)
        assert kit.take() == []
        kit.advance(30)
        kit.tidy()
        assert (kit.found("a").state, kit.found("a").cause) == ("ready", "no worker here knows `x`")
        (delivery,) = kit.lease()
        assert (delivery.attempt, delivery.unknown_since) == (1, None)
        assert kit.found("a").cause == ""

    def test_since_when_nobody_knows_its_task_is_kept(self, kit: Kit) -> None:
        """From the first time on, over leases and lost workers, until a worker has run it."""
        kit.publish("a")
        since = kit.now()
        for outcome in (Release(5, unknown=True), Release(5, unknown=True), Release(), Lose("killed")):
            (delivery,) = kit.lease()
            kit.settle(outcome, delivery)
            kit.advance(5)
        (delivery,) = kit.lease()
        assert delivery.unknown_since == since
        assert kit.run(kit.backend.held("w")) == [delivery]
        kit.settle(Retry(0, BOOM), delivery)
        (delivery,) = kit.lease()
        assert delivery.unknown_since is None
