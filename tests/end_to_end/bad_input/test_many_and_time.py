"""Rows of the table of bad input: ten thousand dead letters at once, and a clock that somebody sets."""

import json

import msgspec
import pytest

import starts
from fleet import Place, until
from forebay.engine.contract import Beat, Want
from forebay.engine.waiting import drive
from forebay.model.ids import new_id
from forebay.model.message import Message
from forebay.model.outcome import DeadLetter, Settlement
from forebay.testing import faults

COUNT = 10_000
#: Those of them that die in the worker, which costs a run; the others are leased and buried here.
IN_THE_WORKER, ASIDE = 1_000, "aside"
HOUR = 3600


def forebay(place, *arguments):
    done = starts.run([*arguments, "-A", place.locator], place.folder, place.environment, 120)
    assert done.returncode == 0, done.stderr
    return done.stdout


def dead(place):
    return sum(depth.dead for depth in place.ask("depth", ["default", ASIDE]))


def bury(place):
    """All that waits aside dies."""
    place.ask("extend", [Beat(worker="undertaker", lease=600)])
    while held := place.ask("lease", Want("undertaker", [ASIDE], 1_000)).deliveries:
        place.ask("settle", "undertaker", [Settlement(one, DeadLetter("gave up")) for one in held])


def all_die(place):
    bury(place)
    until(lambda: dead(place) == COUNT, f"{COUNT} dead letters", 240)


def test_ten_thousand_dead_letters_are_listed_redriven_and_purged_and_good_messages_run_beside_them(alone):
    place, crew = alone.place, alone.crew
    before = alone.pids
    crew.fail.enqueue_many([("nul",)] * IN_THE_WORKER)
    crew.fail.using(queue=ASIDE).enqueue_many([("nul",)] * (COUNT - IN_THE_WORKER))
    alone.still_works()
    all_die(place)
    listed = [
        msgspec.json.decode(line)
        for line in forebay(place, "dead", "list", "--limit", "100000", "-o", "ndjson").splitlines()
    ]
    assert len({found["id"] for found in listed}) == COUNT
    assert {found["cause"] for found in listed} == {"failed 1 of 1 attempts: ValueError: a\0b", "gave up"}
    assert json.loads(forebay(place, "dead", "redrive", "--all", "-o", "json")) == {"redriven": COUNT}
    alone.still_works()
    all_die(place)
    assert json.loads(forebay(place, "dead", "purge", "--all", "--yes", "-o", "json")) == {"purged": COUNT}
    assert dead(place) == 0
    alone.still_works()
    assert alone.pids == before


class SteppedPlace(Place):
    """A place whose workers have a date that can be set while they run; see `forebay.testing.faults.stepped`."""

    start_anew = True

    def __init__(self, folder, app):
        self.date = folder / "date"
        self.date.write_text("0")
        super().__init__(folder, app)

    @property
    def environment(self):
        usual = super().environment
        stepped = f"{faults.__path__[0]}/stepped:{usual['PYTHONPATH']}"
        return {**usual, "PYTHONPATH": stepped, "FOREBAY_DATE_OFF": str(self.date)}

    def set_clock(self, offset):
        """At once for all, as a whole: a half-written date would be none."""
        written = self.date.with_suffix(".new")
        written.write_text(str(offset))
        written.replace(self.date)

    def ticks(self):
        """The ticks whose message has run; its id follows from the tick (`keeper.tick_message`)."""
        path = self.folder / "ticks.txt"
        return path.read_text().split() if path.exists() else []


@pytest.fixture
def stepped(tmp_path, crew):
    place = SteppedPlace(tmp_path, crew)
    with place.fleet() as fleet:
        yield place, fleet
    place.close()


def never(crew):
    """A message that has expired when it is due; `using` would refuse it."""
    body = crew.add.codec.encode((1, 1), {})
    late = Message(id=new_id(), queue="default", task="add", body=body, delay=HOUR * 3 / 4, ttl=HOUR / 2)
    drive(crew.app.engine.publish([late]))
    return crew.add.handle(late.id)


def test_a_clock_that_steps_an_hour_back_and_ahead_costs_no_worker_and_no_message(stepped):
    place, fleet = stepped
    crew, before = place.crew, fleet.pids()
    later = crew.add.using(delay=HOUR / 2).enqueue(20, 3)
    spoiled = never(crew)
    long = crew.nap.enqueue(3.0)
    until(lambda: long.status() != "ready", "its start")
    for offset in (-HOUR, 0, -HOUR):
        place.set_clock(offset)
        assert crew.add.enqueue(1, 2).result(30) == 3
    assert later.status() == "scheduled"
    assert long.result(30) == "slept"
    assert place.found(long).attempt == 1  # looked up now: an hour later its record may be gone
    place.set_clock(HOUR)
    assert later.result(30) == 23  # due, by the clock that the workers have now
    until(lambda: spoiled.status() == "expired", "its expiry")
    until(place.ticks, "the tick of the hour that was skipped")
    for offset in (-HOUR, 0, HOUR):
        place.set_clock(offset)
        assert crew.add.enqueue(1, 2).result(30) == 3
    assert len(place.ticks()) == len(set(place.ticks())), "a tick was fired twice"
    assert fleet.pids() == before
