"""A fleet with nothing to do: it rests, it is small, and it wakes at once."""

import time

from proc import cpu_seconds, megabytes, state_of


def test_an_idle_fleet_rests(place, capsys):
    seconds = 4
    with place.fleet("-p", "1") as fleet:
        place.crew.add.enqueue(1, 1).result(30)
        (worker,) = fleet.pids()
        before = {pid: cpu_seconds(pid) for pid in (fleet.pid, worker)}
        time.sleep(seconds)  # what is measured is that nothing happens
        used = {pid: (cpu_seconds(pid) - before[pid]) / seconds for pid in before}
        with capsys.disabled():
            for name, pid in (("supervisor", fleet.pid), ("worker", worker)):
                print(f"\nidle {name}: {used[pid]:.2%} of a core, {megabytes(pid):.0f} MB", end="")
            print()
        assert used[worker] < 0.05
        assert used[fleet.pid] < 0.05
        assert megabytes(worker) < 160
        assert not [pid for pid in fleet.everybody() if state_of(pid) == "Z"]
