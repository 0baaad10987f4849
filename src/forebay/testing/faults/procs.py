"""Real processes to strike: a fleet is one `forebay worker` with its children, started as anybody would start it."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

#: Seconds that a fleet gets to leave when told to.
LEAVE = 30.0
_PROC = "/proc"  # on Linux; elsewhere `ps` is asked


def begin(words: Sequence[str], env: Mapping[str, str], log: Path) -> "subprocess.Popen[bytes]":
    """Start Python with these words, in the folder of its log, in a session of its own. A test may have it forked."""
    with log.open("ab") as out:
        return subprocess.Popen(
            [*words], env={**os.environ, **env}, cwd=log.parent, stdin=subprocess.DEVNULL, stdout=out, stderr=out,
            start_new_session=True,
        )  # fmt: skip


class Proc:
    """One process of ours and all that descend from it.

    Args:
        before: words of a command that runs the rest as its own.
        within: what holds while it is started, such as a network.
    """

    def __init__(
        self,
        arguments: Sequence[str],
        env: Mapping[str, str],
        log: Path,
        before: Sequence[str] = (),
        within: AbstractContextManager[None] | None = None,
    ) -> None:
        self.log = log
        with within or nullcontext():
            self._process = begin([*before, sys.executable, *arguments], env, log)
        self.pid = self._process.pid

    @property
    def code(self) -> int | None:
        """Its exit code, once it has ended."""
        return self._process.poll()

    def children(self) -> list[int]:
        """Its children that are alive."""
        return [pid for pid, parent in _parents().items() if parent == self.pid]

    def family(self) -> list[int]:
        """It and everything that descends from it."""
        return family(self.pid)

    def signal(self, number: int) -> None:
        """A signal to itself alone."""
        if self.code is None:
            os.kill(self.pid, number)

    def signal_family(self, number: int) -> None:
        """A signal to all of it, the parent first."""
        for pid in self.family():
            strike(pid, number)

    def stop(self) -> int:
        """Ask it to leave, and wait for that; its exit code.

        Raises:
            subprocess.TimeoutExpired: it does not leave.
        """
        self.signal(signal.SIGTERM)
        return self._process.wait(LEAVE)

    def wait(self) -> int:
        """Its exit code, when it leaves by itself or after a signal that was sent.

        Raises:
            subprocess.TimeoutExpired: it does not leave.
        """
        return self._process.wait(LEAVE)

    def kill(self) -> None:
        """End all of it at once, whatever state it is in."""
        self.signal_family(signal.SIGKILL)
        self._process.wait()


def family(pid: int) -> list[int]:
    """A process and everything that descends from it, parents first."""
    parents, found = _parents(), [pid]
    for one in found:
        found += [child for child, parent in parents.items() if parent == one]
    return found


def strike(pid: int, number: int) -> bool:
    """A signal to a process that may be gone by now; whether it was there."""
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return False
    return True


def stopped(pids: Sequence[int]) -> bool:
    """Whether all of these are stopped, or gone: a signal is sent before it is obeyed."""
    return all(state.startswith(("T", "Z")) for pid, _, state in _rows() if pid in pids)


def _parents() -> dict[int, int]:
    """The parent of every process that is alive."""
    return {pid: parent for pid, parent, state in _rows() if not state.startswith("Z")}


def _rows() -> Iterator[tuple[int, int, str]]:
    return _listed() if Path(_PROC, "self").exists() else _told()


def _listed() -> Iterator[tuple[int, int, str]]:
    """All of the machine, again and again: by plain calls of the system, a sixth of what a `Path` for each costs."""
    for name in os.listdir(_PROC):  # noqa: PTH208
        if not name.isdecimal():
            continue
        try:
            file = os.open(f"{_PROC}/{name}/stat", os.O_RDONLY | os.O_CLOEXEC)
        except OSError:  # it has just ended
            continue
        try:
            state, parent = os.read(file, 1024).rpartition(b")")[2].split()[:2]
        except ProcessLookupError:
            continue
        finally:
            os.close(file)
        yield int(name), int(parent), state.decode()


def _told() -> Iterator[tuple[int, int, str]]:
    told = subprocess.run(["ps", "-A", "-o", "pid=,ppid=,stat="], capture_output=True, text=True, check=True).stdout
    for line in told.splitlines():
        pid, parent, state = line.split()
        yield int(pid), int(parent), state
