"""The `Checks` role over a server: what `doctor`, `migrate` and `bench` ask. Changes nothing there."""

import time
from collections.abc import Iterator, Mapping, Sequence

import redis as client

from forebay.engine.clocks import clocks
from forebay.engine.redis.address import Address
from forebay.engine.redis.connections import SCHEMA, refuse_evicting
from forebay.engine.redis.probe import ask, talk
from forebay.engine.redis.server import Said, evicts, window
from forebay.model.duration import span
from forebay.model.errors import EngineError
from forebay.model.finding import Finding, fail, fine, unusable, warn

#: Used memory, as a share of maxmemory, from which somebody should look.
NEARLY = 0.8
#: Memory of the process over memory in use, from which it is worth a line.
FRAGMENTED = 2.0
#: Bytes that answers to us may come to, by kind of client: a lease of many messages; news. Then what is usual.
LEAST_BUFFER = {"normal": 64 * 1024 * 1024, "pubsub": 1024 * 1024}
USUAL_BUFFER = {"normal": "normal 0 0 0", "pubsub": "pubsub 32mb 8mb 60"}
#: Searches of a thousand keys each for those of others.
ROUNDS = 20
#: Seconds for which a loss is told.
REMEMBERED = 3 * 86_400.0
_MIB = 1024 * 1024


class ServerChecks:
    """The server at this address."""

    needed = frozenset({"server", "eviction", "schema"})

    def __init__(self, address: Address) -> None:
        self._address = address

    def examine(self, *, deep: bool = True) -> Iterator[Finding]:
        """See `Checks.examine`."""
        try:
            said = ask(self._address)
            ahead = int(said.info.get("server_time_usec", time.time() * 1e6)) / 1e6 - time.time()
            before, newest = self._versions()
        except EngineError as error:
            yield unusable("server", error, "look at the server's log")
            return
        yield fine("server", f"{said.version} at {self._address.place}, redis-py {client.__version__}")
        yield from clocks(ahead)
        if why := evicts(said):
            yield fail("eviction", why.partition(": ")[0], why.partition(": ")[2])
            return
        yield fine("eviction", f"maxmemory-policy {said.policy or 'not told by the server'}")
        if before > newest:
            yield fail("schema", f"its keys have schema {before}, this Forebay knows up to {newest}", "upgrade Forebay")
            return
        yield fine("schema", f"schema {before or newest}" if before else "nothing is there yet")
        yield from _loss(self._fell(), time.time())
        yield from _strange(list(self._strings()))
        yield _durability(said)
        yield _disk(said)
        yield _memory(said)
        yield from _buffers(said)
        yield _replicas(said)

    def reachable(self) -> None:
        """See `Checks.reachable`."""
        ask(self._address)

    def versions(self) -> tuple[int, int]:
        """See `Checks.versions`.

        Raises:
            EngineRefused: nothing of ours may live there.
        """
        refuse_evicting(self._address.place, ask(self._address))
        return self._versions()

    def _versions(self) -> tuple[int, int]:
        (answer,) = talk(self._address, [("HGET", self._address.tag + "meta", "schema")])
        return int(answer) if isinstance(answer, bytes) else 0, SCHEMA

    def _strings(self) -> Iterator[str]:
        """Keys of the namespace that hold a string, as far as a short search finds them."""
        found: tuple[bytes, list[bytes]] = (b"0", [])
        for _ in range(ROUNDS):
            match = (self._address.tag + "*", "COUNT", 1000, "TYPE", "string")
            (answer,) = talk(self._address, [("SCAN", found[0], "MATCH", *match)])
            if isinstance(answer, Exception):
                return
            found = answer[0], answer[1]
            yield from (name.decode("utf-8", "backslashreplace") for name in found[1])
            if found[0] == b"0":
                return

    def _fell(self) -> str:
        (answer,) = talk(self._address, [("HGET", self._address.tag + "meta", "fell")])
        return answer.decode("utf-8", "replace") if isinstance(answer, bytes) else ""

    def about(self) -> Mapping[str, str]:
        """See `Checks.about`."""
        said = ask(self._address)
        return {
            "server": f"{said.version} at {self._address.place}, a crash of it may lose {window(said).words}",
            "redis-py": client.__version__,
        }


def _strange(names: Sequence[str]) -> Iterator[Finding]:
    """What somebody else has written in the namespace: a SET goes over whatever was there."""
    if names:
        more = f" and {len(names) - 1:,} more" if len(names) > 1 else ""
        yield fail(
            "keys", f"{names[0]}{more} holds a string, as no key of Forebay does: what it held is gone",
            "find out who writes there; DEL of that key lets all else go on, what it held has to be published again",
        )  # fmt: skip


def _loss(fell: str, now: float) -> Iterator[Finding]:
    """What processes have found it to have lost, as `open.lua` writes it down, for some days."""
    try:
        at, before, after = map(float, fell.split())
    except ValueError:
        return
    if now - at < REMEMBERED:
        how = (
            f"its newest was number {before:,.0f} before, and {after:,.0f} then" if after < before else "it was emptied"
        )
        yield warn(
            "loss", f"{span(max(0.0, now - at))} ago it was found to have lost messages that it had accepted: {how}",
            "was it emptied, restored, or replaced by a replica that lagged? publish again what had not run by then",
        )  # fmt: skip


def _durability(said: Said) -> Finding:
    lost = window(said)
    text = f"a crash of the server may lose {lost.words}"
    if lost.seconds is not None and lost.seconds <= 2.0:
        return fine("durability", text)
    return warn("durability", text, "set appendonly yes, and appendfsync everysec, or always to lose nothing")


def _disk(said: Said) -> Finding:
    failed = [name for name in ("aof_last_write_status", "rdb_last_bgsave_status") if said.info.get(name) == "err"]
    if failed:
        return fail(
            "disk", f"its last write failed ({', '.join(failed)})", "free some space there, and look at its log"
        )
    return fine("disk", "its last writes went well")


def _memory(said: Said) -> Finding:
    used, most = int(said.info.get("used_memory", 0)), said.maxmemory
    shown = f"{used / _MIB:,.0f} MiB in use"
    if 0 < most <= used:
        text = f"{shown} of {most / _MIB:,.0f} MiB: new messages are refused"
        return fail("memory", text, "raise maxmemory, or let the workers catch up")
    if most and used > NEARLY * most:
        return warn(
            "memory", f"{shown} of {most / _MIB:,.0f} MiB: at the end of it new messages are refused",
            "raise maxmemory, or let the workers catch up",
        )  # fmt: skip
    if not most:
        return fine("memory", f"{shown}, no maxmemory: it grows until the host has no more")
    return fine("memory", f"{shown} of {most / _MIB:,.0f} MiB")


def _buffers(said: Said) -> Iterator[Finding]:
    """Whether it ends the connections of those whose answers are long, or who hear of much at once."""
    words = said.config.get("client-output-buffer-limit", "").split()
    limits = {kind: words[at + 1 : at + 3] for at, kind in enumerate(words) if kind in LEAST_BUFFER}
    for kind, least in LEAST_BUFFER.items():
        short = [int(one) for one in limits.get(kind, ()) if one.isdecimal() and 0 < int(one) < least]
        if short:
            yield warn(
                "buffers", f"client-output-buffer-limit of {kind} clients is {min(short):,} bytes: a longer answer "
                "ends its connection, as often as it is asked for",
                f'CONFIG SET client-output-buffer-limit "{USUAL_BUFFER[kind]}", and in its configuration file',
            )  # fmt: skip


def _replicas(said: Said) -> Finding:
    role, count = said.info.get("role", "?"), said.info.get("connected_slaves", "0")
    if role == "slave":
        return fail("role", "it is a replica, and takes no writes", "give the URL of the primary")
    if count != "0":
        return warn(
            "role", f"it has {count} replicas, which follow a moment behind: a failover may lose what they lack",
            "min-replicas-to-write and min-replicas-max-lag bound how much that is",
        )  # fmt: skip
    return fine("role", "a primary without replicas")
