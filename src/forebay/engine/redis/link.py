"""One connection to a server: sends a batch of commands, gets an answer to each. Knows no verb, tries nothing twice.

The client makes the connection (names, TLS, password); from then on its socket is ours, and hiredis takes the answers
apart: the client's own way there and back takes longer than the server does. Not for two threads. After any trouble
the connection is thrown away whole; the next batch makes a new one.
"""

import socket
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, cast

import hiredis
from redis.exceptions import RedisError, ResponseError

from forebay.engine.native import forget_unsent
from forebay.engine.patience import ANSWER
from forebay.engine.redis.address import Address, Wire
from forebay.engine.redis.errors import PASSING, is_renamed, node, word
from forebay.engine.redis.scripts import commands, scripts

Command = tuple[Any, ...]

_SOME = 65536
#: Seconds in which an answer may come however late it is.
_LEAST = 0.05
#: A command as bytes; raises UnicodeEncodeError for half of a surrogate pair.
packing: Callable[[Command], bytes] = cast("Any", hiredis).pack_command  # its own types say one word
#: What hiredis says when an answer is not whole yet.
_MORE = object()


class Broken(Exception):
    """No answer, or not to all: `sent` if the server may have got the commands."""

    def __init__(self, cause: BaseException, *, sent: bool) -> None:
        super().__init__(str(cause))
        self.cause, self.sent = cause, sent


class Link:
    """A connection that is made when it is needed, by which the server learns our scripts."""

    def __init__(self, address: Address) -> None:
        self._address = address
        self._connection: Wire | None = None
        self._socket: socket.socket | None = None
        self._reader: Any = None
        self._at: tuple[str, int] | None = None
        self._turn = 0  # nodes of the URL that could not be reached
        self._made: float | None = None

    @property
    def made(self) -> float | None:
        """When the present connection was begun to be made (monotonic); None if there is none."""
        return None if self._socket is None else self._made

    @property
    def up(self) -> bool:
        """Whether there is a connection, as far as is known."""
        return self._socket is not None

    def exchange(self, commands: Sequence[Command], patience: float = ANSWER) -> list[Any]:
        """The answers to a batch, each a value or the `ResponseError` that the server said.

        Args:
            patience: seconds that the server may be silent, while it is connected to and then.

        Raises:
            Broken: the connection could not be made, or broke.
            UnicodeEncodeError: one of them holds what is no text. Nothing was sent; the connection is as it was.
        """
        packed, sent = b"".join(map(packing, commands)), False
        try:
            if self._socket is None:
                began = time.monotonic()
                self._connect(patience)
                patience = max(_LEAST, min(ANSWER, patience + began - time.monotonic()))
            sent = True
            return self._talk(packed, len(commands), patience)
        except (RedisError, OSError, ValueError) as error:
            self._abandon()
            raise Broken(error, sent=sent and word(error) not in PASSING) from error
        except BaseException:
            self._abandon()
            raise

    def _talk(self, packed: bytes, count: int, patience: float = ANSWER) -> list[Any]:
        server, reader = self._socket, self._reader
        assert server is not None
        if server.gettimeout() != patience:
            server.settimeout(patience)
        server.sendall(packed)
        answers: list[Any] = []
        while len(answers) < count:
            answer = reader.gets()
            if answer is not _MORE:
                answers.append(answer)
            elif some := server.recv(_SOME):
                reader.feed(some)
            else:
                raise ConnectionResetError("the server closed the connection")
        return answers

    def _connect(self, patience: float) -> None:
        at = self._at or self._address.node(self._turn)
        connection, self._made = self._address.connection(at, patience), time.monotonic()
        try:
            connection.connect()
            self._connection, self._socket = connection, self._address.socket_of(connection)
            self._reader = hiredis.Reader(replyError=ResponseError, notEnoughData=_MORE)
            self._teach(patience)
        except BaseException:
            connection.disconnect()
            self.drop()
            self._turn += self._at is None
            self._at = None  # the node that we were sent to may be gone: ask at the address again
            raise

    def _teach(self, patience: float) -> None:
        """Have the server learn our scripts, if this user may run all that they do.

        Raises:
            ResponseError: it may not, or the server learns nothing now.
        """
        ours = list(scripts().values())
        (said,) = self._talk(packing(("SCRIPT", "EXISTS", *(script.digest for script in ours))), 1, patience)
        # a million bytes on each connection are much behind a slow way; who may not ask sends all of them
        known: Sequence[int] = [0] * len(ours) if isinstance(said, ResponseError) else said
        told = [("SCRIPT", "LOAD", script.text) for script, is_known in zip(ours, known, strict=True) if not is_known]
        rights = "EVALSHA", scripts()["rights"].digest, 1, self._address.tag + "meta", "", "", *commands()
        *learnt, denied = self._talk(b"".join(map(packing, [*told, rights])), len(told) + 1, patience)
        for answer in learnt:
            if isinstance(answer, ResponseError):
                raise answer
        if isinstance(denied, bytes) and denied.startswith(b"-"):
            raise ResponseError(f"ERR unknown command {denied[1:].decode()!r}")
        if isinstance(denied, bytes) and denied:
            raise ResponseError(f"NOPERM this user has no permissions to run {denied.decode()!r} there")
        if isinstance(denied, ResponseError) and (word(denied) == "NOPERM" or is_renamed(denied)):
            raise denied

    def move(self, answer: str) -> None:
        """Go where a server of a cluster says."""
        self.drop()
        self._at = node(answer) or self._at

    def _abandon(self) -> None:
        """Throw it away where the server may be out of reach: what it has not received by now, it never gets."""
        if self._socket is not None:
            with suppress(OSError):
                forget_unsent(self._socket.fileno())
        self.drop()

    def drop(self) -> None:
        """Throw the connection away."""
        connection, self._connection, self._socket, self._reader = self._connection, None, None, None
        if connection is not None:
            connection.disconnect()
