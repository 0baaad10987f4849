"""Workers that die, freeze or go deaf: what becomes of their messages, and who says so."""

import os
import signal
import time

import pytest

from fleet import Fleet, until
from proc import alive, descriptors, freeze, parent_of, pids, state_of

#: Seconds of a lease that nobody waits for where a loss is seen by who lives on the same host.
LONG = 60


def test_messages_of_a_killed_worker_start_again_on_the_same_host_none_lost_none_twice_at_a_time(make_place, capsys):
    place = make_place(lease=LONG)
    crew = place.crew
    with place.fleet("-p", "2", "-c", "16") as fleet:
        handles = [task.enqueue(5.0) for _ in range(8) for task in (crew.nap, crew.doze)]
        for handle in handles:
            place.noted(handle)
        victim = max(fleet.workers(), key=lambda row: len(place.ask("held", row.worker)))
        freeze(place.folder / "queue.db", victim.pid)  # so that what it holds is what it holds when it dies
        held = {delivery.id for delivery in place.ask("held", victim.worker)}
        killed = time.monotonic()
        os.kill(victim.pid, signal.SIGKILL)
        again = [place.noted(handle, attempt=2)[0] for handle in handles if handle.id in held]
        assert all(isinstance(handle.result(30), int) for handle in handles)
        assert {note.attempt for note in place.read() if note.id not in held} <= {1}  # it may have held all of them
        until(lambda: len(fleet.pids()) == 2, "the killed worker's successor")
        assert victim.pid not in fleet.pids()
    assert place.overlaps() == []
    pauses = sorted(note.time - killed for note in again)
    with capsys.disabled():
        print(f"\nkill -9 of one of two workers: its {len(pauses)} messages started again after", end=" ")
        print(", ".join(f"{pause * 1000:.0f}" for pause in pauses), "ms")
    assert max(pauses) < LONG / 2


def test_messages_of_a_fleet_that_is_killed_whole_start_again_in_another_of_this_host(make_place, capsys):
    place = make_place(lease=LONG)
    with place.fleet("-p", "2") as first:
        handles = place.crew.nap.enqueue_many([(1000,)] * 10)
        for handle in handles:
            place.noted(handle)
        with place.fleet() as second:
            (other,) = second.pids()
            killed = time.monotonic()
            for pid in (first.pid, *first.pids()):
                os.kill(pid, signal.SIGKILL)
            again = [place.noted(handle, attempt=2)[0] for handle in handles]
            assert {note.pid for note in again} == {other}
            second.kill()
    assert place.overlaps() == []
    pauses = [note.time - killed for note in again]
    with capsys.disabled():
        print(f"\nkill -9 of a whole fleet: all started again elsewhere after {max(pauses) * 1000:.0f} ms")
    assert max(pauses) < LONG / 2


def test_a_daemon_that_a_task_left_behind_does_not_hold_up_the_burial_of_its_worker(place):
    with place.fleet("-p", "1") as fleet:
        handle = place.crew.leave_a_daemon.enqueue(0.5)
        (start,) = place.noted(handle)
        until(lambda: any(parent_of(pid) == start.pid for pid in fleet.everybody()), "the daemon")
        os.kill(start.pid, signal.SIGKILL)
        handle.result(30)
        assert [note.attempt for note in place.read(handle, "start")] == [1, 2]
        fleet.kill()


def test_nothing_that_a_killed_worker_started_goes_on(place):
    """Its cpu=True processes end with it, and are no zombies of the supervisor's."""
    place.start_anew = True  # a nest looks like one: see `nest`
    with place.fleet("-p", "1", "--cpu", "2") as fleet:
        handles = place.crew.grind.enqueue_many([(2.0,)] * 2)
        children = {place.noted(handle)[0].pid for handle in handles}
        (worker,) = fleet.pids()
        os.kill(worker, signal.SIGKILL)
        until(lambda: not any(alive(pid) for pid in children), "the end of its processes")
        for handle in handles:
            handle.result(30)
        assert not any(parent_of(pid) == fleet.pid and state_of(pid) == "Z" for pid in pids())
    assert place.overlaps() == []


def test_attempts_are_counted_before_the_task_runs(place):
    with place.fleet() as _:
        handle = place.crew.kill_the_worker_once.enqueue()
        assert handle.result(30) == "attempt 2"
    assert [note.attempt for note in place.read(handle, "start")] == [1, 2]


def test_three_lost_workers_quarantine_a_message_with_its_story_and_the_third_try_is_alone(place):
    with place.fleet("-p", "1", "-c", "10") as fleet:
        handle = place.crew.kill_the_worker.enqueue()
        until(lambda: len(place.read(handle, "start")) >= 2 and fleet.pids(), "two losses")
        neighbours = place.crew.nap.enqueue_many([(2.0,)] * 3)
        until(lambda: handle.status() == "dead", "its quarantine")
        for neighbour in neighbours:
            neighbour.result(30)
        runs = place.read(handle, "start")
        assert len({run.pid for run in runs}) == 3
        assert runs[2].ppid in fleet.pids()  # in a process of its own, below a worker that lived on
        found = place.found(handle)
        assert (found.attempt, found.lost) == (3, 3)
        assert found.cause == "lost 3 workers; the last one: its process was ended by SIGKILL"
    assert {note.attempt for neighbour in neighbours for note in place.read(neighbour)} <= {1, 2}
    assert place.overlaps() == []


def test_at_most_once_loses_rather_than_repeats(place):
    with place.fleet() as fleet:
        handle = place.crew.kill_the_worker_at_most_once.enqueue()
        (first,) = place.noted(handle)
        until(lambda: fleet.pids() - {first.pid}, "a new worker")
        place.crew.add.enqueue(1, 1).result(30)
    assert handle.status() == "done"
    assert len(place.read(handle, "start")) == 1


def test_a_worker_whose_engine_does_not_answer_it_is_replaced_though_it_talks(make_place):
    place = make_place(lease=4, poll=0.2)
    with place.fleet() as fleet:
        (deaf,) = fleet.pids()
        neighbour = place.crew.nap.enqueue(1000)
        place.noted(neighbour)
        hang = place.crew.hang_the_connection.enqueue()
        place.noted(hang)
        (again,) = place.noted(neighbour, pid=(until(lambda: fleet.pids() - {deaf}, "its successor")).pop())
        assert (again.attempt, place.found(neighbour).lost) == (2, 1)  # it ran, and may have been the reason
        assert "gets no answer from its engine" in fleet.said
        fleet.kill()


def test_the_log_names_a_supervisor_that_is_stopped_while_it_is(make_place):
    place = make_place(lease=2, poll=0.2)
    with place.fleet() as fleet:
        place.crew.add.enqueue(1, 1).result(30)
        freeze(place.folder / "queue.db", fleet.pid)
        until(lambda: f"its supervisor (process {fleet.pid}) is stopped" in fleet.said, "what its worker says")
        os.kill(fleet.pid, signal.SIGCONT)
        assert place.crew.add.enqueue(1, 2).result(60) == 3, "another worker takes its place"


@pytest.mark.parametrize("drain", ["0.5s", "60s"])
def test_what_runs_in_a_worker_that_leaves_and_gets_no_answer_counts_the_loss(make_place, drain):
    """Told to stop or not: what took the connection away is not handed back as if nothing had been."""
    place = make_place(lease=4, poll=0.2)
    with place.fleet("--drain", drain) as fleet:
        hang = place.crew.hang_the_connection.enqueue()
        place.noted(hang)
        neighbour = place.crew.nap.using(queue="other").enqueue(1)
        fleet.signal(signal.SIGTERM)
        until(lambda: not fleet.everybody(), "its end")
        assert (place.found(hang).lost, place.found(neighbour).lost) == (1, 0), fleet.said


def test_a_message_that_closes_the_connections_of_its_worker_costs_it_its_life_and_the_others_nothing(place):
    with place.fleet("-c", "2") as fleet:
        closing = place.crew.close_the_connections.enqueue()
        others = place.crew.add.enqueue_many([(1, 1)] * 12)
        until(lambda: closing.status() == "done", "its third run, which is alone")
        assert [other.result(30) for other in others] == [2] * 12
        assert place.found(closing).lost == 2
        assert "no task may close it" in fleet.said


def test_a_worker_that_cannot_write_beside_a_second_library_is_replaced_with_the_reason_and_counted(make_place):
    place = make_place(lease=6, poll=0.2)  # it knows the reason after ten seconds, and is replaced after fifteen
    with place.fleet() as fleet:
        keeping = place.crew.keep_a_second_library_open.enqueue()
        place.noted(keeping)
        until(lambda: place.found(keeping).lost, "its loss")
        told, *_ = [line for line in fleet.said.splitlines() if "gets no answer from its engine" in line]
        assert "second SQLite library" in told
        fleet.kill()


def test_a_supervisor_does_not_grow_with_the_workers_that_it_buries(place):
    with place.fleet("-p", "4") as fleet:
        files = descriptors(fleet.pid)  # give or take what it has open for a moment
        for _ in range(3):
            buried = fleet.pids()
            for pid in buried:
                os.kill(pid, signal.SIGKILL)
            until(lambda buried=buried: len(fleet.pids() - buried) == 4, "four successors")
        until(lambda: descriptors(fleet.pid) < files + 4, "as many open files as before, not one for each of twelve")
        assert not [pid for pid in fleet.everybody() if state_of(pid) == "Z"]


def test_when_the_supervisor_is_killed_its_workers_hand_back_and_leave(place):
    """What ran counts a lost worker, for it may be what took the supervisor down; what only waited counts nothing."""
    crew = place.crew
    with place.fleet("-p", "2", "--cpu", "1") as old:
        workers = old.pids()
        waiting = [crew.grind.enqueue(1000) for _ in range(4)]
        handles = [crew.nap.enqueue(1000) for _ in range(4)] + [crew.doze.enqueue(1000) for _ in range(2)]
        for handle in handles:
            place.noted(handle)
        place.noted(task="grind", count=2)
        os.kill(old.pid, signal.SIGKILL)
        until(lambda: not any(alive(pid) for pid in workers), "its workers to leave")
        assert all(handle.status() == "ready" for handle in handles)
        assert {(place.found(handle).attempt, place.found(handle).lost) for handle in handles} == {(1, 1)}
        idle = [handle for handle in waiting if not place.read(handle, "start")]
        assert len(idle) == 2
        assert {(place.found(handle).attempt, place.found(handle).lost) for handle in idle} == {(0, 0)}
        with place.fleet("-p", "1"):
            for handle in handles:
                place.noted(handle, count=2)
                assert [note.attempt for note in place.read(handle, "start")] == [1, 2]
    assert place.overlaps() == []


def test_a_supervisor_that_was_told_to_leave_and_is_killed_then_costs_nothing(place):
    """As by a service manager whose patience ends."""
    crew = place.crew
    with place.fleet("--drain", "600s") as old:
        (worker,) = old.pids()
        handles = [crew.nap.enqueue(1000), crew.doze.enqueue(1000), crew.app.publish("clicks", 1000)]
        for handle in handles:
            until(lambda handle=handle: handle.status() == "running", "it runs")
        old.signal(signal.SIGTERM)
        until(lambda: "taking no new messages" in old.said, "the drain")
        os.kill(old.pid, signal.SIGKILL)
        until(lambda: not alive(worker), "its worker to leave")
        assert {(place.found(handle).attempt, place.found(handle).lost) for handle in handles} == {(0, 0)}


def test_a_task_that_takes_its_supervisor_down_each_time_is_quarantined_like_one_that_kills_its_worker(place):
    handle = place.crew.kill_the_supervisor.enqueue()
    for _ in range(5):
        fleet = Fleet(place, "worker")
        until(lambda: not fleet.everybody() or handle.status() == "dead", "its end", 60)  # noqa: B023 - at once
        fleet.kill()
        if handle.status() == "dead":
            break
    assert (handle.status(), place.found(handle).lost, len(place.read(handle, "start"))) == ("dead", 3, 3)


def test_a_worker_that_cannot_hear_that_its_supervisor_is_gone_leaves_all_the_same(make_place):
    place = make_place(lease=2)
    with place.fleet() as old:
        (worker,) = old.pids()
        handle = place.crew.block_the_loop.enqueue(1000)
        place.noted(handle)
        os.kill(old.pid, signal.SIGKILL)
        until(lambda: not alive(worker), "the deaf worker's end")
        with place.fleet() as other:
            assert place.noted(handle, count=2)[1].attempt == 2
            other.kill()


@pytest.mark.parametrize("task", ["block_the_loop", "hold_the_interpreter"])
def test_a_lease_outlives_a_worker_that_is_blocked_for_longer_than_it(make_place, task):
    place = make_place(lease=4)  # a busy machine lets its parent wait for a while, too
    with place.fleet("-p", "1"), place.fleet("-p", "1"):
        handle = getattr(place.crew, task).enqueue(9.0)
        handle.result(30)
    (start,) = place.read(handle, "start")
    assert start.attempt == 1


def test_a_frozen_fleet_that_comes_back_settles_nothing(make_place):
    place = make_place(lease=4)  # which the other fleet has to renew, on a busy machine
    with place.fleet("-p", "1") as frozen:
        (worker,) = frozen.pids()
        handles = [place.crew.nap.enqueue(1.0), place.crew.doze.enqueue(1.0)]
        for handle in handles:
            place.noted(handle)
        freeze(place.folder / "queue.db", frozen.pid, worker)
        with place.fleet("-p", "1") as other:
            for handle in handles:
                place.noted(handle, count=2)
            (second,) = other.pids()
            for pid in (worker, frozen.pid):
                os.kill(pid, signal.SIGCONT)
            assert {handle.result(30) for handle in handles} == {second}
            until(lambda: not alive(worker), "the end of the one that was frozen")
            until(frozen.pids, "its successor")
        assert {place.found(handle).attempt for handle in handles} == {2}


def test_a_development_worker_that_was_frozen_goes_on_under_a_new_lease(make_place):
    place = make_place(lease=0.6)
    with place.fleet("--no-reload", command="dev", ready=0) as dev:
        place.crew.add.enqueue(1, 1).result(30)
        dev.signal(signal.SIGSTOP)
        until(lambda: not any(row.left > 0 for row in place.ask("workers")), "the end of its lease")
        dev.signal(signal.SIGCONT)
        assert place.crew.add.enqueue(1, 2).result(30) == 3
        dev.signal(signal.SIGTERM)
        assert dev.wait() == 0
