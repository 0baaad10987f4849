"""The conformance suite on every engine, as a table of verbs and engines: green, skipped as declared, or failed.

    python tools/conformance.py [pytest options]

A cell counts tests. Below the table: why tests were skipped, each reason once, and which failed. Exits 1 if any did.
"""

import contextlib
import os
import sys
from collections import Counter, defaultdict
from pathlib import Path

import pytest

from forebay.testing.conformance.parts import PARTS

ROOT = Path(__file__).parents[1]
SUITES = ("tests/engines/test_conformance.py", "tests/engines/test_toy_engine.py")
ENGINES = ("memory", "sqlite", "postgresql", "redis", "toy")

Cell = tuple[str, str]


class Tally:
    """A pytest plugin that counts outcomes by file of the suite and engine."""

    def __init__(self) -> None:
        self.counts: defaultdict[Cell, Counter[str]] = defaultdict(Counter)
        self.reasons: defaultdict[Cell, set[str]] = defaultdict(set)
        self.failed: list[str] = []
        self._cells: dict[str, Cell] = {}

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Where each test counts."""
        for item in items:
            assert isinstance(item, pytest.Function)
            params = item.callspec.params if hasattr(item, "callspec") else {}
            engine = params.get("make_backend", "toy")
            self._cells[item.nodeid] = (item.function.__module__.rpartition(".")[2], engine)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Count it, once: at its call, or where it did not come so far."""
        if report.when != "call" and report.passed:
            return
        cell = self._cells[report.nodeid]
        self.counts[cell][report.outcome] += 1
        if report.skipped:
            reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
            self.reasons[cell].add(reason.removeprefix("Skipped: "))
        if report.failed:
            self.failed.append(report.nodeid)

    def shown(self, file: str, engine: str) -> str:
        """One cell."""
        count = self.counts[file, engine]
        if count["failed"]:
            return f"{count['failed']} FAILED"
        if not count["skipped"]:
            return str(count["passed"] or "")
        if not count["passed"]:
            declared = all("declares" in reason for reason in self.reasons[file, engine])
            return "skipped" if declared else "not run"
        return f"{count['passed']} ({count['skipped']} skipped)"

    def table(self) -> str:
        """All of it, as text."""
        lines = [f"{'':<18}" + "".join(f"{engine:<18}" for engine in ENGINES)]
        for part in PARTS:
            lines.append(f"\n{part.name}" + (f" ({part.capability})" if part.capability else ""))
            for file in part.files:
                cells = [self.shown(file, engine) for engine in ENGINES]
                if any(cells):
                    lines.append(f"  {file:<16}" + "".join(f"{cell:<18}" for cell in cells).rstrip())
        return "\n".join((*lines, "", *self._why(), *(f"FAILED {name}" for name in self.failed)))

    def _why(self) -> list[str]:
        """Each reason of an engine once, with the number of files that it stands in."""
        lines = []
        for engine in ENGINES:
            for reason in sorted({one for (_, at), some in self.reasons.items() if at == engine for one in some}):
                files = sorted(file for (file, at), some in self.reasons.items() if at == engine and reason in some)
                lines.append(f"{engine}: skipped, {reason} ({', '.join(files)})")
        return lines


def main(argv: list[str]) -> int:
    """Run the suite, then print the table."""
    os.chdir(ROOT)
    tally = Tally()
    with contextlib.redirect_stdout(sys.stderr):  # how far it has come; the table alone is the answer
        status = pytest.main(["-q", "-p", "no:xdist", "-rN", "--tb=no", *SUITES, *argv], plugins=[tally])
    print(tally.table())
    if status not in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED):
        print(f"error: pytest ended with {pytest.ExitCode(status).name}: see `make pytest ARGS='{' '.join(SUITES)}'`")
    return int(status != 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
