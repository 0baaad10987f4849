"""What schedules promise: kept by name, changed on purpose only, and each tick fired exactly once."""

from typing import Any

import msgspec

from forebay.model.message import Message
from forebay.store.records import Schedule
from forebay.testing.conformance.kit import Kit, ident, in_threads

#: The form of a tick's message, with all that a message may have.
FORM = Message(
    id="",
    queue="q",
    task="app.tidy",
    body=b"\x80",
    headers={"a": "b"},
    key="k",
    priority=7,
    lane="l",
    ttl=60,
    unique="u",
)
OTHER = Message(id="", queue="q2", task="app.tidy2")


def hourly(**fields: Any) -> Schedule:
    """A schedule that is due at 1000."""
    tidy = Schedule(name="tidy", cron="0 * * * *", tz="UTC", message=FORM, next=1000.0)
    return msgspec.structs.replace(tidy, **fields)


def put(kit: Kit, *schedules: Schedule) -> None:
    """Add or change schedules."""
    kit.run(kit.backend.put_schedules(schedules))


def rows(kit: Kit) -> list[Schedule]:
    """The schedules, but for when they were declared."""
    return [msgspec.structs.replace(one, declared=0.0) for one in kit.run(kit.backend.schedules())]


def fire(kit: Kit, tick: float, following: float, *called: str, name: str = "tidy") -> bool:
    """Fire one tick with messages of these names."""
    messages = [Message(id=ident(each), queue="q", task="app.tidy") for each in called]
    return kit.run(kit.backend.fire(name, tick, following, messages))


class TestSchedules:
    def test_they_are_kept_by_name(self, kit: Kit) -> None:
        """What was put can be listed, by name, field by field."""
        tidy = hourly(message=OTHER, missed="all", overlap="skip")
        put(kit, tidy, hourly(name="early"))
        assert rows(kit) == [hourly(name="early"), tidy]

    def test_an_unchanged_one_keeps_its_tick(self, kit: Kit) -> None:
        """A restart with the same schedule does not skip or repeat a tick, nor forget that it was paused."""
        put(kit, hourly())
        fire(kit, 1000, 2000, "a")
        assert kit.run(kit.backend.pause_schedule("tidy", paused=True))
        put(kit, hourly(next=9999.0, message=OTHER, overlap="queue"))
        assert rows(kit) == [hourly(next=2000.0, last=1000.0, paused=True, message=OTHER, overlap="queue")]

    def test_a_changed_one_takes_the_new_tick(self, kit: Kit) -> None:
        """Another cron expression or time zone means another next tick."""
        put(kit, hourly(), hourly(name="zone"))
        put(kit, hourly(cron="5 * * * *", next=1300.0), hourly(name="zone", tz="Europe/Vienna", next=1400.0))
        assert [schedule.next for schedule in kit.run(kit.backend.schedules())] == [1300.0, 1400.0]

    def test_a_tick_publishes_and_moves_on(self, kit: Kit) -> None:
        """Firing publishes its messages and sets the next tick in one step."""
        put(kit, hourly())
        assert fire(kit, 1000, 2000, "a", "b")
        assert kit.take() == ["a", "b"]
        assert rows(kit) == [hourly(next=2000.0, last=1000.0)]

    def test_a_tick_that_is_not_there_yet_is_refused(self, kit: Kit) -> None:
        """The store's clock decides: a scheduler whose own is ahead fires nothing early."""
        put(kit, hourly(next=kit.now() + 60))
        assert not fire(kit, kit.now() + 60, kit.now() + 120, "a")
        assert kit.find("a") is None
        kit.advance(60)
        assert fire(kit, kit.now(), kit.now() + 60, "a")

    def test_a_tick_fires_once(self, kit: Kit) -> None:
        """Who comes second fires nothing and changes nothing."""
        put(kit, hourly())
        assert fire(kit, 1000, 2000, "a")
        assert not fire(kit, 1000, 3000, "b")
        assert kit.take() == ["a"]
        assert kit.run(kit.backend.schedules())[0].next == 2000.0

    def test_a_tick_may_be_skipped(self, kit: Kit) -> None:
        """Firing without messages moves on and publishes nothing."""
        put(kit, hourly())
        assert fire(kit, 1000, 2000)
        assert kit.take() == []
        assert rows(kit) == [hourly(next=2000.0, last=None)]

    def test_another_tick_than_the_next_is_refused(self, kit: Kit) -> None:
        """A scheduler that read an old or invented tick does nothing."""
        put(kit, hourly())
        assert not fire(kit, 999, 2000, "a")
        assert not fire(kit, 1000, 2000, "a", name="unknown")
        assert kit.find("a") is None

    def test_the_newest_tick_that_made_a_message_is_kept(self, kit: Kit) -> None:
        """Of several ticks that are made up for at once it is the one that is named."""
        put(kit, hourly())
        messages = [Message(id=ident("a"), queue="q", task="app.tidy")]
        assert kit.run(kit.backend.fire("tidy", 1000.0, 4000.0, messages, 3000.0))
        assert rows(kit) == [hourly(next=4000.0, last=3000.0)]

    def test_it_is_known_when_one_was_declared_last(self, kit: Kit) -> None:
        """Every worker that has it in its code says so when it starts."""
        put(kit, hourly())
        kit.advance(100)
        put(kit, hourly())
        assert kit.run(kit.backend.schedules())[0].declared == kit.now()

    def test_dropped_ones_are_gone(self, kit: Kit) -> None:
        """What was dropped is neither listed nor fired; unknown names do no harm."""
        put(kit, hourly(), hourly(name="other"))
        kit.run(kit.backend.drop_schedules(["tidy", "unknown"]))
        assert [schedule.name for schedule in kit.run(kit.backend.schedules())] == ["other"]
        assert not fire(kit, 1000, 2000, "a")

    def test_a_tick_whose_message_is_known_still_moves_on(self, kit: Kit) -> None:
        """A message of the tick that was published before is a duplicate, not an obstacle."""
        put(kit, hourly())
        kit.publish("a")
        assert fire(kit, 1000, 2000, "a")
        assert kit.take() == ["a"]

    def test_two_schedulers_fire_every_tick_once(self, kit: Kit) -> None:
        """However many schedulers race for a tick, exactly one wins it."""
        put(kit, hourly(next=0.0))
        schedulers = {name: kit.fellow() for name in ("x", "y", "z")}

        def race(name: str) -> int:
            wins = 0
            for tick in range(50):
                wins += fire(schedulers[name], tick, tick + 1, f"{name}{tick}")
                assert self._next(schedulers[name]) > tick  # who lost sees that somebody won
            return wins

        assert sum(in_threads(*(lambda name=name: race(name) for name in schedulers))) == 50
        assert sorted(int(name[1:]) for name in kit.take(1000)) == list(range(50))

    def test_two_processes_fire_every_tick_once(self, kit: Kit) -> None:
        """The same between instances that share nothing but the storage."""
        other = kit.peer()
        put(kit, hourly())
        assert [fire(kit, 1000, 2000, "a"), fire(other, 1000, 2000, "b")] == [True, False]
        assert [fire(other, 2000, 3000, "c"), fire(kit, 2000, 3000, "d")] == [True, False]
        assert kit.take() == ["a", "c"]
        assert other.run(other.backend.schedules())[0].last == 2000.0

    def _next(self, kit: Kit) -> float:
        return kit.run(kit.backend.schedules())[0].next


class TestSchedulesHeld:
    """When schedules do not fire."""

    def test_a_paused_schedule_does_not_fire(self, kit: Kit) -> None:
        """Stopping one holds even against a scheduler that had already decided to fire it."""
        put(kit, hourly())
        assert kit.run(kit.backend.pause_schedule("tidy", paused=True))
        assert kit.run(kit.backend.schedules())[0].paused
        assert not fire(kit, 1000, 2000, "a")

    def test_ticks_of_a_pause_are_not_made_up_for(self, kit: Kit) -> None:
        """Resumed, a schedule whose tick has passed has none until one is found anew; others keep theirs."""
        put(kit, hourly(next=kit.now() + 10), hourly(name="far", next=kit.now() + 1000))
        far = rows(kit)[0].next
        for paused in (True, False):
            for name in ("tidy", "far"):
                kit.run(kit.backend.pause_schedule(name, paused=paused))
            kit.advance(20 if paused else 0)
        assert [schedule.next for schedule in rows(kit)] == [far, 0.0]
        assert fire(kit, 0.0, 3000.0)
        assert rows(kit)[1].next == 3000.0

    def test_resuming_one_that_is_not_paused_changes_nothing(self, kit: Kit) -> None:
        """A tick that is due stays due."""
        put(kit, hourly())
        assert kit.run(kit.backend.pause_schedule("tidy", paused=False))
        assert rows(kit) == [hourly()]

    def test_pausing_an_unknown_one_says_so(self, kit: Kit) -> None:
        """There is nothing to stop under that name."""
        assert not kit.run(kit.backend.pause_schedule("unknown", paused=True))

    def test_a_tick_that_the_clock_has_not_reached_is_refused(self, kit: Kit) -> None:
        """A scheduler whose own clock is ahead fires nothing early; the store says what time it is."""
        upcoming = kit.run(kit.backend.now()) + 1
        put(kit, hourly(next=upcoming))
        assert not fire(kit, upcoming, upcoming + 60, "a")
        kit.advance(1)
        assert fire(kit, upcoming, upcoming + 60, "a")
