"""The demo's story, in order: the plan, the work with a crash half-way, the same in a plain loop, the verdict."""

import asyncio
import contextlib
import os
import time
import warnings
from collections.abc import Generator, Sequence
from pathlib import Path

from forebay.demo import report
from forebay.demo.count import LIBRARY, Count, count_source, merge, package_of, sources
from forebay.demo.fleet import Fleet
from forebay.demo.report import Story
from forebay.demo.room import Room, room
from forebay.demo.show import Show, choose
from forebay.demo.watch import watch
from forebay.engine.sqlite.address import url_of
from forebay.model.errors import ConfigError

_INTERRUPTED = 130
#: Processes in which one worker process runs `cpu=True` tasks: while one waits for the disk, the other one parses, and
#: while one worker is being replaced, the others keep two cores busy.
_CPU = 2
#: Old escapes in old files are not our business.
_QUIET = {"PYTHONWARNINGS": "ignore"}


def run_demo(
    *, files: int | None = None, processes: int = 2, kill: bool = True, keep: Path | None = None, typed: str = "forebay"
) -> int:
    """Run the demo; the exit code: 0 if the totals agree, 1 if not, 130 after Ctrl-C.

    Args:
        files: how many source files, spread over the whole library; all if None.
        processes: worker processes.
        kill: whether to kill one of them half-way.
        keep: a new folder for queue, index and log, which stays; a temporary one if None.
        typed: how somebody calls this program, for the lines to try next.

    Raises:
        ConfigError: `keep` holds a queue already, or this Python has no source files.
        ForebayError: the workers failed.
    """
    show = choose()
    try:
        paths = _spread(sources(), files)
        with _place(keep) as place:
            report.plan(show, len(paths), processes, kill=kill)
            story = _by_workers(show, paths, _fleet(place, processes), kill=kill)
        agree = _agree(show, story, paths, processes)
        report.farewell(show, keep and _queue(keep), typed)
        return 0 if agree else 1
    except KeyboardInterrupt:
        show.say("Interrupted: the workers are stopped.", "yellow")
        return _INTERRUPTED


def _fleet(place: Room, processes: int) -> Fleet:
    options = ["-p", str(processes), "--cpu", str(_CPU), "--drain", "1s"]
    return Fleet(place, "worker", "-A", "forebay.demo.app:app", *options, env=_QUIET)


def _spread(paths: Sequence[str], most: int | None) -> Sequence[str]:
    """At most so many of `paths`, evenly spread."""
    if not paths:
        raise ConfigError(f"no source files in {LIBRARY}: this Python came without them")
    count = min(most or len(paths), len(paths))
    return [paths[number * len(paths) // count] for number in range(count)]


@contextlib.contextmanager
def _place(keep: Path | None) -> Generator[Room]:
    """A folder that has the queue's address in the environment, where the app and the workers find it."""
    if keep is not None:
        keep.mkdir(parents=True, exist_ok=True)
        if _queue(keep).exists():
            raise ConfigError(f"{keep} holds a queue already: give --keep a new folder")
    with room("forebay-demo-", keep=keep) as place:
        os.environ["FOREBAY_URL"] = url_of(_queue(place.folder))
        yield place


def _queue(folder: Path) -> Path:
    return folder.resolve() / "queue.db"


def _by_workers(show: Show, paths: Sequence[str], fleet: Fleet, *, kill: bool) -> Story:
    show.say(f"$ {' '.join(fleet.command)}", "cyan")
    with fleet:
        return asyncio.run(watch(show, paths, fleet, kill=kill))


def _agree(show: Show, story: Story, paths: Sequence[str], processes: int) -> bool:
    """Count again without Forebay, and say everything that there is to say."""
    started = time.monotonic()
    plain = _by_plain_loop(show, paths)
    took = time.monotonic() - started
    report.findings(show, story.packages, story.dead)
    agree = report.verdict(show, story, plain)
    report.times(show, story.took, took, processes)
    return agree


def _by_plain_loop(show: Show, paths: Sequence[str]) -> dict[str, Count]:
    counts: dict[str, list[Count]] = {}
    with show.bars({"files": len(paths)}) as bars, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for number, path in enumerate(paths, start=1):
            count, _ = count_source(LIBRARY / path)
            counts.setdefault(package_of(path), []).append(count)
            bars.move({"files": number}, "in a plain loop")
    return {package: merge(some) for package, some in counts.items()}
