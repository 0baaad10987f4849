"""Workers that are replaced for their age or their weight: nothing is lost, and nothing long is cut short."""

import pytest

from fleet import until
from proc import alive


def test_a_worker_is_replaced_after_max_tasks(place):
    with place.fleet("-p", "1", "-c", "1", "--max-tasks", "5"):
        handles = place.crew.doze.enqueue_many([(0.1,)] * 20)
        pids = [handle.result(30) for handle in handles]
    assert len(set(pids)) >= 3
    assert max(pids.count(pid) for pid in pids) < 10
    assert {place.found(handle).attempt for handle in handles} == {1}
    assert {len(place.read(handle, "start")) for handle in handles} == {1}


def test_a_long_task_is_not_cut_short_by_recycling_and_the_successor_works_beside_it(place):
    with place.fleet("-p", "1", "--max-tasks", "3", "--drain", "0.1s") as fleet:
        (first,) = fleet.pids()
        mark = place.folder / "go"
        long = place.crew.doze_until.enqueue(str(mark))
        place.noted(long)
        for _ in range(3):
            place.crew.add.enqueue(1, 1).result(30)
        other = until(lambda: fleet.pids() - {first}, "its successor").pop()
        assert place.crew.doze.enqueue(0.05).result(30) == other
        assert alive(first)
        mark.touch()
        assert long.result(30) == first
        assert len(place.read(long, "start")) == 1
        until(lambda: not alive(first), "the end of the first")


def test_a_worker_is_replaced_above_max_memory(place):
    with place.fleet("-p", "1", "--max-memory", "150MB") as fleet:
        fat = place.crew.keep_memory.enqueue(150).result(30)
        until(lambda: place.crew.doze.enqueue(0.05).result(30) != fat, "a slim successor")
        until(lambda: not alive(fat), "the end of the fat one")
        assert len(fleet.pids()) == 1
        assert fat not in fleet.pids()
        assert "MB of memory, and --max-memory is 150 MB" in fleet.said  # nobody has to guess why there is a new one


def test_a_worker_without_a_descriptor_left_is_replaced_for_whatever_opens_a_file_in_it_fails(place):
    with place.fleet("-p", "1") as fleet:
        full = place.crew.keep_descriptors.enqueue().result(30)
        until(lambda: not alive(full), "the end of the one that has no descriptor left")
        assert "file descriptors (ulimit -n) are in use" in fleet.said
        assert place.crew.doze.enqueue(0.05).result(30) != full


def test_a_cpu_process_is_replaced_above_max_memory_and_its_worker_stays(place):
    with place.fleet("-p", "1", "--cpu", "1", "--max-memory", "150MB") as fleet:
        before = fleet.pids()
        fat = place.crew.keep_memory_apart.enqueue(150).result(30)
        assert place.crew.grind.enqueue(0.05).result(30) != fat
        until(lambda: not alive(fat), "the end of the fat one")
        assert fleet.pids() == before


@pytest.mark.parametrize("task", ["grow", "grow_in_a_process"])
def test_a_process_that_outgrows_max_memory_by_far_is_ended_while_its_task_runs(place, task):
    with place.fleet("-p", "1", "--cpu", "1", "--max-memory", "120MB") as fleet:
        handle = getattr(place.crew, task).enqueue(2_000)
        found = until(lambda: place.found(handle) if place.found(handle).lost else None, "its loss")
        until(lambda: "has outgrown its memory" in fleet.said, "why")
        handle.cancel()
        until(lambda: handle.status() not in ("ready", "running"), "its end", 60)
        assert found.attempt <= 2
        assert place.crew.add.enqueue(1, 2).result(30) == 3


def test_processes_that_were_replaced_and_run_on_for_ever_do_not_add_up(place):
    with place.fleet("-p", "1", "--max-tasks", "1", "--drain", "0.5s") as fleet:
        hung = []
        while "then they are handed back" not in fleet.said:  # a process takes one or two of them before it is replaced
            assert len(hung) < 20
            hung.append(place.crew.nap.enqueue(1000))
            place.noted(hung[-1])
            place.crew.add.enqueue(1, 1).result(30)
        until(lambda: len(fleet.workers()) <= 5, "some of them to have left")
        for handle in hung:
            handle.cancel()
