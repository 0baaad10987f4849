"""`worker`, `dev`: running messages. The worker itself lives in `forebay.work`; here are its options and the reload."""

import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import FrameType
from typing import Any, TypeVar

import click

from forebay.cli import output
from forebay.cli.failing import Missing
from forebay.cli.kinds import NAMES, SECONDS, SIZE
from forebay.cli.shared import Command, needed_locator
from forebay.config import WorkerOptions
from forebay.work.python import interpreter

_LEVEL: Any = click.Choice(["debug", "info", "warning", "error", "critical"], case_sensitive=False)
_FORMAT: Any = click.Choice(["text", "json"])
_LOOP: Any = click.Choice(["auto", "uvloop", "asyncio"])

F = TypeVar("F", bound=Callable[..., Any])

#: Milliseconds between looks at a development worker that runs.
LOOK_MS = 300
#: Seconds beyond its drain that a development worker gets to leave.
LEAVE = 5.0


def _running(command: F) -> F:
    """The options that `worker` and `dev` share."""
    many: Any = click.IntRange(1)
    for option in (
        click.option("-v", "--verbose", is_flag=True, help="Log each task with its duration."),
        click.option(
            "--log-format", type=_FORMAT, default="text", show_default=True, help="json: one object per line."
        ),
        click.option("--log-level", type=_LEVEL, default="info", show_default=True, help="Log this level and above."),
        click.option(
            "--loop", type=_LOOP, default="auto", show_default=True, help="Event loop; auto: uvloop if installed."
        ),
        click.option("--no-schedules", is_flag=True, help="Do not fire cron schedules from here."),
        click.option("--cpu", type=click.IntRange(0), default=0, help="Processes for cpu=True tasks; 0: one per core."),
        click.option(
            "--adaptive", is_flag=True, help="Fewer at a time than -c while tasks time out or take longer than usual."
        ),
        click.option("-c", "--concurrency", type=many, default=100, show_default=True, help="Messages at a time."),
        click.option(
            "-Q", "--queues", type=NAMES, default=(), help="Queues to serve, such as a,b; default all of the app's."
        ),
    ):
        command = option(command)
    return command


def _options(command: str, *, no_schedules: bool, **chosen: Any) -> WorkerOptions:
    locator = needed_locator(command)
    return WorkerOptions(app=locator, schedules=not no_schedules, **chosen)


@click.command(cls=Command)
@_running
@click.option("-p", "--processes", type=click.IntRange(1), default=1, show_default=True, help="Worker processes.")
@click.option(
    "--burst", is_flag=True, help="Exit once nothing is ready or running; leaves what is scheduled, parked or paused."
)
@click.option(
    "--drain", default="30s", type=SECONDS, show_default=True, help="Grace period for running tasks after TERM."
)
@click.option(
    "--max-tasks", type=click.IntRange(0), default=0, help="Replace a process after this many messages; 0: never."
)
@click.option(
    "--max-memory",
    type=SIZE,
    default="0",
    help="Replace a process above this, such as 500MB; 0: never. At one and a half times this it is killed.",
)
def worker(**chosen: Any) -> int:
    """Run messages until told to stop.

    SIGTERM or Ctrl-C lets running tasks finish (see --drain), a second one returns their messages to the queue, SIGQUIT
    prints stacks.
    """
    options = _options("worker", **chosen)
    from forebay.work.supervisor import supervise

    return supervise(options)


@click.command(cls=Command)
@_running
@click.option(
    "--drain", type=SECONDS, default="2s", show_default=True, help="Grace period for running tasks at a restart."
)
@click.option("--no-reload", is_flag=True, help="Do not restart when code changes.")
@click.option(
    "--watch", type=click.Path(exists=True), multiple=True, help="Files and folders to watch; default this folder."
)
def dev(*, no_reload: bool, watch: tuple[str, ...], **chosen: Any) -> int:
    """Run a worker and scheduler in one process, restarted whenever a Python file changes."""
    options = _options("dev", **chosen)
    if not no_reload:
        from forebay.work.stdio import show_at_once

        show_at_once()  # whoever reads may go: that ends no development worker, and leaves none behind
        return _reload([Path(path) for path in watch or (".",)], options.drain)
    from forebay.work.dev import run_dev

    return run_dev(options)


class _Child:
    """The development worker: this very command with --no-reload, in a process of its own."""

    def __init__(self, drain: float) -> None:
        self._patience = drain + LEAVE
        self._process = subprocess.Popen([*interpreter(), "-m", "forebay", *sys.argv[1:], "--no-reload"])

    def ended(self) -> int | None:
        """Its exit code once it is over."""
        return self._process.poll()

    def stop(self, heard: int = 0) -> int:
        """End it, with patience first.

        Args:
            heard: the signal that this process was told to stop by. If it went to all processes, the child knows it,
                and must not hear it twice.
        """
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGHUP if heard == signal.SIGTERM else signal.SIGTERM)
        try:
            return self._process.wait(self._patience)
        except subprocess.TimeoutExpired:
            self._process.kill()
            return self._process.wait()


def _reload(paths: Sequence[Path], drain: float) -> int:
    """Keep a development worker alive across changes, until Ctrl-C or TERM."""
    changes = _changes(paths)
    stopping: list[int] = []

    def told(number: int, _frame: FrameType | None) -> None:
        stopping.append(number)

    signal.signal(signal.SIGTERM, told)
    signal.signal(signal.SIGINT, told)
    signal.signal(signal.SIGHUP, told)
    child, reported = _Child(drain), False
    try:
        for changed in changes:
            if stopping:
                break
            if changed:
                output.note(f"forebay: {', '.join(changed[:3])} changed, restarting")
                child.stop()
                child, reported = _Child(drain), False
            elif child.ended() is not None and not reported:
                output.note(f"forebay: the worker ended with {child.ended()}; waiting for a change")
                reported = True
    finally:
        code = child.stop(*stopping[:1])
    return max(0, code)


def _changes(paths: Sequence[Path]) -> Iterator[list[str]]:
    """Names of changed Python files; an empty list every now and then.

    Raises:
        Missing: watchfiles is not installed.
    """
    try:
        from watchfiles import PythonFilter, watch
    except ImportError as error:
        raise Missing("watchfiles", "dev (without --no-reload)") from error
    rounds = watch(
        *paths, watch_filter=PythonFilter(), rust_timeout=LOOK_MS, yield_on_timeout=True, raise_interrupt=False
    )
    return (sorted({Path(path).name for _, path in changes}) for changes in rounds)
