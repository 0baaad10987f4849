"""A worker process: `python -m forebay.work.child FD ID OPTIONS`, started by a supervisor and by nobody else."""

import asyncio
import faulthandler
import logging
import os
import signal
import socket
import sys
import traceback
from contextlib import suppress

import msgspec

from forebay.config import WorkerOptions
from forebay.locate import locate
from forebay.model.errors import ForebayError
from forebay.model.outcome import Outcome
from forebay.work.link import Hello, Link, Report, Stuck
from forebay.work.run import Run
from forebay.work.worker import Worker

#: Exit codes: ended as asked; could not start; wants to be replaced.
DONE, BROKEN, REPLACE = 0, 2, 75
_REPORT = 1.0
#: Seconds that a busy thread keeps the interpreter from another. Python's 5 ms let the writer wait for a loop that is busy
#: with tiny tasks, and then the loop for the writer: 0.5 ms more than doubled the throughput of both.
SWITCH = 0.0005


class Child:
    """One worker under its supervisor: reports, obeys signals, recycles itself."""

    def __init__(self, link: Link, id_: str, options: WorkerOptions) -> None:
        self._link, self._id, self._options = link, id_, options
        self._app = locate(options.app)
        self._terms = 0
        self._term = asyncio.Event()
        self._now = asyncio.Event()
        self._state = "running"

    async def run(self) -> int:
        """Work until told to stop; the exit code."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._asked_to_stop)
        loop.add_signal_handler(signal.SIGQUIT, dump)
        worker = Worker(self._app, self._options, self._id, self._stuck)
        await worker.start()
        tasks = self._app.registry.tasks.values()
        limits = {t.name: t.running.timeout + t.running.grace for t in tasks if t.running.timeout is not None}
        self._link.send(Hello(settings=self._app.settings, beat=worker.beat(), limits=limits))
        orphaned = loop.create_task(self._orphaned())
        failure = loop.create_task(worker.failure())
        code = await self._until_stop(worker, failure)
        orphaned.cancel()
        failure.cancel()
        return code

    async def _until_stop(self, worker: Worker, failure: asyncio.Task[None]) -> int:
        code = DONE
        while not self._term.is_set():
            with suppress(TimeoutError):
                await asyncio.wait_for(self._term.wait(), _REPORT)
            if failure.done():
                failure.result()
            self._link.send(Report(beat=worker.beat(self._state, rss())))
            if self._worn_out(worker):
                code = REPLACE
                break
        self._state = "draining"
        self._link.send(Report(beat=worker.beat(self._state, rss())))
        failure.cancel()
        drained = asyncio.ensure_future(worker.drain(self._options.drain))
        hurry = asyncio.ensure_future(self._now.wait())
        while not drained.done() and not hurry.done():
            await asyncio.wait({drained, hurry}, return_when=asyncio.FIRST_COMPLETED, timeout=_REPORT)
            self._link.send(Report(beat=worker.beat(self._state, rss())))
        drained.cancel()
        hurry.cancel()
        await worker.close()
        return code

    def _asked_to_stop(self) -> None:
        """The first time: drain. The second: cancel, hand back, go."""
        self._terms += 1
        (self._term if self._terms == 1 else self._now).set()

    async def _orphaned(self) -> None:
        """Nobody renews the lease any more, so hand everything back and go."""
        await self._link.closed()
        logging.getLogger("forebay.worker").error("the supervisor is gone: handing back and leaving")
        self._term.set()
        self._now.set()

    def _worn_out(self, worker: Worker) -> bool:
        options = self._options
        count = worker.done + worker.failed
        return bool(
            (options.max_tasks and count >= options.max_tasks) or (options.max_memory and rss() > options.max_memory)
        )

    def _stuck(self, run: Run, result: Outcome) -> None:
        self._link.send(Stuck(id=run.delivery.id, outcome=result))


def rss() -> int:
    """Resident memory of this process in bytes."""
    try:
        with open("/proc/self/statm", "rb") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:  # macOS has the peak only
        import resource  # noqa: PLC0415

        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def dump() -> None:
    """Where everything stands, to standard error: threads, then tasks of the loop."""
    faulthandler.dump_traceback()
    for task in asyncio.all_tasks():
        sys.stderr.write(f"\nTask {task.get_name()}\n")
        for frame in task.get_stack():
            sys.stderr.write("".join(traceback.format_stack(frame, limit=4)))
    sys.stderr.flush()


def new_loop() -> asyncio.AbstractEventLoop:
    """uvloop's where it runs, asyncio's own elsewhere."""
    try:
        import uvloop  # noqa: PLC0415 - not on every platform
    except ImportError:
        return asyncio.new_event_loop()
    return uvloop.new_event_loop()


def main() -> None:
    """Run one child to its end. Ends the process itself, for threads may be stuck in C code."""
    fd, id_, blob = sys.argv[1:4]
    sys.setswitchinterval(SWITCH)
    configure_logging()
    link = Link(socket.socket(fileno=int(fd)))
    try:
        with asyncio.Runner(loop_factory=new_loop) as runner:
            code = runner.run(_run(link, id_, msgspec.json.decode(blob, type=WorkerOptions)))
    except ForebayError as error:
        sys.stderr.write(f"error: {error}\n")
        code = BROKEN
    except Exception:
        traceback.print_exc()
        code = BROKEN
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


async def _run(link: Link, id_: str, options: WorkerOptions) -> int:
    return await Child(link, id_, options).run()


def configure_logging() -> None:
    """Our log on standard error, unless the user's code has set up its own."""
    if not logging.getLogger().handlers:
        form = "%(asctime)s %(process)d %(levelname).1s %(name)s: %(message)s"
        logging.basicConfig(level=logging.INFO, format=form, stream=sys.stderr)


if __name__ == "__main__":
    main()
