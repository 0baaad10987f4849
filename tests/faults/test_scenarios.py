"""A short round of the crash table. `make faults` plays all of it, as often as you like, and prints it."""

import random

import pytest

from forebay.testing.faults.catalogue import ENGINES, SCENARIOS
from forebay.testing.faults.run import run
from forebay.testing.faults.table import line

SMOKE = [scenario for scenario in SCENARIOS if scenario.smoke]


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("scenario", SMOKE, ids=lambda scenario: f"{scenario.id} {scenario.title}")
def test_nothing_is_lost_invented_doubled_or_held_by_two_whatever_is_struck(scenario, engine, tmp_path):
    if scenario.engines and engine not in scenario.engines:
        pytest.skip(f"{scenario.title} is a fault of {', '.join(scenario.engines)} alone")
    seed = random.randrange(1_000_000_000)
    result = run(scenario, (engine, ENGINES[engine]), seed, tmp_path / "trial")
    print(f"SEED={seed} SCENARIO={scenario.id} ENGINE={engine}")
    if result.skipped:
        pytest.skip(result.skipped)
    assert result.passed, f"{line(result)}\n{result.report}"
