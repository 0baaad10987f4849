"""A shell for tests: `forebay …` as real processes in a folder of their own, with time limits and without leftovers."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import apsw

import starts
from fleet import until
from forebay import Forebay
from forebay.engine.contract import Depth
from forebay.engine.waiting import drive
from forebay.store.records import WorkerRow

T = TypeVar("T")

COMMAND = [sys.executable, "-m", "forebay"]
#: Seconds for anything that has to happen; generous, since nothing is learnt from a slow machine.
PATIENCE = 120.0

APP = """
import asyncio
import os
import pathlib
import time

from forebay import Context, Forebay, Retry

app = Forebay("sqlite:///forebay.db", poll=0.2)


@app.task
def greet(name: str, loud: bool = False) -> str:
    return f"HELLO {name}" if loud else f"hello {name}"


@app.task(retry=Retry(max_attempts=1))
def boom(text: str = "broken") -> None:
    raise ValueError(text)


@app.task(queue="slow")
async def nap(seconds: float, mark: str = "") -> str:
    if mark:
        pathlib.Path(mark).write_text(str(os.getpid()))
    await asyncio.sleep(seconds)
    return "rested"


@app.task(queue="slow")
async def rest_until(mark: str, until: str) -> str:
    pathlib.Path(mark).write_text(str(os.getpid()))
    while not pathlib.Path(until).exists():
        await asyncio.sleep(0.02)
    return "rested"


@app.task(cpu=True)
def whoami() -> int:
    return os.getpid()


@app.task
def hold() -> int:
    held.append(b"x" * 200_000_000)
    return os.getpid()


@app.task
def process() -> int:
    return os.getpid()


@app.consume("clicks", batch=50, max_wait=0.05)
def load(messages: list) -> None:
    with pathlib.Path("clicks.txt").open("a") as file:
        file.writelines(f"{message.value}\\n" for message in messages)


@app.periodic("0 0 1 1 *", tz="Europe/Vienna")
def yearly() -> None:
    pass


held = []
"""


def eventually(condition: Callable[[], Any], what: str = "") -> Any:
    """The first true answer of `condition`, asked until it comes."""
    return until(condition, what or repr(condition), PATIENCE)


@contextlib.contextmanager
def sqlite(path: Path) -> Iterator[apsw.Connection]:
    """The file itself, for what no command does: to make it old, new, broken or late."""
    db = apsw.Connection(str(path))
    db.set_busy_timeout(10_000)
    try:
        yield db
    finally:
        db.close()


class Answer:
    """What one command said."""

    def __init__(self, words: tuple[str, ...], done: "subprocess.CompletedProcess[str]") -> None:
        self.words, self.code, self.out, self.err = words, done.returncode, done.stdout, done.stderr

    def __repr__(self) -> str:
        return f"forebay {' '.join(self.words)} → {self.code}\n{self.out}\n{self.err}"

    @property
    def json(self) -> Any:
        return json.loads(self.out)

    @property
    def rows(self) -> list[Any]:
        """NDJSON."""
        return [json.loads(line) for line in self.out.splitlines()]

    @property
    def complaint(self) -> str:
        """The one line of an error; fails if there is more, or less."""
        (line,) = self.err.splitlines()
        assert line.startswith("error: "), self
        assert "Traceback" not in line
        return line.removeprefix("error: ")


class Running:
    """A command that goes on: a worker, `tail`, `top`. Its output is gathered as it comes: `out`, and all `lines`."""

    def __init__(self, process: starts.Started, out: int, err: int) -> None:
        self.process, self.out, self.lines = process, list[str](), list[str]()
        self._readers = [
            threading.Thread(target=self._read, args=[out, self.out], daemon=True),
            threading.Thread(target=self._read, args=[err, None], daemon=True),
        ]
        for reader in self._readers:
            reader.start()

    def _read(self, end: int, own: list[str] | None) -> None:
        with open(end) as stream:
            for line in stream:
                self.lines.append(line.rstrip("\n"))
                if own is not None:
                    own.append(line.rstrip("\n"))

    @property
    def said(self) -> str:
        return "\n".join(self.lines)

    def until(self, text: str, times: int = 1) -> None:
        """Wait for words of its output."""

        def there() -> bool:
            ended = self.process.poll() is not None
            if ended:
                for reader in self._readers:
                    reader.join(PATIENCE)
            found = self.said.count(text) >= times
            assert found or not ended, f"ended with {self.process.returncode} without {text!r}:\n{self.said}"
            return found

        try:
            eventually(there, text)
        except AssertionError as error:
            raise AssertionError(f"{error}; it said:\n{self.said}") from None

    def end(self, number: int = signal.SIGTERM) -> int:
        """Tell it to end; its exit code."""
        self.process.send_signal(number)
        return self.ended()

    def ended(self) -> int:
        code = self.process.wait(PATIENCE)
        for reader in self._readers:
            reader.join(PATIENCE)
        return code


class Shell:
    """Runs `forebay` in `folder`, where an app.py lies; `words` always come as somebody would type them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.env = {key: value for key, value in os.environ.items() if not key.startswith(("FOREBAY_", "COLUMNS"))}
        self.env["FOREBAY_APP"] = "app:app"
        (folder / "app.py").write_text(APP)

    def __call__(self, *words: str, code: int = 0, stdin: str | bytes = "", **env: str) -> Answer:
        """Run a command to its end, which has to be `code`."""
        given = stdin if isinstance(stdin, bytes) else stdin.encode("utf-8", "surrogateescape")
        done = starts.run(words, self.folder, self._env(env), PATIENCE, given)
        answer = Answer(words, done)
        assert answer.code == code, answer
        assert "Traceback" not in answer.err, answer
        return answer

    @contextlib.contextmanager
    def start(self, *words: str, **env: str) -> Iterator[Running]:
        """A command that goes on; it is over when the block is."""
        (out, out_end), (err, err_end) = os.pipe(), os.pipe()
        place = self._env({"PYTHONUNBUFFERED": "1", **env})
        with Path(os.devnull).open() as nothing:
            streams = nothing.fileno(), out_end, err_end
            process = starts.Started(words, streams, self.folder, place, session=True)
        for end in (out_end, err_end):
            os.close(end)
        running = Running(process, out, err)
        try:
            yield running
        finally:
            _over(process)

    @contextlib.contextmanager
    def worker(self, *words: str, **env: str) -> Iterator[Running]:
        """A worker that is ready: all its processes have a living row."""
        wanted = len(self.alive()) + (int(words[words.index("-p") + 1]) if "-p" in words else 1)
        with self.start("worker", *words, **env) as running:
            eventually(lambda: len(self.alive()) >= wanted or running.process.poll() is not None, "a worker")
            assert running.process.poll() is None, running.said
            yield running

    def look(self, ask: Callable[[Forebay], T]) -> T:
        """Ask the file from here, for what is only waited for: a process for each look would cost a test its time."""
        with Forebay(f"sqlite:///{self.folder}/forebay.db") as app:
            return ask(app)

    def alive(self) -> list[WorkerRow]:
        if not (self.folder / "forebay.db").exists():
            return []
        return [row for row in self.look(lambda app: drive(app.store.workers())) if row.left > 0]

    def _env(self, more: dict[str, str]) -> dict[str, str]:
        return {**self.env, **more}

    def enqueue(self, *words: str) -> str:
        """Enqueue, and the id."""
        return self("enqueue", *words, "-o", "json").json["id"]

    def state(self, id_: str) -> str:
        return self.look(lambda app: app.handle(id_).status())

    def depth(self, queue: str) -> Depth:
        (depth,) = self.look(lambda app: drive(app.engine.depth([queue])))
        return depth


def _over(process: starts.Started) -> None:
    if process.poll() is None:
        process.terminate()
    try:
        process.wait(PATIENCE)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
