"""`python -m benchmarks.scenarios [outage] [noisy] [slow] [overload]`: a verdict a promise, plots and raw figures.

Exits 1 if a promise was not kept.
"""

import argparse
import dataclasses
import json
import sys
from pathlib import Path

from benchmarks import machine
from benchmarks.scenarios import judge, noisy, outage, overload, plot, slow
from benchmarks.table import lay_out
from forebay.engine.capabilities import HOUSE


def main() -> None:
    options = _options()
    print(lay_out([["machine", ""], *([name, text] for name, text in machine.facts().items())]), flush=True)
    options.out.mkdir(parents=True, exist_ok=True)
    plays = {"outage": _outage, "noisy": _noisy, "slow": _slow, "overload": _overload}
    found = [verdict for name in options.scenario or plays for verdict in plays[name](options.url, options)]
    missed = [verdict for verdict in found if not verdict.kept]
    print(f"\n{len(missed)} missed; the plots, the raw figures and the worker's log are in {options.out}")
    sys.exit(1 if missed else 0)


def _outage(url: str, options: argparse.Namespace) -> list[judge.Verdict]:
    scheme = url.partition(":")[0]
    file = options.out / f"outage-{scheme}"
    script = outage.Script(options.before, options.outage, options.after, options.processes, file.with_suffix(".log"))
    print(
        f"\noutage, {scheme}: {script.before:g} s before, {script.outage:g} s down, {script.after:g} s after",
        flush=True,
    )
    seen = outage.play(url, script)
    found = judge.verdicts(seen)
    for verdict in found:
        print(f"  {verdict}", flush=True)
    file.with_suffix(".json").write_text(json.dumps({**dataclasses.asdict(seen), "verdicts": [*map(str, found)]}))
    plot.draw(seen, f"Outage of a provider, on {scheme}", file.with_suffix(".png"))
    return found


def _noisy(url: str, options: argparse.Namespace) -> list[judge.Verdict]:
    scheme = url.partition(":")[0]
    if not HOUSE[scheme].fair:
        print(f"\nnoisy tenant: {scheme} has no fair queues", flush=True)
        return []
    file = options.out / f"noisy-{scheme}"
    script = noisy.Script(options.each, options.processes, file.with_suffix(".log"))
    print(f"\nnoisy tenant, {scheme}: two figures, {script.seconds:g} s alone and beside", flush=True)
    seen = noisy.play(url, script)
    found = list(noisy.verdicts(seen))
    for verdict in found:
        print(f"  {verdict}", flush=True)
    raw = {"waits": [*map(dataclasses.asdict, seen)], "verdicts": [*map(str, found)]}
    file.with_suffix(".json").write_text(json.dumps(raw))
    noisy.draw(seen, f"A noisy tenant, on {scheme}", file.with_suffix(".png"))
    return found


def _slow(url: str, options: argparse.Namespace) -> list[judge.Verdict]:
    scheme = url.partition(":")[0]
    file = options.out / f"slow-last-stage-{scheme}"
    script = slow.Script(options.quiet, options.slow, options.recovery, file.with_suffix(".log"))
    print(
        f"\nslow last stage, {scheme}: {script.before:g} s before, {script.slow:g} s slow, {script.after:g} s after",
        flush=True,
    )
    seen = slow.play(url, script)
    found = list(slow.verdicts(seen))
    for verdict in found:
        print(f"  {verdict}", flush=True)
    file.with_suffix(".json").write_text(json.dumps({**dataclasses.asdict(seen), "verdicts": [*map(str, found)]}))
    slow.draw(seen, f"A slow last stage, on {scheme}", file.with_suffix(".png"))
    return found


def _overload(url: str, options: argparse.Namespace) -> list[judge.Verdict]:
    scheme = url.partition(":")[0]
    file = options.out / f"overload-{scheme}"
    script = overload.Script(options.quiet, options.over, options.recovery, file.with_suffix(".log"))
    print(
        f"\noverload, {scheme}: {script.before:g} s before, {script.over:g} s of {overload.OVERLOAD:g} times the "
        f"capacity, {script.after:g} s after",
        flush=True,
    )
    seen = overload.play(url, script)
    found = list(overload.verdicts(seen))
    for verdict in found:
        print(f"  {verdict}", flush=True)
    file.with_suffix(".json").write_text(json.dumps({**dataclasses.asdict(seen), "verdicts": [*map(str, found)]}))
    overload.draw(seen, f"Overload, on {scheme}", file.with_suffix(".png"))
    return found


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scenarios", description="Stories that end well.")
    parser.add_argument(
        "scenario", nargs="*", choices=["outage", "noisy", "slow", "overload", []], help="which (default: all)"
    )
    parser.add_argument("--url", default="sqlite", help="the engine's; sqlite for a new file (default)")
    parser.add_argument("--before", type=float, default=10.0, help="seconds before the outage (default: 10)")
    parser.add_argument("--outage", type=float, default=60.0, help="seconds of it (default: 60)")
    parser.add_argument("--after", type=float, default=20.0, help="seconds after it in which is sent (default: 20)")
    parser.add_argument("--each", type=float, default=20.0, help="seconds of each run of noisy (default: 20)")
    parser.add_argument("--quiet", type=float, default=5.0, help="seconds before the last stage is slow (default: 5)")
    parser.add_argument("--slow", type=float, default=60.0, help="seconds in which it is (default: 60)")
    parser.add_argument("--over", type=float, default=60.0, help="seconds of overload (default: 60)")
    parser.add_argument("--recovery", type=float, default=15.0, help="seconds after it in which is sent (default: 15)")
    parser.add_argument("--quick", action="store_true", help="each of them shorter: two minutes in all")
    parser.add_argument("--processes", type=int, default=2, help="worker processes (default: 2)")
    parser.add_argument("--out", type=Path, default=Path("build/scenarios"), help="where plots and figures go")
    options = parser.parse_args()
    if options.quick:
        options.before, options.outage, options.after, options.each = 3.0, 9.0, 7.0, 5.0
        options.quiet, options.slow, options.over, options.recovery = 3.0, 30.0, 15.0, 12.0
    return options


if __name__ == "__main__":
    main()
