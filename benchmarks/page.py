"""The report of a run on a server as a part of `docs/reference/benchmarks.md`, between the markers of its engine."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

from benchmarks import machine
from benchmarks.contender import Contender
from benchmarks.figure import Column, Figure, Sample
from benchmarks.goals import Verdict
from benchmarks.runner import Outcome
from benchmarks.table import number

NAMES = {"redis": "Redis", "postgres": "PostgreSQL", "sqlite": "SQLite"}
#: Columns that a page has no room for.
LEFT_OUT = {"pss_mb", "p95", "late_ms"}


def write(page: Path, engine: str, part: str) -> None:
    """Put a part in the place of what stands between the markers.

    Raises:
        ValueError: the page has no such markers.
    """
    begin, end = f"<!-- bench {engine} -->\n", f"<!-- end of bench {engine} -->\n"
    before, found, rest = page.read_text().partition(begin)
    _, closed, after = rest.partition(end)
    if not (found and closed):
        raise ValueError(f"{page} has no lines {begin.strip()!r} and {end.strip()!r}: put them where the tables go")
    page.write_text(f"{before}{begin}\n{part}\n{end}{after}")


def part(
    engine: str, rounds: str, contenders: Sequence[Contender], outcomes: Sequence[Outcome], judged: Sequence[Verdict]
) -> str:
    """All of it as Markdown."""
    facts = machine.facts()
    versions = ", ".join(f"{name} {found}" for name, found in machine.versions(contenders).items())
    where = f"{facts['cores']} cores of {facts['cpu']}, {facts['memory']}, {facts['system']}, {facts['python']}"
    where += f"; load before the run {facts['load before the run']}"
    lines = [
        f"Medians of {rounds} on {NAMES[engine]}; {where}.",
        versions + ".",
        _table([["", "set-up", "promise"], *([c.name, c.setting, c.durability] for c in contenders)]),
    ]
    for outcome in outcomes:
        lines += [f"### {outcome.figure.title}", _figure(outcome.figure, outcome.medians())]
        lines += [f"Failed: {failure}" for failure in outcome.failures]
    lines += ["### What we aimed at", _goals(judged)] if judged else []
    return "\n\n".join(lines) + "\n"


def _figure(figure: Figure, medians: Mapping[str, Sample]) -> str:
    columns = [column for column in figure.columns if column.key not in LEFT_OUT]
    columns = [column for column in columns if any(not math.isnan(_cell(row, column)) for row in medians.values())]
    rows = [["", *(column.heading for column in columns), *(["Forebay is"] if len(medians) > 1 else [])]]
    for name, median in medians.items():
        cells = [number(_cell(median, column), column.digits) for column in columns]
        rows.append([_bold(name), *cells, *([_ratio(figure, medians, name)] if len(medians) > 1 else [])])
    return _table(rows, numbers=True)


def _cell(row: Sample, column: Column) -> float:
    return row.get(column.key, math.nan)


def _ratio(figure: Figure, medians: Mapping[str, Sample], name: str) -> str:
    key, ours = figure.columns[0].key, next((row for who, row in medians.items() if who == "forebay"), None)
    if ours is None or name.startswith("forebay"):
        return ""
    above, below = (medians[name][key], ours[key]) if figure.lower_is_better else (ours[key], medians[name][key])
    return f"{number(above / below, 1)} x" if below > 0 else ""


def _goals(judged: Sequence[Verdict]) -> str:
    rows = [["goal", "wanted", "measured", ""]]
    for one in judged:
        wanted = f"{'≥' if one.at_least else '≤'} {number(one.wanted, 3)}"
        rows.append([f"{one.goal} ({one.who})", wanted, number(one.measured, 3), one.text()])
    return _table(rows)


def _bold(name: str) -> str:
    return f"**{name}**" if name.startswith("forebay") else name


def _table(rows: Sequence[Sequence[str]], *, numbers: bool = False) -> str:
    rule = ["---"] + ["---:" if numbers else "---"] * (len(rows[0]) - 1)
    return "\n".join("| " + " | ".join(row) + " |" for row in [rows[0], rule, *rows[1:]])
