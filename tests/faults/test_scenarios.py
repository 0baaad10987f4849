"""A short round of the crash table. `make faults` plays all of it, as often as you like, and prints it."""

import random

import pytest

from forebay.testing.faults.catalogue import ENGINES, SCENARIOS
from forebay.testing.faults.run import run
from forebay.testing.faults.table import line

#: What is played on servers here: they are killed, and the network between is cut.
ON_SERVERS = {"T6s", "T8s"}
SHORT = [
    pytest.param(scenario, engine, id=f"{engine} {scenario.id} {scenario.title}")
    for engine in ENGINES
    for scenario in SCENARIOS
    if scenario.smoke
    and (engine in scenario.engines or not scenario.engines)
    and (engine == "sqlite" or scenario.id in ON_SERVERS)
]


@pytest.mark.parametrize(("scenario", "engine"), SHORT)
def test_nothing_is_lost_invented_doubled_or_held_by_two_whatever_is_struck(scenario, engine, tmp_path):
    seed = random.randrange(1_000_000_000)
    result = run(scenario, (engine, ENGINES[engine]), seed, tmp_path / "trial", many=2)
    print(f"SEED={seed} SCENARIO={scenario.id} ENGINE={engine}")
    if result.skipped:
        pytest.skip(result.skipped)
    assert result.passed, f"{line(result)}\n{result.report}"
