"""The crash table as text: for a terminal, row by row as it comes, and for the guarantees page."""

import platform
from collections.abc import Iterator, Sequence
from pathlib import Path

from forebay.testing.faults.run import Result
from forebay.testing.history import Kind

BEGIN, END = "<!-- crash-table:begin -->", "<!-- crash-table:end -->"

_COLUMNS = (
    ("id", 5), ("fault", 32), ("engine", 7), ("seed", 11), ("messages", 8), ("repeats", 7), ("refused", 7), ("lost", 5),
    ("invented", 8), ("duplicated", 10), ("overlapping", 11), ("disordered", 10), ("live", 4), ("took", 7),
)  # fmt: skip


def heading() -> str:
    """The first line of the terminal's table."""
    return "  ".join(f"{name:<{width}}" for name, width in _COLUMNS)


def line(result: Result) -> str:
    """One result as a line, with what is to be said about it below."""
    text = "  ".join(f"{cell:<{width}}" for cell, (_, width) in zip(_cells(result), _COLUMNS, strict=True)).rstrip()
    return "\n".join([text, *(f"       {note}" for note in _notes(result))])


def _cells(result: Result) -> list[str]:
    scenario, verdict = result.scenario, result.verdict
    start = [scenario.id, scenario.title, result.engine, str(result.seed)]
    if verdict is None:
        return [*start, *["-"] * 8, "skip", f"{result.took:.1f} s"]
    kinds = (Kind.LOST, Kind.INVENTED, Kind.DUPLICATED, Kind.OVERLAPPING, Kind.DISORDERED)
    numbers = [verdict.accepted, verdict.counted, verdict.refused, *(len(verdict.of(kind)) for kind in kinds)]
    return [*start, *map(str, numbers), "yes" if result.live else "NO", f"{result.took:.1f} s"]


def _notes(result: Result) -> Iterator[str]:
    if result.skipped:
        yield f"skipped: {result.skipped}"
    if result.complaint:
        yield f"FAILED: {result.complaint}"
    if not result.passed:
        yield f"kept: {result.folder}; judge it again: python -m forebay.testing.history {result.folder / 'history'}"


def page(results: Sequence[Result]) -> str:
    """The table for the guarantees page: the worst of all rounds of each row."""
    rows = [f"| {' | '.join(name for name, _ in _COLUMNS if name != 'seed')} |"]
    rows.append(f"|{'---|' * (len(_COLUMNS) - 1)}")
    for result in results:
        cells = _cells(result)
        rows.append(f"| {' | '.join([*cells[:3], *cells[4:]])} |")
    seeds = f"Seeds from {results[0].seed}. " if results else ""
    return "\n".join(["", *rows, "", f"{seeds}Python {platform.python_version()}, {platform.system()}.", ""])


def write(path: Path, results: Sequence[Result]) -> None:
    """Put the table between the marks of a page.

    Raises:
        ValueError: the page lacks a mark.
    """
    text = path.read_text("utf-8")
    if BEGIN not in text or END not in text:
        raise ValueError(f"{path} lacks the marks: put {BEGIN} and {END} where the table is to stand")
    before, _, rest = text.partition(BEGIN)
    after = rest.partition(END)[2]
    path.write_text(f"{before}{BEGIN}\n{page(results)}\n{END}{after}", "utf-8")
