"""Workers on a host whose date is wrong, is set while they run, or runs fast: nothing is early, and nothing late.

The date that their Python code sees is off, as `forebay.testing.faults.stepped` makes it; the store's is right.
"""

import contextlib
import threading
import time

import pytest

from fleet import Place, until
from forebay.testing import faults

HOURS = 5 * 3600

APP = """
import ctypes

from forebay import Forebay, Retry

app = Forebay()
soon = {"base": 0.01, "cap": 0.05}


@app.task(expires=600)
def brief() -> str:
    return "ran"


@app.task(cpu=True, queue="cpu", expires=600)
def brief_in_a_process() -> str:
    return "ran"


@app.task(retry=Retry(max_attempts=3, max_age=600, **soon))
async def fails_thrice() -> None:
    raise ValueError("boom")


@app.task(cpu=True, queue="cpu", retry=Retry(max_attempts=3, max_age=600, **soon))
def fails_thrice_in_a_process() -> None:
    raise ValueError("boom")


@app.task(retry=Retry(max_attempts=100_000, max_age=0.5, **soon))
async def fails_until_it_is_old() -> None:
    raise ValueError("boom")


@app.task
async def in_an_hour() -> None:
    raise Retry(after=3600)


@app.task(timeout=60)
async def hold_the_interpreter() -> str:
    ctypes.PyDLL(None).usleep(4_500_000)
    return "held"


@app.task(timeout=0.3, retry=1)
def too_long() -> None:
    while True:
        pass


@app.consume("clicks", batch=10, max_wait=0.05, retry=Retry(max_attempts=3, max_age=600, **soon))
async def load(messages) -> None:
    raise ValueError("boom")


@app.periodic(every=3600)
def each_hour() -> None:
    pass


@app.periodic(every=1)
def each_second() -> None:
    pass
"""


class WrongPlace(Place):
    """A place whose workers see a date that is off by as much as the file says."""

    start_anew = True

    def __init__(self, folder):
        self.date, app = folder / "date", folder / "jobs.py"
        self.date.write_text("0")
        app.write_text(APP)
        super().__init__(folder, app)

    @property
    def environment(self):
        usual = super().environment
        return {
            **usual,
            "PYTHONPATH": f"{faults.__path__[0]}/stepped:{usual['PYTHONPATH']}",
            "FOREBAY_DATE_WRONG": str(self.date),
        }

    def be_off(self, seconds):
        new = self.date.with_suffix(f".{threading.get_ident()}")
        new.write_text(str(seconds))
        new.replace(self.date)


def constantly(place, seconds):
    place.be_off(seconds)
    return contextlib.nullcontext()


@contextlib.contextmanager
def now_and_then(place, step):
    """`step(turn)` is by how much the date is off, some times a second."""
    over = threading.Event()

    def run():
        turn = 0
        while not over.wait(0.05):
            turn += 1
            place.be_off(step(turn))

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


WRONG = {
    "ahead": lambda place: constantly(place, HOURS),
    "behind": lambda place: constantly(place, -HOURS),
    "stepping": lambda place: now_and_then(place, lambda turn: (HOURS, 0, -HOURS)[turn % 3]),
    "fast": lambda place: now_and_then(place, lambda turn: turn * 60.0),
}


@pytest.fixture(params=WRONG)
def place(request, tmp_path):
    made = WrongPlace(tmp_path)
    with WRONG[request.param](made):
        yield made
    made.close()


def waits_for_an_hour(place, handle, accepted):
    until(lambda: handle.status() == "scheduled", "its wait")
    return abs(place.found(handle).due - accepted - 3600) < 600


def test_where_the_date_is_wrong_nothing_starts_expires_fails_or_fires_early_or_late(place):
    crew, began = place.crew, time.time()
    with place.fleet("--cpu", "1") as fleet:
        later = crew.brief.using(delay=3600, expires=7200).enqueue()
        again = crew.in_an_hour.enqueue()
        gone = crew.brief.using(expires=0).enqueue()
        strange = crew.app.publish("default", 1)
        failing = [crew.fails_thrice.enqueue(), crew.fails_thrice_in_a_process.enqueue(), crew.app.publish("clicks", 1)]
        old, struck = crew.fails_until_it_is_old.enqueue(), crew.too_long.enqueue()
        assert [brief.enqueue().result(30) for brief in (crew.brief, crew.brief_in_a_process)] == ["ran", "ran"]
        soon = time.monotonic()
        crew.brief.using(delay=1).enqueue().result(30)
        assert time.monotonic() - soon >= 1
        held = crew.hold_the_interpreter.enqueue()
        assert (held.result(30), place.found(held).lost) == ("held", 0)  # its supervisor looks at the time as well
        for handle in failing:
            until(lambda handle=handle: handle.status() == "dead", f"its death: {fleet.said}")
            assert place.found(handle).cause == "failed 3 of 3 attempts: ValueError: boom"
        until(lambda: old.status() == "dead", "the end of its time")
        assert "still failing after max_age of 0.5 s" in place.found(old).cause
        until(lambda: struck.status() == "dead", "its timeout")
        assert "TimeLimit" in place.found(struck).cause
        until(lambda: gone.status() == "expired", "its expiry")
        assert place.found(strange).state in {"scheduled", "ready", "running"}  # unknown for seconds, not for an hour
        assert (later.status(), waits_for_an_hour(place, again, began)) == ("scheduled", True)
        schedules = {schedule.name: schedule for schedule in place.ask("schedules")}
        until(lambda: {one.name: one for one in place.ask("schedules")}["each_second"].last, "a tick")
        hourly = schedules["each_hour"]
        assert began < hourly.next <= time.time() + 3600
        assert hourly.last is None or hourly.last <= time.time()
        assert len(fleet.pids()) == 1
