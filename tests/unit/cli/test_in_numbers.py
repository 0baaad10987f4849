"""What stands in the cells of `forebay queues` and `workers`: how full a queue is, whom it refuses, who was lowered."""

import pytest
from msgspec.structs import replace

from forebay.cli import queues, workers
from forebay.cli.table import lay
from forebay.engine.contract import Depth, LaneDepth
from forebay.model.gate import THROTTLE, Gate
from forebay.model.provider import BREAKER
from forebay.store.records import WorkerRow

NOW = 1_000.0
WORKER = WorkerRow(
    worker="w1", host="h", pid=7, queues=["q"], concurrency=5, running=3, done=0, failed=0, proved=0.2,
    state="running", rss=0, started=NOW - 60, left=14.0,
)  # fmt: skip


@pytest.mark.parametrize(
    ("depth", "limit", "why"),
    [
        (Depth(queue="q", ready=799, limit=1_000, reserved=200), "79% of 1,000", ""),
        (Depth(queue="q", ready=800, limit=1_000, reserved=200), "80% of 1,000", "only priorities above 0 get in"),
        (Depth(queue="q", ready=999, limit=1_000), "99% of 1,000", ""),
        (Depth(queue="q", ready=900, scheduled=100, limit=1_000, reserved=200), "100% of 1,000", "full"),
        (Depth(queue="q", parked=950, limit=1_000, full=NOW - 60), "95% of 1,000", "full for 1m"),
        (Depth(queue="q", ready=1, limit_bytes=1_000, size=996), "99% of 1.0 kB", ""),
    ],
)
def test_a_queue_says_whom_it_refuses_and_a_hundred_per_cent_is_full(depth: Depth, limit: str, why: str) -> None:
    line = queues.Line(depth, queues.why(depth, [], NOW))
    cells = {column.title: column.text(line) for column in queues.columns()}
    assert (cells["LIMIT"], cells["WHY"]) == (limit, why)


def test_a_queue_says_which_provider_it_waits_for_and_an_idle_one_does_not() -> None:
    """The lane of a provider is shut in every queue at once, by two holders perhaps."""
    gates = [Gate("", "smtp", "its task says so", NOW, holder) for holder in (BREAKER, THROTTLE)]
    lane = LaneDepth(lane="smtp|meter:provider:smtp", parked=3, why="closed")
    waits = Depth(queue="q", parked=3, lanes=[lane])
    assert queues.why(waits, gates, NOW) == "waits for provider smtp: its task says so"
    assert queues.why(Depth(queue="q"), gates, NOW) == ""
    assert queues.why(replace(waits, parked=0), gates, NOW) == ""


def test_a_backlog_that_nobody_counted_one_by_one_names_the_task_that_is_paused() -> None:
    """An engine does not look at each of 300,000: they are ready, though a gate may hold them all."""
    gate = Gate("", since=NOW - 60, reason="deploy", task="f")
    assert queues.why(Depth(queue="q", ready=300_000), [gate], NOW) == "task f 1m ago: deploy"
    assert queues.why(Depth(queue="q", ready=5), [gate], NOW) == ""


def test_a_worker_that_has_lowered_itself_is_told_from_a_small_one() -> None:
    columns = workers.table(NOW, 15.0, "shop:app").columns
    laid = lay([WORKER, replace(WORKER, most=5), replace(WORKER, most=20)], columns, 200)
    assert [" 3/5  " in line and "of 20" not in line for _, (line,) in laid.rows] == [True, True, False]
    assert "  3/5 of 20  " in laid.rows[2][1][0]
