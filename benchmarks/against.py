"""`python -m benchmarks.against REV [FIGURE …]`: this checkout beside another commit of it, in one interleaved run.

Each round measures the one, then the other, so that a machine that slows down slows both. The other commit gets a
worktree and a virtual environment of its own in a temporary folder, both gone afterwards; nothing here is changed.
"""

import argparse
import contextlib
import json
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from benchmarks.figure import Sample
from benchmarks.figures import FIGURES
from benchmarks.table import lay_out, number

ROOT = Path(__file__).parents[1]
Key = tuple[str, str, str]  # figure, contender, column


def main() -> None:
    options = _options()
    before: dict[Key, list[float]] = {}
    after: dict[Key, list[float]] = {}
    with _checkout(options.rev) as other:
        for number_ in range(options.rounds):
            for name in options.figures:
                pair = [(before, other), (after, ROOT)]
                for samples, tree in pair if number_ % 2 else reversed(pair):
                    _collect(samples, _measure(tree, name, quick=options.quick))
                print(f"round {number_ + 1}/{options.rounds}: {name}", file=sys.stderr, flush=True)
    print(_table(options.rev, before, after))
    print(f"\nMedians of {options.rounds} interleaved rounds; a ratio above 1 is better than {options.rev}.")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.against", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("rev", metavar="REV", help="the commit to compare with")
    parser.add_argument("figures", nargs="*", metavar="FIGURE", help=f"some of {', '.join(FIGURES)} (default: all)")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--quick", action="store_true", help="a tenth of the work")
    options = parser.parse_args()
    options.figures = options.figures or list(FIGURES)
    if unknown := sorted(set(options.figures) - set(FIGURES)):
        parser.error(f"no such figure: {', '.join(unknown)}")
    return options


@contextlib.contextmanager
def _checkout(rev: str) -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="forebay-against-") as folder:
        tree = Path(folder) / "tree"
        subprocess.run(["git", "worktree", "add", "--quiet", "--detach", tree, rev], cwd=ROOT, check=True)
        try:
            print(f"installing {rev} ...", file=sys.stderr, flush=True)
            subprocess.run(["make", "--silent", ".venv/.ready-to-run"], cwd=tree, check=True, stdout=sys.stderr)
            yield tree
        finally:
            subprocess.run(["git", "worktree", "remove", "--force", tree], cwd=ROOT, check=False)


def _measure(tree: Path, figure: str, *, quick: bool) -> dict[str, Sample]:
    """One round of one figure in a checkout, by contender."""
    with tempfile.NamedTemporaryFile(suffix=".json") as report:
        command = [tree / ".venv/bin/python", "-m", "benchmarks", figure, "--only", "forebay", "--rounds", "1"]
        command += ["--json", report.name, *(["--quick"] if quick else [])]
        subprocess.run(command, cwd=tree, check=True, stdout=subprocess.DEVNULL)
        medians: dict[str, Sample] = json.loads(Path(report.name).read_text())["figures"][figure]["medians"]
    return {contender: {f"{figure}/{key}": value for key, value in one.items()} for contender, one in medians.items()}


def _collect(samples: dict[Key, list[float]], measured: dict[str, Sample]) -> None:
    for contender, sample in measured.items():
        for name, value in sample.items():
            figure, _, column = name.partition("/")
            samples.setdefault((figure, contender, column), []).append(value)


def _table(rev: str, before: dict[Key, list[float]], after: dict[Key, list[float]]) -> str:
    rows = [["figure", "who", "what", rev, "here", "ratio"]]
    for key, values in after.items():
        figure, contender, column = key
        heading = next((c for c in FIGURES[figure].columns if c.key == column), None)
        if heading is None or key not in before:
            continue
        old, new = statistics.median(before[key]), statistics.median(values)
        more = column.endswith("per_second") or figure == "enqueue"
        ratio = (new / old if more else old / new) if old and new else float("nan")
        digits = heading.digits
        rows.append([figure, contender, heading.heading, number(old, digits), number(new, digits), number(ratio, 2)])
    return lay_out(rows)


if __name__ == "__main__":
    main()
