"""So that a failed assert in the helpers of these tests shows its values, and a failure says how to see it again.

A number of histories that was asked for has no time limit, and is told at the end.
"""

import pytest

pytest.register_assert_rewrite("properties.twins", "properties.machine")

from properties.bounds import ASKED, SEED, again  # noqa: E402 - after the line above


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items):
    for item in items if ASKED else []:
        if hasattr(item.cls, "budget"):
            item.add_marker(pytest.mark.timeout(0))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    report = yield
    if report.failed:
        report.sections.append(("to see it again", again(item.nodeid)))
    if call.when == "call" and (budget := getattr(item.cls, "budget", None)) is not None:
        report.user_properties.append(("histories", f"{budget.ran:6} from seed {SEED}"))
    return report


def pytest_terminal_summary(terminalreporter):
    lines = [
        f"{dict(report.user_properties)['histories']}  {outcome}  {report.nodeid}"
        for outcome in ("passed", "failed")
        for report in terminalreporter.stats.get(outcome, [])
        if "histories" in dict(report.user_properties)
    ]
    if ASKED and lines:
        terminalreporter.section("histories")
        for line in lines:
            terminalreporter.line(line)
