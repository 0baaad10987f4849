"""What a scenario stands on: a folder, an engine under its wrappers, and processes, all gone when it ends."""

import asyncio
import random
import subprocess
from collections.abc import Coroutine, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

from forebay.config import Settings
from forebay.engine.backend import Whole
from forebay.engine.registry import build
from forebay.model.clock import SystemClock
from forebay.testing import wrapping
from forebay.testing.faults.ground import MakePlace, NotHere, Place, Server
from forebay.testing.faults.netns import Host, Net
from forebay.testing.faults.procs import Proc
from forebay.testing.history import Recorder, recorded

T = TypeVar("T")


class Stage:
    """Owns the folder (engine, history, logs), the engine as it is open here, and every process started from here.

    Attributes:
        seed: prints with every verdict; `random` is made from it, and so is what a scenario varies.
        lease: seconds, of every worker. max_size: of the engine, as it is opened here; 0 for no limit.
        many: seeds for a scenario that only simulates.
    """

    def __init__(
        self, folder: Path, make_place: MakePlace, seed: int, wrappers: Sequence[tuple[str, dict[str, str]]] = ()
    ) -> None:
        self.folder, self.seed, self.lease, self.max_size = folder, seed, 2.0, 0
        self.random, self.many = random.Random(seed), 1
        self.history = folder / "history"
        self.recorder = Recorder(self.history)
        self._make_place, self._wrappers = make_place, list(wrappers)
        self._place: Place | None = None
        self._net: Net | None = None
        self._procs: list[Proc] = []
        self._runner = asyncio.Runner()
        self._backend: Whole | None = None

    def __enter__(self) -> Self:
        self.folder.mkdir(parents=True, exist_ok=True)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for proc in self._procs:
            proc.kill()
        if self._backend is not None:
            self.do(self._backend.close())
        self._runner.close()
        if self._place is not None:
            self._place.close()
        if self._net is not None:
            self._net.close()

    def place(self, folder: Path) -> None:
        """Put the engine elsewhere than into the trial's own folder, and start its server. Before anything uses it."""
        self._place = self._make_place(folder)
        if isinstance(self._place, Server):
            if self._net is not None:
                self._place.move_into(self._net.server.within)
            self._place.start()

    def net(self) -> Net:
        """A network for the server alone, with hosts around it. Before anything uses the engine."""
        self._net = Net()
        return self._net

    def stand_on(self, make_place: MakePlace) -> None:
        """Another kind of place than the engine's usual one. Before anything uses it."""
        self._make_place = make_place

    def wrap(self, wrapper: str, **options: str) -> None:
        """Put a wrapper around the engine, under the recorder. Before anything uses it."""
        self._wrappers.append((wrapper, options))

    @property
    def url(self) -> str:
        """The engine, as every process of this trial names it."""
        return self._wrapped(self._stands_on().url)

    def url_at(self, port: int) -> str:
        """The same for somebody who comes to its server by another port, through a proxy."""
        return self._wrapped(self.server.url_at(port))

    @property
    def on_server(self) -> bool:
        """Whether the engine stands on a server."""
        return isinstance(self._stands_on(), Server)

    @property
    def server(self) -> Server:
        """The server that the engine stands on.

        Raises:
            NotHere: it stands on none.
        """
        place = self._stands_on()
        if not isinstance(place, Server):
            raise NotHere("this engine has no server that could be struck")
        return place

    def _stands_on(self) -> Place:
        """Its place; a server is started by the first who asks."""
        if self._place is None:
            self.place(self.folder)
        assert self._place is not None
        return self._place

    def _wrapped(self, url: str) -> str:
        for wrapper, options in reversed(self._wrappers):
            url = wrapping.wrap(url, wrapper, **options)
        return recorded(url, self.history)

    @property
    def engine(self) -> Whole:
        """The engine, opened here."""
        if self._backend is None:
            settings = Settings(url=self.url, lease=self.lease, result_ttl=86400.0, max_size=self.max_size)
            backend = build(settings, SystemClock())
            self.do(backend.open())
            self._backend = backend
        return self._backend

    def let_go(self) -> None:
        """Close the engine here; the next use opens it anew."""
        if self._backend is not None:
            self.do(self._backend.close())
            self._backend = None

    def do(self, verb: Coroutine[Any, Any, T]) -> T:
        """The answer of one of the engine's verbs."""
        return self._runner.run(verb)

    def fleet(
        self,
        processes: int = 1,
        concurrency: int = 8,
        drain: float = 5.0,
        env: Mapping[str, str] | None = None,
        host: Host | None = None,
    ) -> Proc:
        """Start `forebay worker` on this trial's engine."""
        arguments = [
            "-m", "forebay", "worker", "-A", "forebay.testing.faults.crew", "-p", str(processes),
            "-c", str(concurrency), "--drain", f"{drain}s",
        ]  # fmt: skip
        return self.start(arguments, env, host=host)

    def start(
        self,
        arguments: Sequence[str],
        env: Mapping[str, str] | None = None,
        before: Sequence[str] = (),
        host: Host | None = None,
    ) -> Proc:
        """Start a Python process that knows this trial's engine by FOREBAY_URL, on another host if one is given."""
        url = self.url if host is None else self._wrapped(self.server.url_at(self.server.port, host.server))
        settings = {"FOREBAY_URL": url, "FOREBAY_LEASE": str(self.lease), "FOREBAY_RESULT_TTL": "1d", **(env or {})}
        log = self.folder / f"process-{len(self._procs)}.log"
        proc = Proc(arguments, settings, log, before, host.within() if host else None)
        self._procs.append(proc)
        return proc

    def stop_all(self) -> list[str]:
        """Ask everything that still runs to leave; complaints about what did not leave as it should."""
        complaints = list[str]()
        for proc in self._procs:
            if proc.code is not None:
                continue
            try:
                code = proc.stop()
            except subprocess.TimeoutExpired:
                complaints.append(f"a process did not leave when told to; see {proc.log}")
            else:
                if code != 0:
                    complaints.append(f"a process left with {code}; see {proc.log}")
        return complaints
