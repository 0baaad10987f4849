"""A nest: what a forked command has its own Pythons made by, at the cost of a fork, as its true children.

A worker starts others: a supervisor its worker processes, these their processes for `cpu=True` tasks. Such a command
has loops, threads and open engines when it does, and cannot be forked; so it forks a nest when nothing of that is
there, and asks it later. Whatever differs by then of what a start hands on (limits, masks, ignored
signals, cgroup, namespaces, `PYTHON…`), and whatever else is started, is started truly; so it is if the nest is gone.

- Who asks has to be the parent: it waits for the child, and the child dies with it. So the nest, its child as well, has
  the kernel make a sister of itself: `clone` with CLONE_PARENT.
- Nobody may see the nest who counts children, or signals all of them. So its first thread ends, and the kernel shows it
  as a zombie, without an environment; the second one serves.
- It ends with its command (PDEATHSIG), and holds no descriptor of it. It is in its session, since no process can enter
  one, but in a group of its own, where signals to the command's do not reach it.
- The C library has to know that it is in another process: `clone` writes the new thread id where `fork` does.
"""

import _thread
import contextlib
import ctypes
import os
import pickle
import platform
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import Any, NoReturn

import likeness

_PR_SET_PDEATHSIG, _PR_GET_TID_ADDRESS = 1, 40
_CLONE_PARENT, _CLONE_CHILD_CLEARTID, _CLONE_CHILD_SETTID = 0x8000, 0x200000, 0x1000000
#: The numbers of `clone` and of the end of one thread.
_CALLS = {"x86_64": (56, 60), "aarch64": (220, 93)}
_STATUS = ("Umask", "Uid", "Gid", "Groups", "SigBlk", "SigIgn", "Cap", "NoNewPrivs", "Seccomp", "Cpus_allowed", "Mems")
_ORDER = 256 * 1024
#: Processes of tasks make it larger as they start, and hand it on.
_OOM = Path("/proc/self/oom_score_adj")
_truly: Any = getattr(subprocess, "_fork_exec", None)


def wanted(words: Sequence[str]) -> bool:
    """Whether what these words start is likely to start others. A nest costs half as much as a forked command."""
    rest, _ = likeness.program(words) or ([], [])
    match rest:
        case ["-m", "forebay", *more]:
            return not {"worker", "dev", "demo", "bench"}.isdisjoint(more)
        case ["-m", module, *_]:
            return module in {"forebay.work.child", "forebay.demo.leash"}
        case ["-c", code, *_]:
            return "subprocess" in code
        case [file, *_]:
            return "subprocess" in Path(file).read_text("utf-8", "replace")
    return False


def able() -> bool:
    """Whether the system can do all this."""
    return sys.platform == "linux" and platform.machine() in _CALLS and _truly is not None and _thread_id() != 0


def build() -> None:
    """Give this process, in which there is one thread, a nest, if the system can; from now on it is asked."""

    def make(door: socket.socket) -> int:
        parent = os.getpid()
        return os.fork() or sit(door, parent)

    if able():
        subprocess._fork_exec = Nest(make).fork_exec  # type: ignore[attr-defined]


class Nest:
    """A nest, as its command sees it: a name to call, so that no descriptor is held for it."""

    def __init__(self, make: Callable[[socket.socket], int]) -> None:
        self._name, self._owner = b"\0forebay-nest-" + os.urandom(16).hex().encode(), os.getpid()
        with _socket() as door:
            door.bind(self._name)
            door.listen()
            self._pid = make(door)
        self._before, self._chosen = _handed_on(), likeness.chosen(os.environ)

    def fork_exec(self, args: Any, *how: Any) -> int:
        """What `subprocess` has a program started by: its process id."""
        order = self._order(args, how[:21]) if os.getpid() == self._owner else None
        return (order and self._ask(*order)) or _truly(args, *how)

    def _order(self, args: Any, how: Sequence[Any]) -> tuple[dict[str, Any], list[int]] | None:
        """What to ask for, with descriptors; None if it is not for a nest."""
        executables, close_fds, keep, cwd, env, given, _, _, out, _, err, _, told, _, session, group, *who = how
        words = [os.fsencode(word) for word in args]
        known = likeness.program([os.fsdecode(word) for word in words])
        if known is None or executables != (words[0],) or not close_fds or who != [None, None, None, -1, None]:
            return None
        place = dict(os.environb) if env is None else dict(pair.split(b"=", 1) for pair in env)
        named = {os.fsdecode(name): os.fsdecode(value) for name, value in place.items()}
        if sum(map(len, words)) > likeness.ROOM:  # a hall; or more than could be shown
            return None
        with contextlib.suppress(OSError):
            folder = Path.cwd() / os.fsdecode(cwd or b"")
            file = folder / known[0][0]
            if not folder.is_dir() or not (file.name.startswith("-") or file.is_file()):
                return None
            if likeness.chosen(named) != self._chosen or likeness.customised(named) or _handed_on() != self._before:
                return None
            ours = {number: number for number in range(3) if _stays(number)}
            fds = ours | {number: end for number, end in enumerate((given, out, err)) if end != -1}
            fds |= {end: end for end in keep if end != told}
            order = {"words": words, "cwd": os.fsencode(folder), "env": place, "session": session, "numbers": list(fds)}
            order |= {"group": os.getpgrp() if group == -1 else group, "oom": _OOM.read_text()}
            return order, list(fds.values())
        return None

    def _ask(self, order: dict[str, Any], fds: list[int]) -> int:
        """The process; 0 if the nest cannot make one."""
        try:
            with _socket() as door:
                door.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _ORDER)
                door.connect(self._name)
                socket.send_fds(door, [pickle.dumps(order)], fds)
                return int(door.recv(20) or b"0")
        except OSError:
            with contextlib.suppress(OSError):
                os.waitpid(self._pid, os.WNOHANG)
            return 0


def _socket() -> socket.socket:
    return socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)


def _stays(number: int) -> bool:
    """Whether a program that is started has this descriptor."""
    try:
        return os.get_inheritable(number)
    except OSError:
        return False


def _handed_on() -> list[Any]:
    """What a process that is started has from the one that starts it, apart from its place and its descriptors."""
    here = Path("/proc/thread-self")
    status = [line for line in (here / "status").read_text().splitlines() if line.startswith(_STATUS)]
    texts = [(here / name).read_text() for name in ("limits", "cgroup")]
    spaces = [(here / "ns" / name).readlink() for name in ("ipc", "mnt", "net", "pid_for_children", "user", "uts")]
    return [*status, *texts, *spaces, os.getsid(0), os.nice(0)]


# --- in the nest ---


def sit(door: socket.socket, parent: int) -> NoReturn:
    """Become a nest: nothing of the command is left, and one thread, which is not the first."""
    os.setpgid(0, 0)
    nothing = os.open(os.devnull, os.O_RDWR)
    for number in {0, 1, 2} - {door.fileno()}:
        os.dup2(nothing, number)
    os.closerange(3, door.fileno())
    os.closerange(door.fileno() + 1, os.sysconf("SC_OPEN_MAX"))
    _thread.start_new_thread(_serve, (door, parent))
    ctypes.CDLL(None).syscall(_CALLS[platform.machine()][1], 0)
    raise AssertionError("a thread that has ended")


def _serve(door: socket.socket, parent: int) -> None:
    """Comes back in no process: each ends here."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    while Path("/proc/self/stat").read_text().rpartition(")")[2].split()[0] != "Z":
        time.sleep(0.001)  # a thread that waits for the interpreter would be waited for in a sister, where it is not
    while os.getppid() == parent:  # it may have ended before that
        caller, _ = door.accept()
        with caller:
            blob, streams, _, _ = socket.recv_fds(caller, _ORDER, 253)
            if blob and _sister() == 0:
                door.close()
                _hatch(caller, pickle.loads(blob), streams)
                likeness.run_to_the_end()
            for stream in streams:
                os.close(stream)


def _sister() -> int:
    """Fork, but as another child of this process's parent; below 0 if the kernel does not."""
    flags = _CLONE_PARENT | _CLONE_CHILD_CLEARTID | _CLONE_CHILD_SETTID | signal.SIGCHLD
    where = ctypes.c_void_p(_thread_id())
    python, zero = ctypes.pythonapi, ctypes.c_long(0)
    call = ctypes.PyDLL(None).syscall  # holds the interpreter, as a fork does
    python.PyOS_BeforeFork()
    pid = call(_CALLS[platform.machine()][0], ctypes.c_long(flags), zero, zero, where, where)
    (python.PyOS_AfterFork_Child if pid == 0 else python.PyOS_AfterFork_Parent)()
    return int(pid)


def _thread_id() -> int:
    """Where the C library keeps the id of this thread; 0 if the kernel does not say."""
    where = ctypes.c_void_p()
    ctypes.CDLL(None).prctl(_PR_GET_TID_ADDRESS, ctypes.byref(where), 0, 0, 0)
    return where.value or 0


def _hatch(caller: socket.socket, order: dict[str, Any], streams: list[int]) -> None:
    """Become what was asked for."""
    try:
        if len(streams) != len(order["numbers"]):
            raise OSError("no descriptors left")
        if order["session"]:
            os.setsid()
        else:
            os.setpgid(0, order["group"])
        if order["oom"] != _OOM.read_text():
            _OOM.write_text(order["oom"])
    except OSError:
        os._exit(1)
    caller.send(b"%d" % os.getpid())
    caller.close()
    _take(dict(zip(order["numbers"], streams, strict=True)))
    likeness.become(order)
    if wanted(sys.orig_argv):
        build()


def _take(streams: dict[int, int]) -> None:
    """Descriptors get the numbers that they have to have, and standard streams that are not among them are closed."""
    moved = [_beside(streams.keys(), stream) for stream in streams.values()]
    for number, stream in zip(streams, moved, strict=True):
        os.dup2(stream, number)
    for stream in {0, 1, 2} - streams.keys() | set(moved):
        os.close(stream)


def _beside(numbers: Collection[int], stream: int) -> int:
    """The same under a number where none has to be; what stands where one has to is overwritten then."""
    while stream in numbers:
        stream = os.dup(stream)
    return stream
