"""`python -m benchmarks.scenarios [NAME …]`: play them, with a verdict a promise, plots and raw figures.

Exits 1 if a promise was not kept.
"""

import argparse
import dataclasses
import json
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks import machine
from benchmarks.scenarios import judge, limits, noisy, outage, overload, peers, plot, slow, usage_limit
from benchmarks.table import lay_out
from forebay.engine.capabilities import HOUSE


class Play(NamedTuple):
    """A scenario as it is played.

    Attributes:
        says: what is about to be seen.
        play: plays it on an engine; `verdicts` and `draw` are about what it gives.
    """

    title: str
    says: str
    play: Callable[[str], Any]
    verdicts: Callable[[Any], Iterable[judge.Verdict]]
    draw: Callable[[Any, str, Path], None]


#: How each is set up, from the options and where its log goes.
Setting = Callable[[argparse.Namespace, Path], Play]


def main() -> None:
    options = _options()
    print(lay_out([["machine", ""], *([name, text] for name, text in machine.facts().items())]), flush=True)
    options.out.mkdir(parents=True, exist_ok=True)
    found = [verdict for name in options.scenario or SCENARIOS for verdict in _played(name, options)]
    missed = [verdict for verdict in found if not verdict.kept]
    print(f"\n{len(missed)} missed; the plots, the raw figures and the worker's log are in {options.out}")
    sys.exit(1 if missed else 0)


def _played(name: str, options: argparse.Namespace) -> list[judge.Verdict]:
    scheme = options.url.partition(":")[0]
    file = options.out / f"{name}-{scheme}"
    one = (SCENARIOS | BESIDE)[name](options, file.with_suffix(".log"))
    if name in BESIDE and scheme != "sqlite":
        return []  # they have their own stores, and have played it there
    if name == "noisy" and not HOUSE[scheme].fair:
        print(f"\n{one.title}: {scheme} has no fair queues", flush=True)
        return []
    print(f"\n{one.title}, on {scheme}: {one.says}", flush=True)
    seen = one.play(options.url)
    found = list(one.verdicts(seen))
    for verdict in found:
        print(f"  {verdict}", flush=True)
    raw = {"seen": seen, "verdicts": [*map(str, found)]}
    file.with_suffix(".json").write_text(json.dumps(raw, default=dataclasses.asdict))
    one.draw(seen, f"{one.title}, on {scheme}", file.with_suffix(".png"))
    return found


def _outage(options: argparse.Namespace, log: Path) -> Play:
    script = outage.Script(options.before, options.outage, options.after, options.processes, log)
    says = f"{script.before:g} s before, {script.outage:g} s down, {script.after:g} s after"
    return Play("Outage of a provider", says, lambda url: outage.play(url, script), judge.verdicts, plot.draw)


def _outage_peers(options: argparse.Namespace, log: Path) -> Play:
    script = outage.Script(options.before, options.outage, options.after, options.processes, log)
    log.unlink(missing_ok=True)
    says = "the same, on others, with the retries that they document"
    return Play("Outage of a provider, beside", says, lambda _: peers.play(script), peers.verdicts, peers.draw)


def _noisy(options: argparse.Namespace, log: Path) -> Play:
    script = noisy.Script(options.each, options.processes, log)
    says = f"two figures, {script.seconds:g} s alone and beside"
    return Play("A noisy tenant", says, lambda url: noisy.play(url, script), noisy.verdicts, noisy.draw)


def _slow(options: argparse.Namespace, log: Path) -> Play:
    script = slow.Script(options.quiet, options.slow, options.recovery, log)
    says = f"{script.before:g} s before, {script.slow:g} s slow, {script.after:g} s after"
    return Play("A slow last stage", says, lambda url: slow.play(url, script), slow.verdicts, slow.draw)


def _overload(options: argparse.Namespace, log: Path) -> Play:
    script = overload.Script(options.quiet, options.over, options.recovery, log)
    says = (
        f"{script.before:g} s before, {script.over:g} s of {overload.OVERLOAD:g} times the capacity, "
        f"{script.after:g} s after"
    )
    return Play("Overload", says, lambda url: overload.play(url, script), overload.verdicts, overload.draw)


def _limits(options: argparse.Namespace, log: Path) -> Play:
    script = limits.Script(options.keys, options.kills, log)
    says = f"{script.keys:g} s of keys with rates, {script.kills:g} s of kills"
    return Play("Limits", says, lambda url: limits.play(url, script), limits.verdicts, limits.draw)


def _usage_limit(_options: argparse.Namespace, _log: Path) -> Play:
    says = "from nine until half past three, without and with a fallback, in virtual time"
    return Play("A usage limit", says, usage_limit.play, usage_limit.verdicts, usage_limit.draw)


SCENARIOS: dict[str, Setting] = {
    "outage": _outage,
    "noisy": _noisy,
    "slow": _slow,
    "overload": _overload,
    "limits": _limits,
    "usage-limit": _usage_limit,
}


#: Those that are played only when they are named: they say nothing about Forebay.
BESIDE: dict[str, Setting] = {"outage-peers": _outage_peers}


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scenarios", description="Stories that end well.")
    parser.add_argument("scenario", nargs="*", choices=[*SCENARIOS, *BESIDE, []], help="which (default: all)")
    parser.add_argument("--url", default="sqlite", help="the engine's; sqlite for a new file (default)")
    parser.add_argument("--before", type=float, default=10.0, help="seconds before the outage (default: 10)")
    parser.add_argument("--outage", type=float, default=60.0, help="seconds of it (default: 60)")
    parser.add_argument("--after", type=float, default=20.0, help="seconds after it in which is sent (default: 20)")
    parser.add_argument("--each", type=float, default=20.0, help="seconds of each run of noisy (default: 20)")
    parser.add_argument("--quiet", type=float, default=5.0, help="seconds before slow and overload begin (default: 5)")
    parser.add_argument("--slow", type=float, default=60.0, help="seconds in which the stage is slow (default: 60)")
    parser.add_argument("--over", type=float, default=60.0, help="seconds of overload (default: 60)")
    parser.add_argument("--recovery", type=float, default=15.0, help="seconds after it in which is sent (default: 15)")
    parser.add_argument("--keys", type=float, default=40.0, help="seconds of keys with rates (default: 40)")
    parser.add_argument("--kills", type=float, default=30.0, help="seconds in which holders are killed (default: 30)")
    parser.add_argument("--quick", action="store_true", help="each of them shorter: three minutes in all")
    parser.add_argument("--processes", type=int, default=2, help="worker processes (default: 2)")
    parser.add_argument("--out", type=Path, default=Path("build/scenarios"), help="where plots and figures go")
    options = parser.parse_args()
    if options.quick:
        options.before, options.outage, options.after, options.each = 3.0, 9.0, 7.0, 5.0
        options.quiet, options.slow, options.over, options.recovery = 3.0, 30.0, 15.0, 12.0
        options.keys, options.kills = 15.0, 10.0
    return options


if __name__ == "__main__":
    main()
