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
    "ack-early": ("T1s", Kind.LOST),
    "drop-the-fence": ("T4", Kind.OVERLAPPING),
    "skip-the-dedupe": ("T3", Kind.INVENTED),
}


def test_every_mutation_has_a_scenario_that_must_notice_it():
    assert set(FOUND_OUT) == set(MUTATIONS)


@pytest.mark.timeout(600)
@pytest.mark.parametrize("mutation", FOUND_OUT)
def test_an_engine_that_is_wrong_turns_the_suite_red(mutation, tmp_path):
    """Within a few rounds: whether a thawed worker settles before it learns that it was buried, nobody decides."""
    scenario, kind = FOUND_OUT[mutation]
    wrappers = [(WRAPPER, {OPTION: mutation})]
    rounds = (
        run(named(scenario), ("sqlite", sqlite), seed, tmp_path / f"trial-{seed}", wrappers=wrappers)
        for seed in range(1, 6)
    )
    reports = []
    for result in rounds:
        if result.verdict.of(kind):
            assert not result.passed
            return
        reports.append(result.report)
    pytest.fail("\n".join(reports))
