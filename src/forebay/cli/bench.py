"""`bench`: what Forebay does on this machine, on the disk that counts, with real worker processes."""

import os
import platform
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import apsw
import click

from forebay.cli import output
from forebay.cli.bench_figures import Figure, Plan, measure
from forebay.cli.bench_room import Fleet, room
from forebay.cli.kinds import SECONDS
from forebay.cli.output import Column
from forebay.cli.shared import Command, current, with_app
from forebay.cli.shared import output as form
from forebay.engine.sqlite.place import file_system

_COLUMNS: Sequence[Column[Figure]] = [
    Column("FIGURE", lambda f: f.name),
    Column("RESULT", lambda f: f"{f.value:,.0f}{f.unit}" if f.unit == "/s" else f"{f.value:,.2f} {f.unit}", right=True),
    Column("HOW", lambda f: f.method, flex=True),
]
_PROMISE = {
    "full": "full: what was accepted survives power loss",
    "normal": "normal: the last commits may be lost with the power, never with a process",
}


@click.command(cls=Command)
@click.option("-p", "--processes", type=click.IntRange(1, 64), default=1, show_default=True, help="Worker processes.")
@click.option("--seconds", type=SECONDS, default="3s", show_default=True, help="For each of the timed figures.")
@click.option("--messages", type=click.IntRange(1_000), default=50_000, show_default=True, help="For enqueue_many.")
@click.option("--durability", type=click.Choice(["full", "normal"]), default="full", show_default=True)
@click.option(
    "--folder",
    type=click.Path(exists=True, file_okay=False, writable=True, path_type=Path),
    default=".",
    help="The disk to measure; this folder unless given.",
)
def bench(processes: int, seconds: float, messages: int, durability: str, folder: Path) -> None:
    """Measure this machine: enqueue, throughput of tasks that do nothing, latency.

    Works on a file of its own in --folder, which it removes.
    """
    if current().url is not None or current().app is not None:
        text = "bench has an app and a file of its own: choose the disk with --folder"
        raise click.UsageError(text, click.get_current_context())
    with room(folder, durability) as place:
        facts = {**_facts(place), "durability": _PROMISE[durability]}
        if form() == "table":
            for name, text in facts.items():
                output.say(f"{name:11} {text}")
            output.say("")
        from forebay.cli.bench_app import app, lateness, nothing

        def fleet() -> Fleet:
            return Fleet(place, processes)

        tasks = (nothing, lateness)
        work = with_app(app, lambda app: measure(app, tasks, Plan(seconds, messages, processes), fleet), create=True)
    _print(facts, work)


def _print(facts: dict[str, str], figures: Sequence[Figure]) -> None:
    if form() == "json":
        answer: dict[str, Any] = {**facts, "figures": figures}
        output.show_one("json", answer, list[str])
    else:
        output.show(form(), figures, output.Table(_COLUMNS, ""))


def _facts(folder: Path) -> dict[str, str]:
    """On what, and with what, the figures were taken."""
    parts = {name: version(name) for name in ("forebay", "msgspec", "uvloop") if _installed(name)}
    versions = {
        **parts,
        "SQLite": apsw.sqlite_lib_version(),
        platform.python_implementation(): platform.python_version(),
    }
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return {
        "machine": f"{cores} cores, {_cpu()}, {platform.system()} {platform.release()}",
        "disk": f"{folder.resolve().parent} ({file_system(folder) or 'unknown file system'})",
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
