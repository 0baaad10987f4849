"""`python -m forebay …` as a real process at the cost of a fork: a hall where Python has started and imported Forebay.

Starting Python and importing Forebay is most of what a short command costs, and tests start thousands. A hall does that
once, and forks for each command. A command has its own process, descriptors, folder, environment, arguments, session
and end, and `forebay/__main__.py` runs in it from its first line; a signal, an exit code and a traceback are real. What
the interpreter looks at only when it starts (`PYTHON…`, the locale) is part of what a hall is chosen by; but not where
modules are found (`PYTHONPATH`), which is another folder in each test: a command sees to that itself. A command that
starts other Pythons, as a worker does, has them forked likewise: see `nest`.

Not for tests that are about the start itself: interrupts during imports, flags of the interpreter, what is imported
when or instead of another module, the memory that a process has of its own.
"""

import atexit
import contextlib
import json
import os
import pickle
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from multiprocessing.connection import wait
from pathlib import Path
from unittest import mock

import likeness
import nest

#: What Python runs, unless a test says otherwise.
FOREBAY = ("-m", "forebay")
_HALL = Path(__file__).parent / "hall.py"
_halls: dict[str, tuple[socket.socket, subprocess.Popen[bytes]]] = {}
_nests: dict[str, nest.Nest] = {}
_lock = threading.Lock()


class Started:
    """A command that runs, with the methods of `subprocess.Popen`; `streams` are descriptors that stay the caller's."""

    def __init__(
        self,
        words: Sequence[str],
        streams: Sequence[int],
        cwd: Path,
        env: Mapping[str, str],
        *,
        session: bool = False,
        python: Sequence[str] = FOREBAY,
    ) -> None:
        if likeness.customised(env):
            raise ValueError("what is on this PYTHONPATH runs when Python starts: start it anew")
        self.args, self._code = list(words), None
        whole = [os.fsencode(word) for word in (sys.executable, *python, *words)]
        place = {os.fsencode(a): os.fsencode(b) for a, b in env.items()}
        order = {"words": whole, "cwd": os.fsencode(cwd), "env": place, "session": session}
        self._news, theirs = socket.socketpair()
        with theirs, _lock:
            socket.send_fds(_hall(env), [b"."], [*streams, theirs.fileno()])
        self._news.sendall(pickle.dumps(order))
        self._said = self._news.makefile("rb")
        self.pid = int(self._said.readline())

    @property
    def returncode(self) -> int | None:
        """Its exit code, negative for the signal that it died of; none while it runs."""
        if self._code is None and wait([self._news], 0):
            self._code = int(self._said.readline())
            self._said.close()
            self._news.close()
        return self._code

    def poll(self) -> int | None:
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        if self._code is None:
            wait([self._news], timeout)
        if (code := self.returncode) is None:
            raise subprocess.TimeoutExpired(self.args, timeout or 0)
        return code

    def send_signal(self, number: int) -> None:
        if self.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


def run(
    words: Sequence[str],
    cwd: Path,
    env: Mapping[str, str],
    timeout: float,
    stdin: bytes = b"",
    *,
    python: Sequence[str] = FOREBAY,
) -> "subprocess.CompletedProcess[str]":
    """A command to its end, with what it wrote."""
    ends = time.monotonic() + timeout
    (given, fill), (out, out_end), (err, err_end) = os.pipe(), os.pipe(), os.pipe()
    with ThreadPoolExecutor(3) as pool:
        try:
            process = Started(words, [given, out_end, err_end], cwd, env, python=python)
        finally:
            for end in (given, out_end, err_end):
                os.close(end)
            pool.submit(_fill, fill, stdin)
            read = [pool.submit(_drain, end) for end in (out, err)]
        try:
            texts = [future.result(ends - time.monotonic()) for future in read]
            code = process.wait(ends - time.monotonic())
        except BaseException:
            process.kill()
            raise
    return subprocess.CompletedProcess(process.args, code, *texts)


def _fill(end: int, text: bytes) -> None:
    with contextlib.suppress(BrokenPipeError), open(end, "wb") as file:
        file.write(text)


def _drain(end: int) -> str:
    with open(end, encoding="utf-8", errors="surrogateescape") as file:
        return file.read()


def _hall(env: Mapping[str, str]) -> socket.socket:
    """The door of a hall that started as Python would under that environment."""
    chosen = likeness.chosen(env)
    key = json.dumps([os.getpid(), chosen], sort_keys=True)
    if key not in _halls:
        door, theirs = socket.socketpair()
        with theirs:
            hall = _begin(theirs, env)
        _halls[key] = door, hall
        atexit.register(_shut, door, hall)
    return _halls[key][0]


def _shut(door: socket.socket, hall: "subprocess.Popen[bytes]") -> None:
    door.close()  # upon which it leaves
    hall.wait(60)


def _begin(door: socket.socket, env: Mapping[str, str], *more: str) -> "subprocess.Popen[bytes]":
    rest = {name: value for name, value in os.environ.items() if not name.startswith(likeness.AT_THE_START)}
    room = "-" * likeness.ROOM
    return subprocess.Popen(
        [sys.executable, _HALL, str(door.fileno()), room, *more], stdin=subprocess.DEVNULL, start_new_session=not more,
        env={**rest, **likeness.chosen(env), "ROOM": room}, pass_fds=[door.fileno()],
    )  # fmt: skip


@contextlib.contextmanager
def pythons_forked() -> Iterator[None]:
    """While this lasts, a Python that `subprocess` starts from here is forked, as this process's child: see `nest`."""
    if nest.able():
        key = json.dumps([os.getpid(), likeness.chosen(os.environ)], sort_keys=True)
        if key not in _nests:
            _nests[key] = nest.Nest(_begin_nest)
        with mock.patch("subprocess._fork_exec", _nests[key].fork_exec):
            yield
    else:
        yield


def _begin_nest(door: socket.socket) -> int:
    process = _begin(door, os.environ, "nest")
    process.returncode = 0  # it is waited for by nobody, and ends with this process
    return process.pid
