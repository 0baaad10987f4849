"""What an operator's signals do: the first TERM drains, the second hands back, QUIT tells where everything stands."""

import os
import signal
import socket
import subprocess
import sys
import textwrap
from datetime import datetime

import pytest

from fleet import Place, until
from forebay.model.lifecycle import State
from forebay.store.records import Query
from proc import alive, freeze


def started(place, *handles):
    for handle in handles:
        place.noted(handle)


def test_term_lets_running_tasks_end_and_starts_no_more(place):
    with place.fleet("-p", "2", "-c", "1") as fleet:
        mark = place.folder / "go"
        running = place.crew.doze_until.enqueue_many([(str(mark),)] * 2)
        started(place, *running)
        waiting = place.crew.doze.enqueue_many([(1.0,)] * 2)
        fleet.signal(signal.SIGTERM)
        until(lambda: "taking no new messages" in fleet.said, "the drain")
        mark.touch()
        assert fleet.wait() == 0
    assert [handle.status() for handle in running] == ["done", "done"]
    assert [handle.status() for handle in waiting] == ["ready", "ready"]
    assert [place.found(handle).attempt for handle in waiting] == [0, 0]


def test_whoever_asks_a_worker_to_stop_is_told_what_it_waits_for_and_when_it_has_left(place):
    with place.fleet("--drain", "60s") as fleet:
        mark = place.folder / "go"
        handle = place.crew.nap_until.enqueue(str(mark))
        started(place, handle)
        fleet.signal(signal.SIGINT)
        until(lambda: f"waiting for nap_until {handle.id}" in fleet.said, "what it waits for")
        mark.touch()
        assert fleet.wait() == 0
    said = "SIGINT: taking no new messages, letting what runs end for up to 60 s; once more hands it back"
    assert said in fleet.said
    assert "all worker processes have left" in fleet.said.splitlines()[-1]


def test_hangup_stops_a_worker_in_order_unless_it_was_started_to_ignore_it(place):
    with place.fleet() as fleet:
        handle = place.crew.doze.enqueue(0.5)
        started(place, handle)
        fleet.signal(signal.SIGHUP)
        assert fleet.wait() == 0
        assert "SIGHUP: taking no new messages" in fleet.said
    assert (handle.status(), place.found(handle).lost) == ("done", 0)


def test_a_third_signal_ends_the_processes_at_once(place):
    with place.fleet("--drain", "600s") as fleet:
        handle = place.crew.block_the_loop.enqueue(1000)
        started(place, handle)
        for times in range(1, 4):
            fleet.signal(signal.SIGINT)
            until(lambda times=times: fleet.said.count("SIGINT") >= times, "the answer")
        assert fleet.wait() == 0
    *_, third, killed = [line for line in fleet.said.splitlines() if "SIGINT" in line or "does not leave" in line]
    assert "SIGINT" in third
    assert 0 <= second_of(killed) - second_of(third) < 2, "not when the patience after the second one is at its end"
    assert (handle.status(), place.found(handle).attempt) == ("ready", 0)


def second_of(line):
    """When it was written."""
    return datetime.strptime(line[:23], "%Y-%m-%d %H:%M:%S,%f").timestamp()  # noqa: DTZ007 - two of one zone


def test_a_drain_amid_a_burst_leaves_nothing_leased_and_no_try_counted(place):
    total = 20_000
    with place.fleet("-p", "2") as fleet:
        place.crew.add.enqueue_many([(n, n) for n in range(total)])
        until(lambda: place.ask("depth", ["default"])[0].done > 500, "some ends")
        fleet.signal(signal.SIGTERM)
        assert fleet.wait() == 0
    (depth,) = place.ask("depth", ["default"])
    assert (depth.running, depth.ready + depth.done) == (0, total)
    waiting = place.ask("messages", Query(queue="default", state=State.READY, limit=total))
    assert len(waiting) == depth.ready
    assert {(found.attempt, found.lost) for found in waiting} <= {(0, 0)}


def test_a_second_term_hands_back_what_runs_with_its_attempt_refunded(make_place):
    place = make_place(lease=3)  # so that its state is seen soon
    crew = place.crew
    with place.fleet("--cpu", "1", "--drain", "600s") as fleet:
        handles = [task.enqueue(600) for task in (crew.nap, crew.doze, crew.grind, crew.sleep_in_c)]
        clicks = crew.app.publish("clicks", 600)
        started(place, *handles)
        until(lambda: clicks.status() == "running", "the consumer")
        fleet.signal(signal.SIGTERM)
        until(lambda: [row.state for row in fleet.workers()] == ["draining"], "the drain")
        fleet.signal(signal.SIGTERM)
        assert fleet.wait() == 0
        assert not fleet.everybody()
    for handle in [*handles, clicks]:
        found = place.found(handle)
        assert (found.state, found.attempt, found.lost) == ("ready", 0, 0), found.task
    assert {note.event for handle in handles for note in place.read(handle)} == {"start", "tick", "raised"}


def test_who_insists_within_the_same_moment_is_heard(place):
    with place.fleet("--drain", "600s") as fleet:
        handle = place.crew.nap.enqueue(600)
        started(place, handle)
        fleet.signal(signal.SIGTERM)
        until(lambda: "SIGTERM" in fleet.said, "the word of the first")
        fleet.signal(signal.SIGTERM)
        assert fleet.wait() == 0
        assert "does not leave" not in fleet.said
    assert (handle.status(), place.found(handle).attempt) == ("ready", 0)


def test_a_drain_that_takes_too_long_hands_back(place):
    with place.fleet("--drain", "0.3s") as fleet:
        handle = place.crew.nap.enqueue(600)
        started(place, handle)
        fleet.signal(signal.SIGTERM)
        assert fleet.wait() == 0
    assert (handle.status(), place.found(handle).attempt) == ("ready", 0)


def test_a_worker_that_is_deaf_to_both_terms_is_killed_and_what_it_held_is_handed_back(place):
    with place.fleet() as fleet:
        handle = place.crew.block_the_loop.enqueue(1000)
        started(place, handle)
        fleet.signal(signal.SIGTERM)
        until(lambda: "SIGTERM" in fleet.said, "the word of the first")  # two of the same signal at once are one
        fleet.signal(signal.SIGTERM)
        assert fleet.wait() == 0
        assert "does not leave" in fleet.said
    assert (handle.status(), place.found(handle).attempt, place.found(handle).lost) == ("ready", 0, 0)


def test_quit_dumps_the_stacks_of_threads_tasks_and_processes_and_all_go_on(place):
    crew = place.crew
    with place.fleet("--cpu", "1") as fleet:
        handles = [crew.nap.enqueue(600), crew.doze.enqueue(600), crew.grind.enqueue(600)]
        started(place, *handles)
        fleet.signal(signal.SIGQUIT)
        until(lambda: all(f" in {name}" in fleet.said for name in ("nap", "doze", "grind")), "the stacks")
        before = len(place.read(event="tick"))
        until(lambda: len(place.read(event="tick")) > before + 6, "life after the dump")
        assert {(note.event, note.attempt) for note in place.read()} == {("start", 1), ("tick", 1)}, "none began anew"
        fleet.kill()


@pytest.mark.parametrize("number", [signal.SIGUSR1, signal.SIGUSR2])
def test_signals_by_which_others_reopen_logs_end_nothing_and_lose_nothing(place, number):
    with place.fleet("--cpu", "1") as fleet:
        mark = place.folder / "go"
        handle = place.crew.nap_until.enqueue(str(mark))
        started(place, handle)
        before = fleet.pids()
        fleet.signal(number)
        for worker in before:
            os.kill(worker, number)
        until(lambda: fleet.said.count(f"{number.name}: all goes on") == 2, "what both of them say")
        mark.touch()
        handle.result(timeout=60)
        assert fleet.pids() == before
        fleet.signal(signal.SIGTERM)
        assert fleet.wait() == 0
    assert (place.found(handle).attempt, place.found(handle).lost) == (1, 0)


def test_an_app_that_listens_to_such_a_signal_hears_it(tmp_path):
    text = """
        import signal
        from pathlib import Path
        from forebay import Forebay

        app = Forebay("sqlite:///listens.db")
        signal.signal(signal.SIGUSR1, lambda *_: Path(__file__).with_name("heard").touch())

        @app.task
        def ping() -> None: ...
    """
    (tmp_path / "listens.py").write_text(textwrap.dedent(text))
    place = Place(tmp_path, tmp_path / "listens.py")
    with place.fleet() as fleet:
        (worker,) = fleet.pids()
        os.kill(worker, signal.SIGUSR1)
        until((tmp_path / "heard").exists, "the app's own handler")
        assert "SIGUSR1" not in fleet.said
    place.close()


#: Starts the command that is given, as some shells and window managers do: what they switched off stays so.
SWITCHED_OFF = """
import os, signal, sys

signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
signal.signal(signal.SIGCHLD, signal.SIG_IGN)
os.execv(sys.executable, [sys.executable, *sys.argv[1:]])
"""


def test_what_whoever_started_it_has_switched_off_is_heard_all_the_same(tmp_path):
    text = """
        import subprocess
        from forebay import Forebay

        app = Forebay("sqlite:///starts.db")

        @app.task
        def fails() -> int:
            return subprocess.run(["false"]).returncode

        @app.task(cpu=True, queue="cpu")
        def fails_apart() -> int:
            return subprocess.run(["false"]).returncode
    """
    (tmp_path / "switched.py").write_text(textwrap.dedent(text))
    place, log = Place(tmp_path, tmp_path / "switched.py"), tmp_path / "log"
    command = [sys.executable, "-c", SWITCHED_OFF, "-m", "forebay", "worker", "-A", place.locator, "--cpu", "1"]
    with log.open("wb") as out:
        worker = subprocess.Popen(command, cwd=tmp_path, env=place.environment, stderr=out)
    try:
        for task in (place.crew.fails, place.crew.fails_apart):
            assert task.enqueue().result(60) == 1, "the exit code of a program"
        (row,) = place.ask("workers")
        os.kill(row.pid, signal.SIGKILL)
        until(lambda: f"(process {row.pid}) ended with SIGKILL" in log.read_text(), "how its worker has ended")
        worker.terminate()
        assert worker.wait(60) == 0
    finally:
        worker.kill()
        worker.wait()
        place.close()


def test_quit_dumps_the_stack_of_a_loop_that_is_blocked(place):
    with place.fleet() as fleet:
        handle = place.crew.block_the_loop.enqueue(1000)
        started(place, handle)
        fleet.signal(signal.SIGQUIT)
        until(lambda: "in block_the_loop" in fleet.said, "the stack")
        assert handle.status() == "running"
        fleet.kill()


def test_a_term_to_one_worker_alone_drains_it_and_another_takes_its_place(place):
    with place.fleet("-p", "1") as fleet:
        (worker,) = fleet.pids()
        mark = place.folder / "go"
        handle = place.crew.doze_until.enqueue(str(mark))
        started(place, handle)
        os.kill(worker, signal.SIGTERM)
        until(lambda: {row.state for row in place.ask("workers") if row.pid == worker} == {"draining"}, "its drain")
        other = place.crew.doze.enqueue(0.1)
        assert other.result(30) != worker
        mark.touch()
        assert handle.result(30) == worker
        until(lambda: not alive(worker), "its end")


def deaf(bells):
    """The sockets that nobody has open any more."""
    refused = []
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as bell:
        for path in bells.iterdir():
            try:
                bell.connect(str(path))
            except ConnectionRefusedError:
                refused.append(path.name)
    return refused


def test_a_stopped_fleet_leaves_no_process_and_no_socket_behind(place):
    with place.fleet("-p", "2", "--cpu", "1") as fleet:
        place.crew.grind.enqueue(0.1).result(30)
        (first, _) = fleet.pids()
        os.kill(first, signal.SIGKILL)
        until(lambda: len(fleet.pids() - {first}) == 2, "its successor")
        place.crew.add.enqueue(1, 1).result(30)
        until(lambda: not deaf(place.folder / "queue.db-bells"), "the removal of the dead one's socket")
        fleet.signal(signal.SIGTERM)
        assert fleet.wait() == 0
        until(lambda: not fleet.everybody(), "the end of all its processes")
    assert deaf(place.folder / "queue.db-bells") == []
    assert len(list((place.folder / "queue.db-bells").iterdir())) <= 1, "none but the one of this process"
    assert place.ask("workers") == []


def test_a_worker_process_that_is_stopped_is_told_by_the_log_within_seconds_and_again_when_it_goes_on(place):
    with place.fleet() as fleet:
        (pid,) = fleet.pids()
        freeze(place.folder / "queue.db", pid)
        try:
            until(lambda: f"(process {pid}) has not reported for" in fleet.said, "the log's word of silence")
        finally:
            os.kill(pid, signal.SIGCONT)
        until(lambda: "speaks again, after" in fleet.said, "the log's word of its return")
        assert fleet.said.count("has not reported for") == 1


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
@pytest.mark.parametrize("first", ["supervisor", "worker"])
def test_one_signal_to_all_processes_is_one_drain_and_a_second_one_hands_back(place, number, first):
    with place.fleet("-c", "2", "--cpu", "1", "--drain", "60s") as fleet:
        naps = [place.crew.doze.enqueue(1.0), place.crew.grind.enqueue(1.0)]
        endless = place.crew.nap.enqueue(1000)
        started(place, *naps, endless)
        everybody = sorted(fleet.everybody(), key=lambda pid: (pid == fleet.pid) == (first == "worker"))
        for pid in everybody:
            os.kill(pid, number)
        assert [handle.result(timeout=30) > 0 for handle in naps] == [True, True]
        assert place.found(endless).state is State.RUNNING
        for pid in everybody:
            if alive(pid):
                os.kill(pid, number)
        assert fleet.wait() == 0
    assert [place.found(handle).attempt for handle in naps] == [1, 1]
    assert (endless.status(), place.found(endless).attempt) == ("ready", 0)


@pytest.mark.parametrize("command", ["worker", "dev"])
@pytest.mark.parametrize("hook", ["def", "async def"])
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_worker_that_is_told_to_stop_while_it_starts_leaves_at_once(tmp_path, command, hook, number):
    waits = "await asyncio.sleep(1000)" if hook == "async def" else "time.sleep(1000)"
    text = f"""
        import asyncio, sys, time
        from pathlib import Path
        from forebay import Forebay

        app = Forebay()

        @app.task
        def ping() -> None: ...

        @app.on_start
        {hook} connect():
            Path(__file__).with_name("hangs").touch()
            {waits}
    """
    (tmp_path / "late.py").write_text(textwrap.dedent(text))
    place = Place(tmp_path, tmp_path / "late.py")
    with place.fleet(*(["--no-reload"] if command == "dev" else []), ready=0, command=command) as fleet:
        until((tmp_path / "hangs").exists, "the hook")
        fleet.signal(number)
        code = fleet.wait()
        assert code == (0 if command == "worker" else -number)
        assert "does not leave" not in fleet.said
    place.close()
