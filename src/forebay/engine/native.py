"""What fits the threads of this process, whatever gevent or its like has patched: the whole standard library, or parts.

A queue or a socket of gevent's serves greenlets and no threads; those of the system hold up all greenlets of a thread.
So each call looks at what threads are now, for a program may patch at any time before it opens an app.
"""

import _queue
import _socket
import _thread
import contextlib
import math
import os
import queue
import select
import socket
import struct
from types import BuiltinFunctionType
from typing import TYPE_CHECKING, Any, cast

from forebay.model.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from multiprocessing.connection import Connection


def threads_are_real() -> bool:
    """Whether a thread is one of the system's, and no greenlet."""
    return isinstance(_thread.start_new_thread, BuiltinFunctionType)


def refuse_greenlets() -> None:
    """Refuse to run tasks where threads are greenlets.

    Raises:
        ConfigError: they are.
    """
    if not threads_are_real():
        raise ConfigError(
            "the app makes threads greenlets where it is imported (gevent's monkey.patch_all()), and tasks need those "
            "of the system: patch in the program that enqueues, or with monkey.patch_all(thread=False)"
        )


def refuse_half() -> None:
    """Refuse threads that are greenlets beside a `select` that is the system's: an event loop would hold up them all.

    Raises:
        ConfigError: that is so.
    """
    if not threads_are_real() and isinstance(select.select, BuiltinFunctionType):
        raise ConfigError(
            "threads of this process are greenlets, but select is the system's (gevent's patch_thread() alone): call "
            "monkey.patch_all(), or leave threads as they are with monkey.patch_all(thread=False)"
        )


def simple_queue() -> "queue.SimpleQueue[Any]":
    """A queue between whatever threads are."""
    kind: Any = _queue.SimpleQueue if threads_are_real() else getattr(queue, "_PySimpleQueue")  # noqa: B009 - its pure form
    return cast("queue.SimpleQueue[Any]", kind())


def pipe() -> "tuple[Connection[Any, Any], Connection[Any, Any]]":
    """Two ends of a pipe that both sides read and write, for threads of the system."""
    from multiprocessing.connection import Connection  # takes a while to import, and only `cpu=True` needs it

    ours, theirs = _socket.socketpair()
    return Connection(ours.detach()), Connection(theirs.detach())


def readable(fds: "Iterable[int]", timeout: float | None = None) -> set[int]:
    """Those of these descriptors that can be read by now, or within so many seconds; None waits as long as it takes.

    `select.select` takes none from 1,024 on, and a web server may have more than that open.
    """
    if not hasattr(select, "poll"):  # eventlet takes it away
        return set(select.select(list(fds), [], [], timeout)[0])
    poll = select.poll()
    for fd in fds:
        poll.register(fd, select.POLLIN)
    return {fd for fd, _ in poll.poll(None if timeout is None else math.ceil(timeout * 1000))}


def shut_down(fd: int, how: int) -> None:
    """End a socket in one direction or both, under whoever waits in it; see `socket.shutdown`."""
    end = _socket.socket(fileno=os.dup(fd))
    with contextlib.suppress(OSError):
        end.shutdown(how)
    end.close()


def forget_unsent(fd: int) -> None:
    """Have a connection end, once it is closed, without what the other side has not received: none of it comes later.

    Otherwise the system goes on sending for minutes where a network was away, and a server carries out what by then has
    been tried again, on another connection, and answered.
    """
    end = _socket.socket(fileno=os.dup(fd))
    with contextlib.suppress(OSError):
        end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    end.close()


def unix_datagrams() -> socket.socket:
    """A Unix socket for datagrams, which blocks a thread, whatever that is."""
    kind: Any = _socket.socket if threads_are_real() else socket.socket
    return cast("socket.socket", kind(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC))
