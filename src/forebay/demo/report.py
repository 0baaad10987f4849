"""The demo's last words: what was found, what could not be parsed, and whether the totals agree."""

import os
import shlex
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec

from forebay.demo.count import FIGURES, Count, merge
from forebay.demo.crash import Recovery, Victim
from forebay.demo.show import Row, Show
from forebay.engine.sqlite.address import url_of
from forebay.observe.view import decoded
from forebay.store.records import Found

Packages = Mapping[str, Count]

#: Rows of the long tables.
_LARGEST, _LISTED = 10, 10


class Story(msgspec.Struct, frozen=True, kw_only=True):
    """What the workers did.

    Attributes:
        packages: the summary of each.
        dead: the files that could not be parsed.
        again: messages that were run again after the crash.
        took: seconds.
    """

    packages: Packages
    dead: Sequence[Found]
    again: int
    took: float


def plan(show: Show, files: int, processes: int, *, kill: bool) -> None:
    """Say what is about to happen, in two sentences."""
    version, workers = ".".join(map(str, sys.version_info[:3])), _many(processes, "worker process", "es")
    what = f"{files:,} source files of Python {version}'s standard library go as durable messages through a SQLite file"
    show.say(f"{what} to {workers}, which parse them and gather the counts package by package.", "bold")
    crash = "Half-way one of the workers is killed with SIGKILL; at the end" if kill else "At the end"
    show.say(f"{crash} the totals are compared with those of a plain loop over the same files.\n")


def killed(show: Show, victim: Victim) -> None:
    """Which worker was killed."""
    held = _many(len(victim.held), "message")
    show.say(f"Killed worker process {victim.pid} with SIGKILL: {held} in flight.", "bold red")


def recovered(show: Show, recovery: Recovery) -> None:
    """How long its messages waited."""
    if recovery.pauses:
        first, last = recovery.pauses[0], recovery.pauses[-1]
        when = f"the first after {first:.2f} s, the last after {last:.2f} s"
        show.say(f"{len(recovery.pauses)} of them started again, {when}.", "green")
    if recovery.ended:
        show.say(f"{recovery.ended} of them had just ended.", "green")
    if recovery.missing:
        show.say(f"{recovery.missing} of them have not started again.", "bold red")


def spared(show: Show) -> None:
    """There was nobody to kill."""
    show.say("No worker held a message when one was to be killed: there were too few files for that.", "yellow")


def findings(show: Show, packages: Packages, dead: Sequence[Found]) -> None:
    """The largest packages, and the files that do not parse."""
    largest = sorted(packages.items(), key=lambda item: item[1].lines, reverse=True)[:_LARGEST]
    figures = ["files", "lines", "functions", "classes", "docstrings"]
    rows: list[Row] = [["package", *figures, "longest function"]]
    rows += [[name, *_numbers(count, figures), _longest(count)] for name, count in largest]
    show.table(f"The {len(largest)} largest of {len(packages)} packages", rows)
    if dead:
        causes: list[Row] = [["file", "cause"], *([_path(found), found.cause] for found in dead[:_LISTED])]
        show.table(f"Dead letters: {_many(len(dead), 'file')} that cannot be parsed", causes)


def verdict(show: Show, story: Story, plain: Packages) -> bool:
    """The totals side by side; whether they agree in everything, package by package."""
    ours = story.packages
    here, there = merge(ours.values()), merge(plain.values())
    figures = [[name, *_numbers(here, [name]), *_numbers(there, [name])] for name in FIGURES]
    show.table("Totals", [["figure", "forebay", "plain loop"], *figures])
    differing = [name for name in sorted({*ours, *plain}) if ours.get(name) != plain.get(name)]
    if differing or len(story.dead) != there.unparsable:
        show.say(f"\nThey DO NOT agree: {', '.join(differing[:_LISTED]) or 'dead letters'} differ.", "bold red")
        return False
    again = f", though {_many(story.again, 'message')} ran again" if story.again else ""
    words = f"They agree, package by package ({len(ours)}): nothing lost, and nothing counted twice{again}."
    show.say(f"\n{words}", "bold green")
    return True


def times(show: Show, forebay: float, plain: float, processes: int) -> None:
    """How long both ways took, and why more processes may take longer than one loop."""
    ours = f"Forebay took {forebay:.1f} s with {_many(processes, 'worker process', 'es')}, their start included"
    show.say(f"{ours}; the plain loop took {plain:.1f} s.")
    if forebay > plain:
        show.say(
            f"The loop is quicker here: on {_many(_cores(), 'core')}, starting processes, making each file a durable "
            "message and gathering the counts costs more than they gain. Longer tasks and more cores turn that around."
        )


def farewell(show: Show, kept: Path | None, typed: str) -> None:
    """What to try next; each line can be typed as it stands."""
    name = _free("app", ".py")
    lines = [(f"{typed} init {name}.py", "write a small app of your own"), (f"{typed} dev -A {name}:app", "and run it")]
    if kept is None:
        keep = f"{typed} demo --keep {_free('forebay-demo')}"
        lines.append((keep, "as now, but leave queue and index to look at"))
    else:
        url = f"--url {shlex.quote(url_of(kept))}"
        lines += [(f"{typed} {words} {url}", "") for words in ("queues", "dead list", "messages --state done")]
    widest = max(len(line) for line, why in lines if why)
    shown = [f"  {line:{widest}}  # {why}" if why else f"  {line}" for line, why in lines]
    show.say("\n".join(["", "Next:", *shown]))


def _free(stem: str, suffix: str = "") -> str:
    """A name that nothing has here yet."""
    names = [stem, *(f"{stem}{number}" for number in range(2, 100))]
    return next((name for name in names if not Path(name + suffix).exists()), stem)


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _many(count: int, what: str, ending: str = "s") -> str:
    return f"{count:,} {what}{'' if count == 1 else ending}"


def _numbers(count: Count, figures: Sequence[str]) -> list[str]:
    return [f"{getattr(count, name):,}" for name in figures]


def _longest(count: Count) -> str:
    return f"{count.longest.place} ({count.longest.lines})" if count.longest.lines else "-"


def _path(found: Found) -> str:
    return str(decoded(found.body)["path"])
