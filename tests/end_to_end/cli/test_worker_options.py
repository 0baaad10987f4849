"""Options that are seen in a worker alone: how much it runs at a time, how it gathers batches, when a burst ends.

Those of timeouts, fates, pools, recycling, signals and schedules are told in `end_to_end/worker`, file by file.
"""

import json

import pytest

from end_to_end.cli.shell import eventually

APP = """
import json, threading, time
from pathlib import Path
from forebay import Forebay

app = Forebay("sqlite:///forebay.db", poll=0.1)
running, guard = [0], threading.Lock()


def tell(value):
    with guard, Path("told").open("a") as file:
        file.write(json.dumps(value) + "\\n")


@app.task
def overlap() -> None:
    with guard:
        running[0] += 1
        count = running[0]
    tell(count)
    time.sleep(0.6)
    with guard:
        running[0] -= 1


def batches(queue, **options):
    @app.consume(queue, **options)
    def load(messages: list) -> None:
        tell([len(messages), time.time()])
    return load


three = batches("three", batch=3, max_wait=0.2)
patient = batches("patient", batch=100, max_wait=6)
hasty = batches("hasty", batch=100, max_wait=0)
"""


@pytest.fixture
def place(shell):
    (shell.folder / "app.py").write_text(APP)
    return shell


def told(place):
    return [json.loads(line) for line in (place.folder / "told").read_text().splitlines()]


@pytest.mark.parametrize("concurrency", [1, 3])
def test_a_process_runs_as_many_at_a_time_as_it_may_and_a_burst_ends_when_nothing_is_left(place, concurrency):
    ids = [place.enqueue("overlap") for _ in range(6)]
    place("worker", "--burst", "-c", str(concurrency))
    assert max(told(place)) == concurrency
    assert {place.state(id_) for id_ in ids} == {"done"}


def test_a_batch_holds_as_many_as_it_may(place):
    place("enqueue", "three", "--raw", *"1234567")
    place("worker", "--burst")
    sizes = [size for size, _ in told(place)]
    assert (max(sizes), sum(sizes)) == (3, 7)


@pytest.mark.parametrize(("queue", "waits"), [("patient", True), ("hasty", False)])
def test_a_batch_that_is_not_full_waits_for_more_as_long_as_it_may(place, queue, waits):
    with place.worker("-Q", queue):
        id_ = place("enqueue", queue, "--raw", "1", "-o", "json").json["id"]
        found = place("messages", id_, "-o", "json").json
        eventually(lambda: place.state(id_) == "done")
    ((size, at),) = told(place)
    assert size == 1
    assert (at - found["created"] >= 5.9) == waits


LATE = """

@app.task(retry=1)
async def late(number: int) -> None:
    raise TimeoutError


@app.on_start
async def fill() -> None:
    await late.aenqueue_many([(number,) for number in range(300)])
"""


@pytest.mark.parametrize("words", [["worker", "--adaptive"], ["dev", "--adaptive", "--no-reload"]])
def test_an_adaptive_worker_runs_fewer_at_a_time_while_tasks_time_out(shell, words):
    app = shell.folder / "app.py"
    app.write_text(app.read_text() + LATE)
    with shell.start(*words, "-c", "8") as worker:
        worker.until("fewer than 8 at a time")
