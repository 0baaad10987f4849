"""Process groups and sessions: what a process has started ends with it, at every level.

Owns killing what is left of a group or a session. What has made a session of its own (a daemon) is nobody's here.
"""

import contextlib
import os
import signal
from collections.abc import Callable

#: Signals that processes of ours handle, and that what a task forks must meet as any other process does.
_HANDLED = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2)


def kill_group(group: int) -> bool:
    """Kill what is left of a process group; whether something was."""
    try:
        os.killpg(group, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):  # macOS says EPERM of a group that has only dead ones
        return False
    return True


def end_session(session: int) -> bool:
    """Kill what is left of a session that has lost its leader, and bury what has become ours to; whether any was."""
    left = False
    for group in {session, *_groups_of(session)}:
        with contextlib.suppress(ChildProcessError):
            while os.waitpid(-group, os.WNOHANG) != (0, 0):
                pass
        left = kill_group(group) or left
    return left


def end_with_session() -> None:
    """Kill the session that this process leads, itself with it; nothing if it leads none."""
    if os.getsid(0) == os.getpid():
        for group in _groups_of(os.getpid()) - {os.getpgrp()}:
            kill_group(group)
        end_with_group()


def end_with_group() -> None:
    """Kill the group that this process leads, itself with it; nothing if it leads none."""
    if os.getpgrp() == os.getpid():
        kill_group(os.getpid())


def _groups_of(session: int) -> set[int]:
    """Its groups, where the kernel tells; none while no descriptor is left to look with."""
    groups = set[int]()
    with contextlib.suppress(OSError):
        for name in os.listdir("/proc"):  # noqa: PTH208 - names are all that is wanted
            with contextlib.suppress(OSError, ValueError):
                if os.getsid(int(name)) == session:
                    groups.add(os.getpgid(int(name)))
    return groups


def nothing(_number: int, _frame: object) -> None:
    """Hear a signal and do nothing: unlike SIG_IGN it is not inherited by programs that tasks start."""


def defaults_in_forks() -> Callable[[], None]:
    """From now on what a task forks hears signals as any process does, unless the user's code has handlers of its own.

    Returns:
        what is called in each fork.
    """
    ours = {number: signal.getsignal(number) for number in _HANDLED}

    def reset() -> None:
        signal.set_wakeup_fd(-1)  # it leads to the loop of the process that was forked
        for number, handler in ours.items():
            if callable(handler) and signal.getsignal(number) is handler:
                signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)

    os.register_at_fork(after_in_child=reset)
    return reset
