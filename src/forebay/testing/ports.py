"""Ports for servers that tests start, kill and start again."""

import random
import socket

#: A node of a Redis Cluster listens for the others at its port and this.
BUS = 10_000
#: Below those that the system gives to whoever connects, with and without `BUS`: while a server is down, no client of
#: another test has its port.
_PORTS = range(11_000, 22_000)
_any = random.SystemRandom()


def free_port() -> int:
    """A port on loopback at which nobody listens, nor `BUS` above it.

    Raises:
        OSError: a thousand of them are taken.
    """
    for port in _any.sample(_PORTS, 1000):
        if _is_free(port) and _is_free(port + BUS):
            return port
    raise OSError(f"a thousand ports between {_PORTS.start} and {_PORTS.stop} are taken: who listens there?")


def _is_free(port: int) -> bool:
    try:
        socket.create_server(("127.0.0.1", port)).close()
    except OSError:
        return False
    return True
