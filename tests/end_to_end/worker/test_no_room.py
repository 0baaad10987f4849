"""A host without room for another process: the fleet goes on with what it has, says so once, and starts it later."""

import contextlib
import os
import resource
import signal
import subprocess
import sys

from fleet import until


def test_a_worker_process_that_cannot_be_started_is_tried_again_until_it_can(place):
    with place.fleet() as fleet:
        (first,) = fleet.pids()
        limits = resource.prlimit(fleet.pid, resource.RLIMIT_NOFILE)
        resource.prlimit(fleet.pid, resource.RLIMIT_NOFILE, (3, limits[1]))
        os.kill(first, signal.SIGKILL)
        until(lambda: "starting a worker process" in fleet.said, "its complaint")
        handle = place.crew.add.enqueue(1, 1)
        resource.prlimit(fleet.pid, resource.RLIMIT_NOFILE, limits)
        assert handle.result(30) == 2
        until(lambda: "starting a worker process: works again" in fleet.said, "that it is over")
        assert fleet.said.count("starting a worker process: OSError") == 1


def test_a_part_of_a_worker_that_ends_is_told_and_ends_its_process_and_another_takes_its_place(place):
    with place.fleet() as fleet:
        (first,) = fleet.pids()
        place.crew.break_a_thread_of_ours.enqueue()
        until(lambda: fleet.pids() - {first}, "its successor")
        assert "thread forebay-test ended with ZeroDivisionError" in fleet.said
        assert "it cannot go on: its thread forebay-test ended with ZeroDivisionError" in fleet.said
        assert place.crew.add.enqueue(1, 1).result(30) == 2


def test_a_log_that_nobody_reads_stops_no_heartbeat(make_place):
    """A pipe whose reader has stopped, as a paused terminal: the supervisor's words wait, the leases do not."""
    place = make_place(lease=4)
    read, write = os.pipe()
    command = [sys.executable, "-m", "forebay", "worker", "-A", place.locator, "-p", "2"]
    worker = subprocess.Popen(
        command, cwd=place.folder, env=place.environment, stdin=subprocess.DEVNULL, stdout=write, stderr=write
    )
    os.close(write)
    try:
        until(lambda: len(place.ask("workers")) == 2, "both workers")
        _fill(f"/proc/{worker.pid}/fd/2")
        handle = place.crew.doze.enqueue(9.0)
        (run,) = place.noted(handle)
        (other,) = [row.pid for row in place.ask("workers") if row.pid != run.pid]
        os.kill(other, signal.SIGKILL)  # which the supervisor would like to tell
        assert handle.result(30) == run.pid
        assert (place.found(handle).attempt, place.found(handle).lost) == (1, 0)
        until(lambda: len({row.pid for row in place.ask("workers")} - {other}) == 2, "the successor")
    finally:
        worker.kill()
        worker.wait()
        os.close(read)


def _fill(pipe):
    end = os.open(pipe, os.O_WRONLY | os.O_NONBLOCK)
    with contextlib.suppress(BlockingIOError):
        while True:
            os.write(end, b"x" * 4096)
    os.close(end)


def test_a_process_for_tasks_that_can_start_no_thread_costs_no_message_and_is_tried_again(place):
    """As below a limit of threads (`pids.max` of a container): a stack that fits nowhere has the same effect."""
    with place.fleet("--cpu", "1") as fleet:
        (worker,) = fleet.pids()
        limits = resource.prlimit(worker, resource.RLIMIT_STACK)
        resource.prlimit(worker, resource.RLIMIT_STACK, (1 << 46, limits[1]))  # read when a program starts
        handle = place.crew.grind.enqueue(0.0)
        until(lambda: fleet.said.count("a process for cpu tasks cannot start: can't start new thread") == 4, "4 tries")
        resource.prlimit(worker, resource.RLIMIT_STACK, limits)
        handle.result(60)
        assert (place.found(handle).attempt, place.found(handle).lost) == (1, 0)
        assert "Traceback" not in fleet.said
