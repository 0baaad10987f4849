"""When a CPU quota is worth a line of the log."""

import asyncio
import logging

import pytest

from forebay.work.quota import QUIET, Counts, Quota, counts, held

NEWER = "usage_usec 1\nuser_usec 1\nsystem_usec 0\nnr_periods 589\nnr_throttled 588\nthrottled_usec 86493131\n"
OLDER = "nr_periods 589\nnr_throttled 588\nthrottled_time 86493131972\nnr_bursts 0\nburst_time 0\n"


@pytest.mark.parametrize("text", [NEWER, OLDER], ids=["cgroup v2", "cgroup v1"])
def test_it_is_read_from_either_kind_of_group(text):
    assert counts(text) == Counts(589, 588)


@pytest.mark.parametrize("text", ["", "usage_usec 1\n", "nr_periods 3\n"])
def test_a_group_without_a_quota_says_nothing(text):
    assert counts(text) is None


@pytest.mark.parametrize(
    ("now", "part"), [(Counts(200, 97), 0.97), (Counts(200, 0), 0.0), (Counts(110, 10), None), (Counts(100, 0), None)]
)
def test_it_is_the_part_of_the_periods_since_the_last_look_if_there_were_enough(now, part):
    assert held(Counts(100, 0), now) == part


def test_it_is_said_once_until_it_has_been_over_for_some_looks(caplog):
    caplog.set_level(logging.INFO, "forebay.keeper")
    now = [Counts(0, 0)]
    quota = Quota(lambda: now[0])

    def look(periods, throttled):
        now[0] = Counts(now[0].periods + periods, now[0].throttled + throttled)
        asyncio.run(quota.look())
        return [record.getMessage().split(", ")[0] for record in caplog.records]

    assert look(100, 10) == []
    held_up = ["the CPU quota of this service holds it up"]
    assert [look(100, 97), look(100, 90), look(0, 0), look(100, 90)] == [held_up] * 4, "a pause is no end of it"
    for _ in range(QUIET):
        said = look(100, 5)
    assert said == [*held_up, "the CPU quota of this service holds it up no more"]


def test_a_host_that_tells_nothing_is_asked_in_vain():
    asyncio.run(Quota(lambda: None).look())
