"""The suite is worth something only if it turns red: engines that are wrong in one way each, and what is said of them.

The fourth mutation, a sync that is skipped, is found out by the power loss simulator: see `test_power_loss.py`.
"""

import pytest

from forebay.testing.faults.catalogue import named, sqlite
from forebay.testing.faults.mutation import MUTATIONS, OPTION, WRAPPER
from forebay.testing.faults.run import run
from forebay.testing.history import Kind

#: mutation -> the scenario that must notice it, and as what
FOUND_OUT = {
    "ack-early": ("T1", Kind.LOST),
    "drop-the-fence": ("T4", Kind.OVERLAPPING),
    "skip-the-dedupe": ("T3", Kind.INVENTED),
}


def test_every_mutation_has_a_scenario_that_must_notice_it():
    assert set(FOUND_OUT) == set(MUTATIONS)


@pytest.mark.parametrize("mutation", FOUND_OUT)
def test_an_engine_that_is_wrong_turns_the_suite_red(mutation, tmp_path):
    scenario, kind = FOUND_OUT[mutation]
    wrappers = [(WRAPPER, {OPTION: mutation})]
    result = run(named(scenario), ("sqlite", sqlite), 1, tmp_path / "trial", wrappers=wrappers)
    assert not result.passed
    assert result.verdict.of(kind), result.report
