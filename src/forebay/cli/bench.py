"""`bench`: what Forebay does on this machine, on the disk that counts, with real worker processes."""

import os
import platform
from importlib.metadata import version
from pathlib import Path
from typing import Any

import click

from forebay.cli import output
from forebay.cli.bench_figures import Figure, Plan, measure
from forebay.cli.bench_room import Fleet, room
from forebay.cli.kinds import SECONDS
from forebay.cli.shared import Command, current, with_app
from forebay.cli.shared import output as form
from forebay.engine.backend import Checks

#: Columns of the name and of the result of a figure.
_NAME, _RESULT = 32, 12
_PROMISE = {
    "full": "full: what was accepted survives power loss",
    "normal": "normal: the last commits may be lost with the power, never with a process",
}


@click.command(cls=Command)
@click.option("-p", "--processes", type=click.IntRange(1, 64), default=1, show_default=True, help="Worker processes.")
@click.option("--seconds", type=SECONDS, default="3s", show_default=True, help="Time for each figure.")
@click.option("--messages", type=click.IntRange(1_000), default=50_000, show_default=True, help="For enqueue_many.")
@click.option("--durability", type=click.Choice(["full", "normal"]), default="full", show_default=True)
@click.option(
    "--folder",
    type=click.Path(exists=True, file_okay=False, writable=True, path_type=Path),
    default=".",
    help="The disk to measure; this folder unless given.",
)
def bench(processes: int, seconds: float, messages: int, durability: str, folder: Path) -> None:
    """Benchmark this machine: enqueue, throughput of no-op tasks, latency.

    Works on a file of its own in --folder, which it removes.
    """
    if current().url is not None or current().app is not None:
        text = "bench has an app and a file of its own: choose the disk with --folder"
        raise click.UsageError(text, click.get_current_context())
    with room(folder, durability) as place:
        from forebay.cli.bench_app import app, lateness, nothing

        facts = _facts(app.backend.checks, place.folder.resolve())
        printer = Printer({**facts, "durability": _PROMISE[durability]})
        fleet, plan = Fleet(place, processes), Plan(seconds, messages, processes)
        with_app(app, lambda app: measure(app, (nothing, lateness), plan, fleet, printer.told), create=True)
        printer.end()


class Printer:
    """Each figure as it comes, for people and as NDJSON; one object at the end as JSON."""

    def __init__(self, facts: dict[str, str]) -> None:
        self._facts, self._figures, self._form = facts, list[Figure](), form()
        if self._form == "table":
            for name, text in facts.items():
                output.say(f"{name:11} {text}")
            output.say("")
            click.echo(output.bold(output.fitted(f"{'FIGURE':{_NAME}}{'RESULT':>{_RESULT}}  HOW")))

    def told(self, figure: Figure) -> None:
        """One more is known."""
        self._figures.append(figure)
        if self._form == "ndjson":
            output.stream([figure])
        elif self._form == "table":
            number = f"{figure.value:,.0f}/s" if figure.unit == "/s" else f"{figure.value:,.2f} {figure.unit}"
            click.echo(output.fitted(f"{figure.name:{_NAME}}{number:>{_RESULT}}  {figure.method}"))

    def end(self) -> None:
        """All are."""
        if self._form == "json":
            answer: dict[str, Any] = {**self._facts, "figures": self._figures}
            output.show_one("json", answer, list[str])


def _facts(checks: Checks | None, ours: Path) -> dict[str, str]:
    """On what, and with what, the figures were taken."""
    engine = dict(checks.about() if checks is not None else {})
    disk = engine.pop("disk", "").replace(str(ours), str(ours.parent))
    parts = {name: version(name) for name in ("forebay", "msgspec", "uvloop") if _installed(name)}
    versions = {
        **parts,
        **engine,
        platform.python_implementation(): platform.python_version(),
    }
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return {
        "machine": f"{cores} cores, {_cpu()}, {platform.system()} {platform.release()}",
        "disk": disk,
        "versions": ", ".join(f"{name} {number}" for name, number in versions.items()),
    }


def _installed(name: str) -> bool:
    from importlib.util import find_spec

    return find_spec(name) is not None


def _cpu() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()
