"""Asking a server about itself, over a connection of its own that is closed again.

In a cluster that is the node on which the namespace lives, whichever one the URL names.
"""

from collections.abc import Sequence
from typing import Any

from redis.exceptions import RedisError, ResponseError

from forebay.engine.redis.address import Address, Wire
from forebay.engine.redis.errors import is_final, node, refused, unreachable, word
from forebay.engine.redis.server import Said, parse_info
from forebay.model.errors import EngineRefused

#: Nodes that are asked one after the other, as each says that the next one has the namespace.
MOVES = 4
_PRIMARY = 'give an address that leads to the primary, as a proxy has: docs/how-to/redis.md, "Sentinel"'
_CONFIG = ("appendfsync", "save", "maxmemory-policy", "client-output-buffer-limit")


def ask(address: Address) -> Said:
    """What the server says of itself, and of its settings as far as it tells.

    Raises:
        EngineUnreachable: it does not answer, or does not let us in.
        EngineRefused: it is a Sentinel.
    """
    replies = talk(address, [("INFO",), *(("CONFIG", "GET", name) for name in _CONFIG)])
    if isinstance(replies[0], ResponseError):
        raise refused(address.place, replies[0])
    config: dict[str, str] = {}
    for name, reply in zip(_CONFIG, replies[1:], strict=True):
        if not isinstance(reply, ResponseError) and reply:
            config[name] = reply[1].decode()
    info = parse_info(replies[0].decode("utf-8", "replace"))
    if info.get("redis_mode") == "sentinel":
        raise EngineRefused(f"{address.place}: it is a Sentinel, which holds no messages", _PRIMARY)
    return Said(info, config)


def talk(address: Address, commands: Sequence[tuple[Any, ...]]) -> list[Any]:
    """The replies to some commands.

    Raises:
        EngineUnreachable: the server does not answer, or does not let us in.
    """
    turn = 0
    while True:
        try:
            return _followed(address, address.node(turn), commands)
        except (RedisError, OSError) as error:
            if is_final(error):
                raise refused(address.place, error) from error
            turn += 1
            if turn >= len(address.nodes):
                raise unreachable(address.place, error) from error


def _followed(address: Address, at: tuple[str, int] | None, commands: Sequence[tuple[Any, ...]]) -> list[Any]:
    """Those of the node to which this one leads."""
    replies: list[Any] = []
    for _ in range(MOVES):
        moved, *replies = _talk(address, at, [("EXISTS", address.tag + "meta"), *commands])
        at = node(str(moved)) if word(moved) in ("MOVED", "ASK") else None
        if at is None:
            break
    return replies


def _talk(address: Address, at: tuple[str, int] | None, commands: Sequence[tuple[Any, ...]]) -> list[Any]:
    connection = address.connection(at)
    try:
        connection.connect()
        connection.send_packed_command(connection.pack_commands(commands), check_health=False)
        return [_answer(connection) for _ in commands]
    finally:
        connection.disconnect()


def _answer(connection: Wire) -> Any:
    try:
        return connection.read_response(disable_decoding=True)
    except ResponseError as error:
        return error
