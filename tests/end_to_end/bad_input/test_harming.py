"""Rows of the table of bad input: what a task may do to the process that it runs in."""

import pytest

from fleet import until
from proc import alive

BEARABLE = [
    "change_signals", "swallow_loop_errors", "change_umask_and_locale", "stop_the_clock_of_others", "leave_threads",
    "log_badly", "lower_the_recursion_limit",
]  # fmt: skip


@pytest.fixture
def worker_lives(shared):
    """The row does not cost the worker its process, and good messages run after it."""
    before = shared.pids
    yield
    shared.still_works()
    assert shared.pids == before


@pytest.mark.usefixtures("worker_lives")
class TestBorne:
    """What the process survives."""

    def test_a_loop_in_a_thread_is_fine_and_one_in_a_loop_fails_as_python_says(self, shared):
        assert shared.crew.run_a_loop_inside.enqueue().result(30) == "slept"
        found = shared.death(shared.crew.run_a_loop_in_a_loop.enqueue())
        assert "asyncio.run() cannot be called from a running event loop" in found.cause

    def test_a_changed_folder_changes_nothing_for_the_queue_or_for_new_processes(self, shared, tmp_path):
        assert shared.crew.change_folder.enqueue(str(tmp_path)).result(30) is None
        shared.death(shared.crew.leave_process.enqueue(1))  # so that the next process starts from there
        shared.still_works()
        assert list(tmp_path.iterdir()) == []

    @pytest.mark.parametrize("task", BEARABLE)
    def test_a_task_that_changes_its_process_does_not_stop_it(self, shared, task):
        assert getattr(shared.crew, task).enqueue().result(30) is None

    @pytest.mark.parametrize(
        "task", ["fork", "fork_and_await", "fork_in_thread", "fork_and_fail_in_thread", "fork_in_process"]
    )
    def test_of_a_task_that_forks_only_the_parent_comes_back(self, shared, task):
        handles = getattr(shared.crew, task).enqueue_many([()] * 5)
        children = [handle.result(30) for handle in handles]
        assert 0 not in children
        until(lambda: not any(alive(pid) for pid in children), "the children to end")
        assert all(shared.place.found(handle).attempt == 1 for handle in handles)
        shared.still_works()

    def test_of_a_consumer_that_forks_only_the_parent_comes_back(self, shared):
        handles = [shared.crew.app.publish("forks", n) for n in range(3)]
        until(lambda: all(handle.status() == "done" for handle in handles), "their end")
        children = [int(line) for line in (shared.place.folder / "forks.txt").read_text().split()]
        assert len(children) == 3
        until(lambda: not any(alive(pid) for pid in children), "the children to end")

    def test_a_forked_child_that_uses_the_app_is_told_what_to_do(self, shared):
        said = shared.crew.fork_a_child_that_enqueues.enqueue().result(30)
        assert said.startswith("EngineError: this app was opened before the process forked")
        assert "fork first" in said


FATAL = {
    "close_everything": (),
    "close_everything_in_thread": (),
    "leave": (0,),
    "break_the_interpreter": (),
}


@pytest.mark.parametrize("task", FATAL)
def test_a_message_that_takes_its_worker_down_is_quarantined_and_its_neighbours_run(alone, task):
    neighbours = alone.crew.nap.enqueue_many([(0.3,)] * 5)
    found = alone.death(getattr(alone.crew, task).enqueue(*FATAL[task]))
    assert found.cause.startswith("lost 3 workers; the last one: its process "), found.cause
    assert (found.lost, found.attempt) == (3, 3)
    assert [handle.result(30) for handle in neighbours] == ["slept"] * 5
    until(lambda: len(alone.pids) == 1, "a worker in its place")
    alone.still_works()


@pytest.mark.parametrize(("task", "arguments"), [("close_everything_in_process", ()), ("leave_process", (0,))])
def test_a_message_that_takes_its_process_down_is_quarantined_and_the_worker_stays(shared, task, arguments):
    before = shared.pids
    found = shared.death(getattr(shared.crew, task).enqueue(*arguments))
    assert found.cause.startswith("lost 3 workers; the last one: its process "), found.cause
    shared.still_works()
    assert shared.pids == before


def test_a_worker_without_standard_streams_goes_on(alone):
    assert alone.crew.close_standard_streams.enqueue().result(30) is None
    alone.still_works()
