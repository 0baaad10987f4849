"""Real `forebay worker` fleets for tests: started and stopped as a user would, with what their tasks wrote down.

A fleet lives in a folder with its own database. The app is a file; the test loads it too, as a producer would. What the
tasks note (see `notes.py`) is read from the folder, so that nothing is believed because the queue says so.
"""

import contextlib
import importlib.util
import json
import os
import signal
import subprocess
import sys
import time
import uuid
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from itertools import pairwise
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any, TypeVar

import starts
from forebay.engine.waiting import drive
from proc import alive, environment_of, pids

T = TypeVar("T")

#: Seconds that anything may take on a slow and noisy machine.
DEADLINE = 90.0


def until(condition: Callable[[], T], what: str | Callable[[], str], deadline: float = DEADLINE) -> T:
    """Wait until `condition` is truthy; its value. Fails with `what` was waited for, asked then if it is a function."""
    begun = time.monotonic()
    while not (value := condition()):
        waited = time.monotonic() - begun
        assert waited < deadline, f"waited {deadline:g} s for {what() if callable(what) else what}"
        pause(waited)
    return value


def pause(waited: float) -> None:
    """Until the next look: a tenth of what was waited so far, for looking keeps a busy machine from the rest."""
    time.sleep(min(0.2, max(0.01, waited / 10)))


class Place:
    """A folder with a database and an app: what a producer sees, whether workers run or not."""

    #: Whether Python is started for its fleets, whose environment says what it imports first; else they are forked.
    start_anew = False

    def __init__(self, folder: Path, app: Path, **settings: object) -> None:
        self.folder, self._app = folder, app
        self.url = f"sqlite:///{folder}/queue.db"
        self.notes = folder / "notes.ndjson"
        self.notes.touch()
        self._offset, self._read = 0, list[SimpleNamespace]()
        own = {f"FOREBAY_{name.upper()}": str(value) for name, value in settings.items()}
        self.own = {"FOREBAY_URL": self.url, "FOREBAY_TEST_NOTES": str(self.notes), **own}
        self.crew = _load(app, self.own)
        drive(self.crew.app.open())

    @property
    def environment(self) -> dict[str, str]:
        """Of a worker: ours, with its settings."""
        return {**os.environ, "PYTHONPATH": str(self._app.parent), **self.own}

    @property
    def locator(self) -> str:
        return f"{self._app.stem}:app"

    def ask(self, verb: str, *args: Any) -> Any:
        """A verb of the store or of the engine, such as `ask("workers")`."""
        app = self.crew.app
        return drive(getattr(app.store if hasattr(app.store, verb) else app.engine, verb)(*args))

    def found(self, handle: Any) -> Any:
        """All that is known of a message."""
        return self.ask("find", [handle.id])[0]

    def read(self, handle: Any = None, event: str | None = None, **also: Any) -> list[SimpleNamespace]:
        """What the tasks have noted, in order; of one message, of one event."""
        with self.notes.open("rb") as file:
            file.seek(self._offset)
            whole, end, _ = file.read().rpartition(b"\n")
        self._offset += len(whole + end)
        self._read += [SimpleNamespace(**json.loads(line)) for line in whole.splitlines()]
        wanted = {
            **also,
            **({} if handle is None else {"id": handle.id}),
            **({} if event is None else {"event": event}),
        }
        return [
            note for note in self._read if all(getattr(note, name, None) == value for name, value in wanted.items())
        ]

    def noted(self, handle: Any = None, event: str = "start", count: int = 1, **also: Any) -> list[SimpleNamespace]:
        """Wait until at least so many such notes are there."""

        def look() -> list[SimpleNamespace]:
            notes = self.read(handle, event, **also)
            return notes if len(notes) >= count else []

        return until(look, f"{count} notes of {event} {also} of {handle}")

    def overlaps(self) -> list[str]:
        """Messages that ran in two places at a time, told by what their runs noted and when."""
        runs: dict[str, dict[tuple[int, int], list[float]]] = defaultdict(lambda: defaultdict(list))
        for note in self.read():
            if not hasattr(note, "id"):
                continue
            runs[note.id][note.pid, note.attempt].append(note.time)
        spans = {id_: sorted((min(times), max(times)) for times in places.values()) for id_, places in runs.items()}
        return [
            id_ for id_, times in spans.items()
            if any(end > start for (_, end), (start, _) in pairwise(times))
        ]  # fmt: skip

    @contextlib.contextmanager
    def fleet(self, *options: str, ready: int | None = None, command: str = "worker") -> Iterator["Fleet"]:
        """Workers, for as long as the block lasts; the block may also end them itself."""
        fleet = Fleet(self, command, *options)
        try:
            fleet.wait_until_up(fleet.processes if ready is None else ready)
            yield fleet
        except BaseException:
            print(f"{fleet.log.name}:\n{fleet.said}")  # with the failure
            raise
        finally:
            fleet.end()

    def close(self) -> None:
        drive(self.crew.app.close())


class Fleet:
    """A supervisor and its worker processes."""

    def __init__(self, place: Place, command: str, *options: str) -> None:
        self._place = place
        self.log = place.folder / f"worker-{uuid.uuid4().hex[:6]}.log"
        self.processes = int(options[options.index("-p") + 1]) if "-p" in options else 1
        self._greeted = set[str]()
        words = [command, "-A", place.locator, *options]
        with self.log.open("wb") as log, Path(os.devnull).open() as nothing:
            streams = nothing.fileno(), log.fileno(), log.fileno()
            self._process = (_anew if place.start_anew else _forked)(words, streams, place)
        self.pid = self._process.pid

    @property
    def said(self) -> str:
        """Its log so far."""
        return self.log.read_text("utf-8", "replace")

    def workers(self) -> list[Any]:
        """Its worker processes that live and have said hello, by what the queue knows."""
        return [row for row in self._place.ask("workers") if alive(row.pid) and self._has_said_hello(row.worker)]

    def _has_said_hello(self, worker: str) -> bool:
        """Once it has, it is not looked for again: a log may have grown by megabytes since."""
        if worker not in self._greeted and f"worker {worker} runs as process" in self.said:
            self._greeted.add(worker)
        return worker in self._greeted

    def pids(self) -> set[int]:
        return {row.pid for row in self.workers()}

    def wait_until_up(self, count: int) -> None:
        def up() -> bool:
            assert self._process.poll() is None, self.said
            return len(self.workers()) >= count

        until(up, f"{count} workers")

    def everybody(self) -> set[int]:
        """All its processes, told by the environment that they inherited: its supervisor, its workers, and theirs."""
        mark = f"FOREBAY_TEST_NOTES={self._place.notes}".encode()  # fleets of other tests may share a server
        forked = {self.pid} if self._process.poll() is None else set[int]()  # under its parent's environment
        return forked | {pid for pid in pids() if pid != os.getpid() and mark in environment_of(pid)}

    def signal(self, number: int) -> None:
        """To the supervisor, as an operator would."""
        self._process.send_signal(number)

    def wait(self, deadline: float = DEADLINE) -> int:
        """Its exit code."""
        try:
            return self._process.wait(deadline)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"the fleet did not leave in {deadline:g} s:\n{self.said}") from None

    def end(self) -> None:
        """In order if it still can; whatever is left is killed."""
        if self._process.poll() is None:
            self.signal(signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(0.5)  # two signals at once would be one
            if self._process.poll() is None:
                self.signal(signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(DEADLINE)
        self.kill()

    def kill(self) -> None:
        """What is left of it, at once."""
        self._process.kill()
        for pid in self.everybody():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self._process.wait()


def _forked(words: list[str], streams: tuple[int, int, int], place: Place) -> starts.Started:
    return starts.Started(words, streams, place.folder, place.environment, session=True)


def _anew(words: list[str], streams: tuple[int, int, int], place: Place) -> "subprocess.Popen[bytes]":
    stdin, stdout, stderr = streams
    return subprocess.Popen(
        [sys.executable, "-m", "forebay", *words], cwd=place.folder, env=place.environment, stdin=stdin, stdout=stdout,
        stderr=stderr, start_new_session=True,
    )  # fmt: skip


def _load(path: Path, environment: Mapping[str, str]) -> ModuleType:
    """The app's module, anew, under the settings of its own place."""
    before = {name: os.environ.get(name) for name in environment}
    os.environ.update(environment)
    try:
        spec = importlib.util.spec_from_file_location(f"crew_{uuid.uuid4().hex}", path)
        assert spec
        assert spec.loader
        module = importlib.util.module_from_spec(spec)
        sys.path.insert(0, str(path.parent))
        spec.loader.exec_module(module)
        return module
    finally:
        sys.path.remove(str(path.parent))
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
