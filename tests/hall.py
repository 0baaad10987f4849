"""A hall: `python tests/hall.py DOOR …`, where commands are forked; see `starts`, which sends orders to the door.

Or, with `nest` behind that, a nest of the process that started it.
"""

import contextlib
import gc
import importlib
import os
import pickle
import socket
import sys
import warnings
from typing import Any

import likeness
import nest
from forebay.cli.root import COMMANDS

#: What a command imports, so that it need not; the last two run as main modules, anew each time.
_MODULES = (
    "forebay.engine.sqlite.backend",
    *sorted({f"forebay.cli.{where}" for where, _ in COMMANDS.values()}),
    "forebay.work.child",
    "forebay.work.apart",
)


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


if __name__ == "__main__":
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # a program is told of those that it has at its imports; here nobody would be
        for module in _MODULES:
            importlib.import_module(module)
    for own in ("likeness", "nest", *_MODULES[-2:]):
        del sys.modules[own]
    likeness.settle(sys.path[1:])
    gc.freeze()
    door = socket.socket(fileno=int(sys.argv[1]))
    if "nest" in sys.argv:
        nest.sit(door, os.getppid())
    order = _wait_for_orders(door)
    if order["session"]:
        os.setsid()
    likeness.become(order)
    if nest.wanted(sys.orig_argv):
        nest.build()
    likeness.run()
