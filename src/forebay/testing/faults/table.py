"""The crash table as text: for a terminal, row by row as it comes, and for the guarantees page, a row per fault."""

import platform
from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path

from forebay.testing.faults.run import Result
from forebay.testing.history import Kind, Verdict

BEGIN, END = "<!-- crash-table:begin -->", "<!-- crash-table:end -->"

_COLUMNS = {
    "id": 5, "fault": 32, "engine": 7, "seed": 10, "messages": 8, "repeats": 7, "refused": 7, "lost": 4, "invented": 8,
    "duplicated": 10, "overlapping": 11, "disordered": 10, "live": 4, "took": 7,
}  # fmt: skip
_KINDS = (Kind.LOST, Kind.INVENTED, Kind.DUPLICATED, Kind.OVERLAPPING, Kind.DISORDERED)


def heading() -> str:
    """The first line of the terminal's table."""
    return "  ".join(f"{name:<{width}}" for name, width in _COLUMNS.items())


def line(result: Result) -> str:
    """One result as a line, with what is to be said about it below."""
    cells = [*_name(result), str(result.seed), *_numbers([result])]
    text = "  ".join(f"{cell:<{width}}" for cell, width in zip(cells, _COLUMNS.values(), strict=True)).rstrip()
    return "\n".join([text, *(f"       {note}" for note in _notes(result))])


def _name(result: Result) -> list[str]:
    return [result.scenario.id, result.scenario.title, result.engine]


def _numbers(rounds: Sequence[Result]) -> list[str]:
    """What the rounds of one row add up to, and how long one of them took."""
    verdicts = [result.verdict for result in rounds if result.verdict is not None]
    took = f"{sum(result.took for result in rounds) / len(rounds):.1f} s"
    if not verdicts:
        return ["-"] * 8 + ["skip", took]
    sums = [sum(numbers) for numbers in zip(*map(_counts, verdicts), strict=True)]
    return [*map(str, sums), "yes" if all(result.live for result in rounds) else "NO", took]


def _counts(verdict: Verdict) -> list[int]:
    return [verdict.accepted, verdict.counted, verdict.refused, *(len(verdict.of(kind)) for kind in _KINDS)]


def _notes(result: Result) -> Iterator[str]:
    yield from result.notes
    if result.skipped:
        yield f"skipped: {result.skipped}"
    if result.complaint:
        yield f"FAILED: {result.complaint}"
    if not result.passed:
        yield f"kept: {result.folder}; judge it again: python -m forebay.testing.history {result.folder / 'history'}"


def page(results: Sequence[Result]) -> str:
    """The table for the guarantees page."""
    names = [name for name in _COLUMNS if name != "seed"]
    rows = [f"| {' | '.join(names)} |", f"|{'---|' * len(names)}"]
    order = {result.scenario.id: number for number, result in enumerate(reversed(results))}
    by_row = sorted(results, key=lambda result: -order[result.scenario.id])
    for _, group in groupby(by_row, key=lambda result: result.scenario.id):
        rounds = list(group)
        rows.append(f"| {' | '.join([*_name(rounds[0]), *_numbers(rounds)])} |")
    seeds = sorted({result.seed for result in results})
    notes = [f"{result.scenario.id}: {note}." for result in results for note in result.notes]
    made = f"Seeds {seeds[0]} to {seeds[-1]}; Python {platform.python_version()} on {platform.system()}."
    return "\n".join([*rows, "", " ".join([made, *dict.fromkeys(notes)])])


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
