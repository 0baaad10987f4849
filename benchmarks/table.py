"""Plain text tables: the result of each figure, and the goals."""

import math
from collections.abc import Mapping, Sequence

from benchmarks.figure import Figure, Sample
from benchmarks.goals import Verdict

SPREAD = "min-max"
NONE = "-"


def lay_out(rows: Sequence[Sequence[str]]) -> str:
    """Align columns: to the right where everything below the first row is a number, else to the left."""
    columns = [list(column) for column in zip(*rows, strict=True)]
    padded = [_pad(column) for column in columns]
    return "\n".join(("  " + "  ".join(cells)).rstrip() for cells in zip(*padded, strict=True))


def figure_table(figure: Figure, samples: Mapping[str, Sequence[Sample]], medians: Mapping[str, Sample]) -> str:
    """One row a contender: the median of each column, the spread of the first, and how Forebay compares."""
    first = figure.columns[0]
    heading = [
        "",
        *(column.heading for column in figure.columns),
        SPREAD,
        f"forebay {'less' if figure.lower_is_better else 'more'} by",
    ]
    rows = [heading]
    for name, median in medians.items():
        cells = [number(median.get(column.key, math.nan), column.digits) for column in figure.columns]
        values = [sample[first.key] for sample in samples[name]]
        spread = f"{number(min(values), first.digits)}-{number(max(values), first.digits)}"
        rows.append([name, *cells, spread, _ratio(figure, medians, median)])
    return "\n".join([f"{figure.title}  [{figure.name}]", f"  {figure.method}", lay_out(rows)])


def goals_table(verdicts: Sequence[Verdict]) -> str:
    """One row a goal, with what was wanted and what came out."""
    rows = [["goal", "who", "wanted", "measured", "verdict"]]
    for verdict in verdicts:
        sign = "≥" if verdict.at_least else "≤"
        wanted, measured = number(verdict.wanted, 3), number(verdict.measured, 3)
        rows.append([verdict.goal, verdict.who, f"{sign} {wanted}", measured, verdict.text()])
    return "\n".join(["Goals", lay_out(rows)])


def number(value: float, digits: int) -> str:
    """A number as people read it; a dash where there is none."""
    if math.isnan(value):
        return NONE
    if value >= 1000:
        digits = 0
    return f"{value:,.{digits}f}"


def _ratio(figure: Figure, medians: Mapping[str, Sample], row: Sample) -> str:
    ours = next((median for name, median in medians.items() if name.startswith("forebay")), None)
    if ours is None or row is ours:
        return ""
    key = figure.columns[0].key
    above, below = (row[key], ours[key]) if figure.lower_is_better else (ours[key], row[key])
    return f"{number(above / below, 2)} x" if below > 0 else NONE


def _pad(column: list[str]) -> list[str]:
    width = max(map(len, column))
    numeric = all(not cell or cell == NONE or cell[0].isdigit() for cell in column[1:])
    return [cell.rjust(width) if numeric else cell.ljust(width) for cell in column]
