"""The crash table as text: for a terminal, row by row as it comes, and for the guarantees page, a row per fault."""

import platform
import re
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
#: One sentence or more below the table, about one row.
_NOTE = re.compile(r"T\d+\w*: .*?(?=$| T\d+\w*: )")
_ENGINES = ("sqlite", "postgres", "redis")
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


def page(results: Sequence[Result], before: str = "") -> str:
    """The table for the guarantees page; of the one before it, rows and notes that were not made anew stay."""
    names = [name for name in _COLUMNS if name != "seed"]
    rows = _rows(results)
    kept = [text for text in before.splitlines() if text.startswith("| T") and _place(text) not in rows]
    old = {text.partition(":")[0]: text for text in before.splitlines() if text.startswith("- **")}
    notes = {
        (head := f"- **{engine}**"): _made(
            engine, results, old.get(head, ""), stays=any(_place(text)[1] == engine for text in kept)
        )
        for engine in sorted({result.engine for result in results})
    }
    rows |= {_place(text): text for text in kept}
    notes = old | notes
    table = [f"| {' | '.join(names)} |", f"|{'---|' * len(names)}"]
    table += [rows[place] for place in sorted(rows, key=lambda place: (_ENGINES.index(place[1]), _number(place[0])))]
    return "\n".join([*table, "", *(notes[head] for head in sorted(notes))])


def _place(row: str) -> tuple[str, str]:
    """Its id and its engine."""
    cells = [cell.strip() for cell in row.split("|")]
    return cells[1], cells[3]


def _number(id_: str) -> tuple[int, str]:
    digits = "".join(filter(str.isdigit, id_))
    return int(digits), id_


def _rows(results: Sequence[Result]) -> dict[tuple[str, str], str]:
    rows = dict[tuple[str, str], str]()
    order = {result.scenario.id: number for number, result in enumerate(reversed(results))}
    by_row = sorted(results, key=lambda result: -order[result.scenario.id])
    for _, group in groupby(by_row, key=lambda result: result.scenario.id):
        rounds = list(group)
        row = f"| {' | '.join([*_name(rounds[0]), *_numbers(rounds)])} |"
        rows[_place(row)] = row
    return rows


def _made(engine: str, results: Sequence[Result], before: str, *, stays: bool) -> str:
    """How the rows of an engine were made, and what there is to say about them and those that stay, if some do."""
    own = [result for result in results if result.engine == engine]
    seeds = sorted({result.seed for result in own})
    span = f"{seeds[0]} to {seeds[-1]}"
    notes = [f"{result.scenario.id}: {note}." for result in own for note in (*result.notes, result.skipped) if note]
    again = {result.scenario.id for result in own}
    notes += [note for note in _NOTE.findall(before) if note.partition(":")[0] not in again]
    notes.sort(key=lambda note: _number(note.partition(":")[0]))
    made = f"seeds {span}; Python {platform.python_version()} on {platform.system()}."
    if stays:
        names = ", ".join(result.scenario.id for result in own)
        made = f"{_NOTE.sub('', before).partition(': ')[2].strip().removesuffix('.')}; {names} by seeds {span}."
    return " ".join([f"- **{engine}**: {made}", *dict.fromkeys(notes)])


def write(path: Path, results: Sequence[Result]) -> None:
    """Put the table between the marks of a page.

    Raises:
        ValueError: the page lacks a mark.
    """
    text = path.read_text("utf-8")
    if BEGIN not in text or END not in text:
        raise ValueError(f"{path} lacks the marks: put {BEGIN} and {END} where the table is to stand")
    before, _, rest = text.partition(BEGIN)
    old, _, after = rest.partition(END)
    path.write_text(f"{before}{BEGIN}\n{page(results, old)}\n{END}{after}", "utf-8")
