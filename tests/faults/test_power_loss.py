"""T10: the power goes at a random input or output; the next start finds all that was promised, and nothing else."""

import random
import re
import subprocess
import sys

import pytest

from forebay.testing.powerloss.disk import Disk
from forebay.testing.powerloss.run import fresh_seed, run, run_seed


@pytest.mark.timeout(600)
def test_full_durability_loses_nothing_acknowledged_but_leases_in_10_files_with_3_power_losses_each():
    """Other ones each time; `make faults` has hundreds."""
    start = fresh_seed()
    verdict = run(range(start, start + 10), ("full",))
    assert verdict.violations or verdict.seen["power losses"] == 30
    last = start + 9
    while not verdict.seen["leases and beats taken back"]:  # what follows them soon makes them last, and nothing before
        last += 1
        run_seed(last, "full", verdict)
        assert last < start + 240
    print(f"SEEDS={start}..{last}", dict(verdict.seen))
    assert not verdict.violations, "\n".join(map(str, verdict.violations))
    assert verdict.seen["losses with a log to replay"] > 4  # it was not luck: there was something to lose


def test_normal_durability_loses_the_newest_commits_since_the_last_sync_of_the_log_and_leaves_no_hole():
    start = fresh_seed()
    verdict = run(range(start, start + 8), ("normal",))
    print(f"SEEDS={start}..{start + 7}", dict(verdict.seen))
    assert not verdict.violations, "\n".join(map(str, verdict.violations))
    assert verdict.seen["acknowledged operations lost"] > 0  # the declared window is real


@pytest.mark.parametrize("skip", ["log", "database", "folder"])
def test_an_engine_that_skips_the_sync_of_its_log_its_database_or_its_folder_is_found_out(skip):
    """Sooner or later, for whether a loss of power meets the gap is chance."""
    assert any(run(range(start, start + 1), ("full",), skip).violations for start in range(240))


def test_a_seed_repeats_itself_exactly():
    first, second = run(range(7, 8), ("full", "normal")), run(range(7, 8), ("full", "normal"))
    assert first.seen == second.seen


def test_the_command_prints_its_seeds_and_the_way_to_repeat_a_violation_and_fails():
    command = [sys.executable, "-m", "forebay.testing.powerloss", "--start", "1", "--durability", "full"]
    clean = subprocess.run([*command, "--seeds", "2"], capture_output=True, text=True, timeout=250, check=False)
    assert clean.returncode == 0, clean.stdout + clean.stderr
    assert "SEEDS=1..2 ENGINE=sqlite DURABILITY=full" in clean.stdout
    broken = subprocess.run(
        [*command, "--seeds", "6", "--skip", "log"], capture_output=True, text=True, timeout=250, check=False
    )
    assert broken.returncode == 1  # how a torn log reads depends on salts that SQLite draws: some seed shows it
    again = r"again: python -m forebay.testing.powerloss --start \d+ --seeds 1 --durability full --skip log"
    assert re.search(again, broken.stdout), broken.stdout


def test_what_was_synced_always_survives_and_what_was_not_may_be_torn_at_sectors():
    chance, seen = random.Random(1), set()
    for _ in range(200):
        disk = Disk()
        inode = disk.create("a")
        inode.write(0, b"s" * 1024)
        inode.sync()
        disk.sync_folder()
        inode.write(0, b"n" * 1024)
        seen.add(disk.survive(chance)["a"])
    assert seen == {first * 512 + second * 512 for first in (b"s", b"n") for second in (b"s", b"n")}


def test_a_new_name_and_a_deleted_one_are_uncertain_until_the_folder_is_synced():
    chance = random.Random(1)
    disk = Disk()
    disk.create("new").sync()
    disk.load("old", b"content")
    disk.delete("old")
    outcomes = {frozenset(disk.survive(chance)) for _ in range(100)}
    assert outcomes == {frozenset(), frozenset({"new"}), frozenset({"old"}), frozenset({"new", "old"})}
    disk.sync_folder()
    assert {frozenset(disk.survive(chance)) for _ in range(100)} == {frozenset({"new"})}
