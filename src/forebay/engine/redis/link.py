"""One connection to a server: sends a batch of commands, gets an answer to each. Knows no verb, tries nothing twice.

Not for two threads. After any trouble the connection is thrown away whole; the next batch makes a new one.
"""

from collections.abc import Sequence
from typing import Any

from redis.exceptions import RedisError, ResponseError

from forebay.engine.redis.address import Address, Wire
from forebay.engine.redis.errors import PASSING, word
from forebay.engine.redis.scripts import scripts

Command = tuple[Any, ...]


class Broken(Exception):
    """No answer, or not to all: `sent` if the server may have got the commands."""

    def __init__(self, cause: BaseException, *, sent: bool) -> None:
        super().__init__(str(cause))
        self.cause, self.sent = cause, sent


class Link:
    """A connection that is made when it is needed. `prepare`: whether the server shall know our scripts."""

    def __init__(self, address: Address, *, prepare: bool = True) -> None:
        self._address, self._prepare = address, prepare
        self._connection: Wire | None = None
        self._at: tuple[str, int] | None = None

    @property
    def up(self) -> bool:
        """Whether there is a connection, as far as is known."""
        return self._connection is not None

    def exchange(self, commands: Sequence[Command]) -> list[Any]:
        """The answers to a batch, each a value or the `ResponseError` that the server said.

        Raises:
            Broken: the connection could not be made, or broke.
        """
        sent = False
        try:
            connection = self.connected()
            packed = connection.pack_commands(commands)
            sent = True
            connection.send_packed_command(packed, check_health=False)
            return [_answer(connection) for _ in commands]
        except (RedisError, OSError, ValueError) as error:
            self.drop()
            raise Broken(error, sent=sent and word(error) not in PASSING) from error
        except BaseException:
            self.drop()
            raise

    def connected(self) -> Wire:
        """The connection, made if there is none."""
        if self._connection is None:
            connection = self._address.connection(self._at)
            try:
                connection.connect()
                if self._prepare:
                    _load(connection)
            except BaseException:
                connection.disconnect()
                self._at = None  # the node that we were sent to may be gone: ask at the address again
                raise
            self._connection = connection
        return self._connection

    def load(self) -> None:
        """Have the server learn our scripts again: somebody made it forget them."""
        self.exchange([("SCRIPT", "LOAD", script.text) for script in scripts().values()])

    def move(self, answer: str) -> None:
        """Go where a server of a cluster says: `MOVED 3999 127.0.0.1:6381`."""
        host, _, port = answer.rpartition(" ")[2].rpartition(":")
        self.drop()
        if host and port.isdigit():
            self._at = host, int(port)

    def drop(self) -> None:
        """Throw the connection away."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.disconnect()


def _load(connection: Wire) -> None:
    texts = [("SCRIPT", "LOAD", script.text) for script in scripts().values()]
    connection.send_packed_command(connection.pack_commands(texts), check_health=False)
    for answer in [_answer(connection) for _ in texts]:
        if isinstance(answer, ResponseError):
            raise answer


def _answer(connection: Wire) -> Any:
    try:
        return connection.read_response(disable_decoding=True)
    except ResponseError as error:
        return error
