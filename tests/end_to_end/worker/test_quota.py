"""A service that its CPU quota slows down says so."""

import os
from pathlib import Path

import pytest

from fleet import until

#: Of cgroup v1; where it is mounted otherwise, or is not ours to change, nothing can be set here.
GROUPS = Path("/sys/fs/cgroup/cpu")


@pytest.fixture
def group():
    one = GROUPS / f"forebay-{os.getpid()}"
    try:
        one.mkdir()
        (one / "cpu.cfs_period_us").write_text("100000")
    except OSError:
        pytest.skip("needs control groups (v1) that this user may make")
    yield one
    until(lambda: not (one / "cgroup.procs").read_text(), "the end of those in it")
    one.rmdir()


def test_the_log_says_that_a_quota_holds_a_worker_up_and_nothing_runs_twice(place, group):
    with place.fleet() as fleet:
        (group / "cpu.cfs_quota_us").write_text("2000")  # a fiftieth of a CPU
        for pid in fleet.everybody():
            (group / "cgroup.procs").write_text(str(pid))
        handles = [place.crew.nap.enqueue(1000) for _ in range(10)]  # each wakes fifty times a second: more than that
        place.noted(handles[0])
        until(lambda: "the CPU quota of this service holds it up, in" in fleet.said, "what the log says")
        (group / "cpu.cfs_quota_us").write_text("-1")
        assert {place.found(handle).attempt for handle in handles} <= {0, 1}  # some may wait for a slot
        fleet.kill()
