"""`python -m benchmarks [FIGURE …]`: measure, print the machine, the figures and the goals."""

import argparse
import json
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks import aims, goals, machine, page, table
from benchmarks.contender import Contender
from benchmarks.figure import Scale
from benchmarks.figures import FIGURES
from benchmarks.peers import CONTENDERS
from benchmarks.runner import Outcome, run

#: Rounds unless --rounds says otherwise: a run takes about a quarter of an hour.
ROUNDS = {"sqlite": 3, "redis": 2, "postgres": 2}


def main() -> None:
    options = _options()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that workers, Redis and folders are cleared away
    there = CONTENDERS[options.engine]
    contenders = _present([contender for contender in there if contender.family in options.only])
    print(machine.head(contenders), flush=True)
    scale = Scale(quick=options.quick)
    outcomes: list[Outcome] = []
    for name in options.figures:
        outcome = run(FIGURES[name], contenders, options.rounds, scale, _say)
        outcomes.append(outcome)
        _print_figure(outcome)
    judges = {"sqlite": goals.verdicts, "redis": aims.redis, "postgres": aims.postgres}
    medians = {outcome.figure.name: outcome.medians() for outcome in outcomes}
    judged = list(judges[options.engine](medians)) if "forebay" in options.only else []
    if judged:
        print("\n" + table.goals_table(judged))
    rounds = f"{options.rounds} interleaved round(s){', a tenth of the work each (--quick)' if options.quick else ''}"
    print(f"\nMedian of {rounds}.")
    if options.page:
        page.write(options.page, options.engine, page.part(options.engine, rounds, contenders, outcomes, judged))
    if options.json:
        options.json.write_text(_as_json(contenders, outcomes, judged))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Forebay and its peers, side by side.")
    parser.add_argument("figures", nargs="*", metavar="FIGURE", help=f"some of {', '.join(FIGURES)} (default: all)")
    parser.add_argument(
        "--engine", choices=list(CONTENDERS), default="sqlite", help="where messages are (default: sqlite)"
    )
    parser.add_argument("--rounds", type=int, help="rounds, each with every contender (default: 3, or 2 on a server)")
    parser.add_argument(
        "--page", type=Path, metavar="FILE", help="write the tables into that page, between its markers"
    )
    parser.add_argument("--quick", action="store_true", help="a tenth of the work: to see that it runs, not to quote")
    parser.add_argument("--only", help="contenders, such as forebay,huey (default: all that the engine has)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all samples, medians and verdicts there too")
    options = parser.parse_args()
    options.rounds = ROUNDS[options.engine] if options.rounds is None else options.rounds
    families = tuple(dict.fromkeys(contender.family for contender in CONTENDERS[options.engine]))
    options.only = tuple(options.only.split(",")) if options.only else families
    if strangers := sorted(set(options.only) - set(families)):
        parser.error(f"no such contender: {', '.join(strangers)} (there are {', '.join(families)})")
    unknown = sorted(set(options.figures) - set(FIGURES))
    if unknown or options.rounds < 1:
        parser.error(f"no such figure: {', '.join(unknown)}" if unknown else "--rounds must be 1 or more")
    options.figures = options.figures or [
        name for name in FIGURES if any(name in contender.figures for contender in CONTENDERS[options.engine])
    ]
    return options


def _present(contenders: Sequence[Contender]) -> list[Contender]:
    """Leave out what cannot run here, and say why."""
    reasons = {contender.name: machine.missing(contender) for contender in contenders}
    for name, reason in reasons.items():
        if reason:
            print(f"LEFT OUT: {name}: {reason}")
    return [contender for contender in contenders if reasons[contender.name] is None]


def _print_figure(outcome: Outcome) -> None:
    medians = outcome.medians()
    if medians:
        print("\n" + table.figure_table(outcome.figure, outcome.samples, medians), flush=True)
    else:
        print(f"\n{outcome.figure.title}  [{outcome.figure.name}]\n  nobody measured")
    for failure in outcome.failures:
        print(f"  FAILED: {failure}", flush=True)


def _as_json(contenders: Sequence[Contender], outcomes: Sequence[Outcome], judged: Sequence[goals.Verdict]) -> str:
    report = {
        "machine": machine.facts(),
        "versions": machine.versions(contenders),
        "contenders": {c.name: {"setting": c.setting, "promise": c.durability} for c in contenders},
        "figures": {
            o.figure.name: {"samples": o.samples, "medians": o.medians(), "failures": o.failures} for o in outcomes
        },
        "goals": [{**vars(verdict), "verdict": verdict.text()} for verdict in judged],
    }
    return json.dumps(report, indent=2) + "\n"


def _say(text: str) -> None:
    """Progress, on stderr and only for a person."""
    if sys.stderr.isatty():
        print(f"\r\033[K{text}", end="", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
