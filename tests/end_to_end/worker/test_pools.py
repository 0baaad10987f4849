"""Where tasks run: on the loop, in threads, in processes; in how many processes; and who gets the next one."""

import os
import signal

from fleet import until


def test_async_tasks_share_the_thread_of_the_loop(shared):
    place, fleet = shared
    handles = place.crew.nap.enqueue_many([(2.0,)] * 20)
    pids = {handle.result(30) for handle in handles}
    starts = [note for handle in handles for note in place.read(handle, "start")]
    assert pids <= fleet.pids()
    assert {note.thread for note in starts} == {"MainThread"}
    assert max(note.time for note in starts) < min(place.read(handle, "end")[0].time for handle in handles)


def test_sync_tasks_run_in_threads_of_the_worker_at_the_same_time(shared):
    place, fleet = shared
    handles = place.crew.doze.enqueue_many([(2.0,)] * 8)
    assert {handle.result(30) for handle in handles} <= fleet.pids()
    starts = [note for handle in handles for note in place.read(handle, "start")]
    assert "MainThread" not in {note.thread for note in starts}
    assert max(note.time for note in starts) < min(place.read(handle, "end")[0].time for handle in handles)


def test_cpu_tasks_run_in_processes_of_their_own_below_a_worker(shared):
    place, fleet = shared
    handles = place.crew.grind.enqueue_many([(0.3,)] * 4)
    pids = {handle.result(30) for handle in handles}
    assert not pids & (fleet.pids() | {os.getpid(), fleet.pid})
    assert {place.read(handle, "start")[0].ppid for handle in handles} <= fleet.pids()


def test_the_asked_for_number_of_processes_runs_below_one_supervisor(shared):
    place, fleet = shared
    assert len(fleet.pids()) == 2
    assert fleet.pid not in fleet.pids()
    handles = place.crew.doze.enqueue_many([(1.0,)] * 300)
    assert {handle.result(30) for handle in handles} == fleet.pids()


def test_no_slow_task_waits_behind_another_while_another_worker_is_free(place):
    """A burst of fast tasks makes workers take more than they can start, but what turns out slow goes back."""
    with place.fleet("-p", "2", "-c", "2") as fleet:
        fast = place.crew.add.enqueue_many([(n, n) for n in range(2000)])
        slow = place.crew.doze.enqueue_many([(10.0,)] * 4)
        starts = [place.noted(handle)[0] for handle in slow]
        assert not any(place.read(handle, "end") for handle in slow)
        assert {note.pid for note in starts} == fleet.pids()
        assert [handle.result(30) for handle in fast[-3:]] == [3994, 3996, 3998]
        for handle in slow:
            handle.cancel()


def test_cpu_tasks_of_a_mixed_queue_do_not_keep_its_other_tasks_waiting(place):
    """What finds no process here goes back for others to take, and the queue goes on."""
    with place.fleet("--cpu", "1", "-c", "10"):
        cpu = place.crew.grind_among_others.enqueue_many([(2.0,)] * 12)
        other = place.crew.add.enqueue(1, 2)
        assert other.result(30) == 3
        assert sum(bool(place.read(handle, "end")) for handle in cpu) < 6
        for handle in cpu[4:]:
            handle.cancel()
        for handle in cpu[:2]:
            handle.result(30)


def test_a_frozen_cpu_process_and_a_job_too_long_for_its_pipe_hold_up_no_other_task(place):
    with place.fleet("--cpu", "1") as fleet:
        frozen, long = place.crew.grind.enqueue(0.1).result(30), "x" * 900_000
        os.kill(frozen, signal.SIGSTOP)
        echo = place.crew.echo.enqueue(long)
        until(lambda: echo.status() == "running", "its lease")
        for number in range(20):
            assert place.crew.add.enqueue(number, number).result(30) == 2 * number
        os.kill(frozen, signal.SIGCONT)
        assert echo.result(30) == long
        assert {note.attempt for note in place.read(echo)} == {1}
        assert len(fleet.pids()) == 1


def test_a_cpu_process_that_is_stopped_is_named_in_the_log_once(place):
    with place.fleet("--cpu", "1") as fleet:
        pid = place.crew.grind.enqueue(0.1).result(30)
        os.kill(pid, signal.SIGSTOP)
        try:
            handle = place.crew.grind.enqueue(0.1)
            says = f"grind {handle.id}: its process {pid} is stopped (SIGSTOP, a debugger)"
            until(lambda: says in fleet.said, "the log's word of it")
        finally:
            os.kill(pid, signal.SIGCONT)
        assert handle.result(30) == pid
        assert fleet.said.count("is stopped (SIGSTOP") == 1


def test_one_killed_cpu_process_hurts_no_neighbour(place):
    with place.fleet("--cpu", "2") as fleet:
        neighbour = place.crew.grind.enqueue(1.5)
        place.noted(neighbour)
        crash = place.crew.kill_the_process.enqueue()
        until(lambda: crash.status() == "dead", "its quarantine")
        neighbour.result(30)
        assert {note.attempt for note in place.read(neighbour)} == {1}
        assert place.found(crash).cause == "lost 3 workers; the last one: its process was ended by SIGSEGV"
        assert len(place.read(crash, "start")) == 3
        assert len(fleet.pids()) == 1


def test_a_stray_signal_in_a_process_for_tasks_is_no_timeout(shared):
    place, _ = shared
    handle = place.crew.send_a_stray_signal.enqueue()
    until(lambda: handle.status() == "dead", "its end")
    found = place.found(handle)
    assert (found.attempt, found.lost) == (3, 3)
    assert found.cause == "lost 3 workers; the last one: its process was ended by SIGUSR1"
