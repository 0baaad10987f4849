"""The demo's story, in order: the plan, the work with a crash half-way, the same in a plain loop, the verdict."""

import asyncio
import contextlib
import os
import signal
import tempfile
import time
import warnings
from collections.abc import Generator, Sequence
from pathlib import Path
from types import FrameType

from forebay.demo import report
from forebay.demo.count import LIBRARY, Count, count_source, merge, package_of, sources
from forebay.demo.fleet import Fleet
from forebay.demo.report import Story
from forebay.demo.show import Show, choose
from forebay.demo.watch import watch
from forebay.model.errors import ConfigError

_INTERRUPTED, _TERMINATED = 130, 143


def run_demo(*, files: int | None = None, processes: int = 2, kill: bool = True, keep: Path | None = None) -> int:
    """Run the demo; the exit code: 0 if the totals agree, 1 if not, 130 after Ctrl-C.

    Args:
        files: how many source files, spread over the whole library; all if None.
        processes: worker processes.
        kill: whether to kill one of them half-way.
        keep: a new folder for queue, index and log, which stays; a temporary one if None.

    Raises:
        ConfigError: `keep` holds a queue already, or this Python has no source files.
        ForebayError: the workers failed.
    """
    show = choose()
    signal.signal(signal.SIGTERM, _terminated)
    try:
        paths = _spread(sources(), files)
        with _folder(keep) as folder:
            report.plan(show, len(paths), processes, kill=kill)
            story = _by_workers(show, paths, Fleet(processes, folder / "workers.log"), kill=kill)
        return 0 if _agree(show, story, paths, processes, keep) else 1
    except KeyboardInterrupt:
        show.say("Interrupted: the workers are stopped.", "yellow")
        return _INTERRUPTED


def _terminated(_number: int, _frame: FrameType | None) -> None:
    raise SystemExit(_TERMINATED)


def _spread(paths: Sequence[str], most: int | None) -> Sequence[str]:
    """At most so many of `paths`, evenly spread."""
    if not paths:
        raise ConfigError(f"no source files in {LIBRARY}: this Python came without them")
    count = min(most or len(paths), len(paths))
    return [paths[number * len(paths) // count] for number in range(count)]


@contextlib.contextmanager
def _folder(keep: Path | None) -> Generator[Path]:
    """A folder that has the queue's address in the environment, where the app and the workers find it."""
    with contextlib.ExitStack() as stack:
        folder = keep or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="forebay-demo-")))
        folder.mkdir(parents=True, exist_ok=True)
        if (queue := _queue(folder)).exists():
            raise ConfigError(f"{folder} holds a queue already: give --keep a new folder")
        os.environ["FOREBAY_URL"] = f"sqlite:///{queue}"
        yield folder


def _queue(folder: Path) -> Path:
    return folder.resolve() / "queue.db"


def _by_workers(show: Show, paths: Sequence[str], fleet: Fleet, *, kill: bool) -> Story:
    show.say(f"$ {' '.join(fleet.command)}", "cyan")
    with fleet:
        return asyncio.run(watch(show, paths, fleet, kill=kill))


def _agree(show: Show, story: Story, paths: Sequence[str], processes: int, keep: Path | None) -> bool:
    """Count again without Forebay, and say everything that there is to say."""
    started = time.monotonic()
    plain = _by_plain_loop(show, paths)
    took = time.monotonic() - started
    report.findings(show, story.packages, story.dead)
    agree = report.verdict(show, story, plain)
    report.times(show, story.took, took, processes)
    report.farewell(show, keep and _queue(keep))
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
