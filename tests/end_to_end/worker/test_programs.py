"""What tasks start: programs and forks hear signals as any others do, and end with the process that started them."""

import os
import signal
import textwrap

import pytest

from fleet import Place, until
from proc import alive

APP = """
import multiprocessing, os, signal, subprocess, sys, time
from pathlib import Path
from forebay import Forebay, Retry

app = Forebay()
here = Path(__file__).parent
again = Retry(max_attempts=2, base=0, cap=0)

def code_of(process):
    try:
        return process.wait(60)
    finally:
        process.kill()

def ended() -> list[int]:
    codes = []
    for number in (signal.SIGTERM, signal.SIGINT):
        process = subprocess.Popen([sys.executable, "-c", "import time; print(1, flush=True); time.sleep(60)"],
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        process.stdout.readline()
        process.send_signal(number)
        codes.append(code_of(process))
    for way in ("fork", "spawn"):
        begun = here / f"begun-{os.getpid()}-{way}"
        other = multiprocessing.get_context(way).Process(target=sleep, args=(str(begun),))
        other.start()
        while not begun.exists():
            time.sleep(0.01)
        other.terminate()
        other.join(60)
        codes.append(other.exitcode)
        other.kill()
    return codes

def sleep(begun):
    Path(begun).touch()
    time.sleep(60)

def waits() -> None:
    process = subprocess.Popen(["sleep", "1000"])
    group = subprocess.Popen(["sleep", "1000"], process_group=0)
    note = here / f"programs-{process.pid}.part"
    note.write_text(f"{os.getpid()} {process.pid} {group.pid}")
    note.rename(note.with_suffix(".txt"))
    process.wait()

ended_plain = app.task(retry=1, name="ended-plain")(ended)
ended_cpu = app.task(retry=1, name="ended-cpu", cpu=True)(ended)
waits_plain = app.task(retry=again, name="waits-plain")(waits)
waits_cpu = app.task(retry=again, name="waits-cpu", cpu=True)(waits)
deaf_cpu = app.task(retry=1, name="deaf-cpu", cpu=True, timeout=3, grace=0.3)(
    lambda: signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1]) and None or waits())
"""


@pytest.fixture
def shop(tmp_path):
    (tmp_path / "shop.py").write_text(textwrap.dedent(APP))
    place = Place(tmp_path, tmp_path / "shop.py")
    yield place
    place.close()


def programs(place, count=1):
    """What the tasks started: for each run its process, a program of it, and one that has made itself a group."""

    def look():
        notes = sorted(place.folder.glob("programs-*.txt"), key=lambda path: path.stat().st_mtime_ns)
        return [tuple(map(int, note.read_text().split())) for note in notes] if len(notes) >= count else []

    return until(look, f"{count} runs that start programs")


@pytest.mark.parametrize("task", ["ended_plain", "ended_cpu"])
def test_programs_and_forks_of_a_task_can_be_ended_by_term_and_ctrl_c(shop, task):
    with shop.fleet("--cpu", "1") as fleet:
        codes = getattr(shop.crew, task).enqueue().result(timeout=60)
        assert fleet._process.poll() is None
        assert "taking no new messages" not in fleet.said  # a fork's signal is not its parent's
    assert codes[0] == -signal.SIGTERM
    assert codes[1] in (-signal.SIGINT, 130, 1)
    assert codes[2:] == [-signal.SIGTERM] * 2


@pytest.mark.parametrize("how", ["cancelled", "killed", "past its timeout"])
def test_the_programs_of_a_cpu_task_end_with_its_process(shop, how):
    with shop.fleet("--cpu", "1"):
        task = shop.crew.deaf_cpu if how == "past its timeout" else shop.crew.waits_cpu
        handle = task.enqueue()
        process, program, _ = programs(shop)[0]
        if how == "cancelled":
            handle.cancel()
        elif how == "killed":
            os.kill(process, signal.SIGKILL)
        until(lambda: not alive(program), "the program to end")
        if how == "killed":
            assert alive(programs(shop, 2)[1][1])


@pytest.mark.parametrize("task", ["waits_plain", "waits_cpu"])
@pytest.mark.parametrize("whose", ["worker", "supervisor"])
def test_all_that_tasks_started_ends_with_the_worker_process(shop, task, whose):
    with shop.fleet("--cpu", "1") as fleet:
        getattr(shop.crew, task).enqueue()
        _, *started = programs(shop)[0]
        (worker,) = fleet.pids()
        os.kill(worker if whose == "worker" else fleet.pid, signal.SIGKILL)
        until(lambda: not any(alive(pid) for pid in started), "all programs to end")
