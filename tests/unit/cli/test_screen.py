"""The screen of `top`: never higher than its terminal, a line for each row, the busiest where not all fit."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from forebay.cli.screen import Screen, shared
from forebay.engine.contract import Depth
from forebay.model.gate import Gate
from forebay.observe.snapshot import Snapshot
from forebay.store.records import WorkerRow

NOW = 1_800_000_000.0
NAMES = [f"queue-{number:02}" for number in range(9)]


def reading(queues, workers, gates=()):
    rows = [
        WorkerRow(
            worker=f"{number:032x}", host="h", pid=100 + number, queues=NAMES, concurrency=4, running=number, done=0,
            failed=0, proved=NOW, state="running", rss=0, started=NOW - 60, left=10.0,
        )
        for number in range(workers)
    ]  # fmt: skip
    depths = [Depth(queue=name, ready=number, parked=number) for number, name in enumerate(NAMES[:queues])]
    return Snapshot(at=NOW, tick=1.0, queues=depths, workers=rows, gates=gates)


@given(st.integers(0, 200), st.integers(0, 50), st.integers(10, 100))
def test_the_room_of_a_terminal_is_shared_out_and_all_of_it_is_used(queues, workers, height):
    room = shared(queues, workers, height)
    frame = 5 + (2 if room.workers else 0) + (2 if room.due else 0) + 1  # totals, headings, space, the last line
    assert frame + room.queues + room.workers <= height
    if max(1, queues) + max(1, workers) <= height - 10:
        assert (room.queues >= queues, room.workers >= workers, room.due) == (True, True, True)


@pytest.mark.parametrize("height", [10, 16, 24, 50])
@pytest.mark.parametrize("columns", ["40", "80", "160"])
def test_it_fits_and_says_what_it_leaves_out(height, columns, monkeypatch):
    monkeypatch.setenv("COLUMNS", columns)
    lines = Screen("here", 15.0, 1.0).lines(None, reading(9, 3), height)
    assert len(lines) <= height
    assert lines[-1].startswith("every 1s")
    listed = sum(line.startswith(("que", "…0", "0000")) for line in lines)
    if height >= 24:
        assert listed == 12
    assert any("more queues" in line for line in lines) == (height < 24)
    headings = [number for number, line in enumerate(lines) if line.startswith(("QUEUE ", "WORKER "))]
    assert all(lines[number + 1].strip() for number in headings)


def test_it_says_why_a_queue_stands_still(monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    gates = [Gate(queue=NAMES[8], holder="operator", reason="moving house", since=NOW - 60)]
    lines = Screen("here", 15.0, 1.0).lines(None, reading(9, 2, gates), 24)
    assert any(line.startswith(NAMES[8]) and "moving" in line for line in lines)
