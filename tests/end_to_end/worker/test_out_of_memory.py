"""A host or a container whose memory runs out: the kernel ends a process of tasks, and the log says why it is gone."""

import contextlib
import json
import os
from pathlib import Path

import pytest

from fleet import until

#: Where a control group is made, and what limits its memory, without and with swap: of cgroup v1, and of v2.
V1 = Path("/sys/fs/cgroup/memory"), ("memory.limit_in_bytes", "memory.memsw.limit_in_bytes")
V2 = Path("/sys/fs/cgroup"), ("memory.max", "memory.swap.max")
SIZE = 160_000_000


@pytest.fixture
def container(tmp_path):
    """Puts processes into a control group of little memory."""
    folder, files = V1 if V1[0].exists() else V2
    group = folder / f"forebay-{tmp_path.name}-{os.getpid()}"

    def limit(members) -> None:
        try:
            group.mkdir()
            (group / files[0]).write_text(str(SIZE))
            for member in members:
                (group / "cgroup.procs").write_text(str(member))
        except OSError as error:
            pytest.skip(f"no control group of memory can be made here: {error}")
        with contextlib.suppress(OSError):  # kernels without swap have no such file
            (group / files[1]).write_text(str(SIZE))

    yield limit
    if group.exists():
        until(lambda: not _left(group), "the end of all in it")
        group.rmdir()


def _left(group):
    return (group / "cgroup.procs").read_text()


@pytest.fixture
def place(place):
    """Its fleets are started anew: what is forked belongs to the control group, and offers what its origin does."""
    place.start_anew = True
    return place


def offers(pid: int) -> int:
    """How much larger than it is a process looks to the kernel when it chooses."""
    return int(Path(f"/proc/{pid}/oom_score_adj").read_text())


def test_memory_that_runs_out_costs_the_task_that_took_it_its_worker_and_is_told(place, container):
    """Twice in the worker, then in a process of its own."""
    with place.fleet("--cpu", "1", "--log-format", "json") as fleet:
        place.crew.grind.enqueue(0.0).result(60)  # so that there is a process for such tasks
        container(fleet.everybody())
        handle = place.crew.grow.enqueue(2_000)
        until(lambda: place.found(handle).state == "dead", "its end, after it has cost enough workers")
        cause = place.found(handle).cause
        assert cause.startswith("lost 3 workers; the last one: its process was ended by SIGKILL"), cause
        assert "memory has run out here" in cause
        assert place.crew.add.enqueue(1, 1).result(60) == 2  # under the same supervisor
        told = [json.loads(line)["message"] for line in fleet.said.splitlines()]
        said = [text for text in told if "ended with SIGKILL, most likely by the kernel: memory has run out" in text]
        assert len(said) == 2, told


def test_the_kernel_is_to_take_a_process_of_tasks_before_a_worker_and_a_worker_before_its_supervisor(place):
    with place.fleet("--cpu", "1") as fleet:
        apart = place.crew.grind.enqueue(0.0)
        apart.result(60)
        (worker,) = fleet.pids()
        (run,) = place.noted(apart)
        assert offers(fleet.pid) < offers(worker) < offers(run.pid) <= 1_000
