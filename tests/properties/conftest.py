"""So that a failed assert in the helpers of these tests shows its values, and a failure says how to see it again."""

import pytest

pytest.register_assert_rewrite("properties.twins", "properties.machine")

from properties.bounds import SEED  # noqa: E402 - after the line above


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    report = yield
    if report.failed:
        report.sections.append(("to see it again", f"FOREBAY_SEED={SEED} make pytest ARGS='{item.nodeid}'"))
    return report
