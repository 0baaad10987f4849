"""`python -m forebay …` as a real process at the cost of a fork: a hall where Python has started and imported Forebay.

Starting Python and importing Forebay is most of what a short command costs, and tests start thousands. A hall does that
once, and forks for each command. A command has its own process, descriptors, folder, environment, arguments, session
and end, and `forebay/__main__.py` runs in it from its first line; a signal, an exit code and a traceback are real. What
the interpreter looks at only when it starts (`PYTHON…`, the locale) is part of what a hall is chosen by; but not where
modules are found (`PYTHONPATH`), which is another folder in each test: a command sees to that itself.

Not for tests that are about the start itself: interrupts during imports, flags of the interpreter, what is imported
when or instead of another module; nor where processes are told by `/proc/…/environ` or `cmdline`, which are those of
the hall.
"""

import atexit
import contextlib
import gc
import importlib
import io
import json
import os
import pickle
import runpy
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from multiprocessing.connection import wait
from pathlib import Path
from typing import Any

#: What Python and the C library look at when they start, and not again.
_AT_THE_START = ("PYTHON", "LC_", "LANG", "LD_", "MALLOC_")

_halls: dict[str, tuple[socket.socket, subprocess.Popen[bytes]]] = {}
_lock = threading.Lock()


class Started:
    """A command that runs, with the methods of `subprocess.Popen`; `streams` are descriptors that stay the caller's."""

    def __init__(
        self, words: Sequence[str], streams: Sequence[int], cwd: Path, env: Mapping[str, str], *, session: bool = False
    ) -> None:
        self.args, self._code = list(words), None
        words, place = (
            [os.fsencode(word) for word in self.args],
            {os.fsencode(a): os.fsencode(b) for a, b in env.items()},
        )
        order = {"words": words, "cwd": os.fsencode(cwd), "env": place, "session": session}
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
    words: Sequence[str], cwd: Path, env: Mapping[str, str], timeout: float, stdin: bytes = b""
) -> "subprocess.CompletedProcess[str]":
    """A command to its end, with what it wrote."""
    ends = time.monotonic() + timeout
    (given, fill), (out, out_end), (err, err_end) = os.pipe(), os.pipe(), os.pipe()
    with ThreadPoolExecutor(3) as pool:
        try:
            process = Started(words, [given, out_end, err_end], cwd, env)
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
    chosen = {name: value for name, value in env.items() if name.startswith(_AT_THE_START) and name != "PYTHONPATH"}
    key = json.dumps([os.getpid(), chosen], sort_keys=True)
    if key not in _halls:
        door, theirs = socket.socketpair()
        rest = {name: value for name, value in os.environ.items() if not name.startswith(_AT_THE_START)}
        with theirs:
            hall = subprocess.Popen(
                [sys.executable, __file__, str(theirs.fileno())], env={**rest, **chosen}, pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL, start_new_session=True,
            )  # fmt: skip
        _halls[key] = door, hall
        atexit.register(_shut, door, hall)
    return _halls[key][0]


def _shut(door: socket.socket, hall: "subprocess.Popen[bytes]") -> None:
    door.close()  # upon which it leaves
    hall.wait(60)


# --- in the hall ---


def _wait_for_orders(door: socket.socket) -> dict[str, Any]:
    """Comes back in each process that is to become a command, with what it has to know."""
    while True:
        word, streams, _, _ = socket.recv_fds(door, 1, 4)
        if not word:
            sys.exit()
        if os.fork() == 0:
            door.close()
            return _keep(streams[:3], socket.socket(fileno=streams[3]))
        for stream in streams:
            os.close(stream)
        with contextlib.suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass


def _keep(streams: list[int], news: socket.socket) -> dict[str, Any]:
    """Each command has a keeper, its parent, who tells its pid and its end."""
    with news.makefile("rb") as file:
        order = pickle.load(file)
    if (pid := os.fork()) == 0:
        news.close()
        for number, stream in enumerate(streams):
            os.dup2(stream, number)
            os.close(stream)
        return order
    for stream in streams:
        os.close(stream)
    with contextlib.suppress(BrokenPipeError):
        news.sendall(b"%d\n" % pid)
        news.sendall(b"%d\n" % os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
    os._exit(0)


def _become(order: dict[str, Any]) -> None:
    """Look as `python -m forebay WORDS` does when Python has started."""
    if order["session"]:
        os.setsid()
    os.chdir(order["cwd"])
    os.environb.clear()
    os.environb.update(order["env"])
    time.tzset()
    first = order["env"].get(b"PYTHONPATH", b"")
    named = dict.fromkeys(str(Path.cwd() / os.fsdecode(path)) for path in first.split(os.pathsep.encode()) if first)
    sys.path[:] = [str(Path.cwd()), *named, *(path for path in sys.path[1:] if path not in named)]
    sys.argv = ["-m", *map(os.fsdecode, order["words"])]
    sys.orig_argv = [sys.executable, "-m", "forebay", *sys.argv[1:]]
    sys.stdin = sys.__stdin__ = _stream(0, "r", sys.stdin)
    sys.stdout = sys.__stdout__ = _stream(1, "w", sys.stdout)
    sys.stderr = sys.__stderr__ = _stream(2, "w", sys.stderr)


def _stream(number: int, mode: str, like: Any) -> io.TextIOWrapper:
    """A standard stream as Python makes it, for another file or terminal than the hall's."""
    lines = not like.write_through and mode == "w" and (number == 2 or os.isatty(number))
    file: Any = io.FileIO(number, mode, closefd=False)
    if not like.write_through:
        file = io.BufferedReader(file) if mode == "r" else io.BufferedWriter(file)
    return io.TextIOWrapper(file, like.encoding, like.errors, "\n", lines, like.write_through)


if __name__ == "__main__":
    from forebay.cli.root import COMMANDS

    for module in (
        "forebay.engine.sqlite.backend",
        *sorted({f"forebay.cli.{where}" for where, _ in COMMANDS.values()}),
    ):
        importlib.import_module(module)
    gc.freeze()
    _become(_wait_for_orders(socket.socket(fileno=int(sys.argv[1]))))
    runpy.run_module("forebay", run_name="__main__", alter_sys=True)
