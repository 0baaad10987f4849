"""The `Checks` role over one schema: what `doctor`, `migrate` and `bench` ask. Reads, and changes nothing."""

import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import psycopg
from psycopg import errors as pg

from forebay.config import Settings
from forebay.engine.clocks import clocks
from forebay.engine.postgres import errors, inventory, schema
from forebay.engine.postgres.address import CONNECT, Address, address
from forebay.engine.postgres.statements import Statements
from forebay.engine.postgres.wire import Row, Wire
from forebay.model.errors import EngineUnreachable
from forebay.model.finding import Finding, fail, fine, unusable, warn

#: Major versions of PostgreSQL that are tried, the oldest and the newest.
TRIED = (15, 18)
#: Dead rows of the hot table beyond which leases get slow; seconds of a transaction that keeps them from going away.
DEAD, OLD = 50_000, 60.0
#: Part of the connections in use at which the next worker may find none.
CROWDED = 0.85
#: More than it may sort in memory, so that the server writes 2 MB to the disk of the database, which are gone at once.
_SMALL = "set local work_mem = '64kB'; set local temp_tablespaces = ''"
_SPILL = "select count(distinct t) from (select repeat(md5(n::text), 32) as t from generate_series(1, 2000) as n) as it"


class ServerChecks:
    """The server and schema of these settings."""

    needed = frozenset({"server", "schema"})

    def __init__(self, settings: Settings) -> None:
        self._address = address(settings)
        self._sql = Statements(self._address)

    def reachable(self) -> None:
        """See `Checks.reachable`."""
        found, _ = self.versions()
        if not found:
            raise EngineUnreachable(
                f"{self._address.shown} has no schema {self._address.schema} of Forebay yet: name the app with -A, or "
                "enqueue first, or run `forebay migrate`"
            )

    def versions(self) -> tuple[int, int]:
        """See `Checks.versions`."""
        with _Looking(self._address) as wire:
            return schema.version(wire, self._address), schema.newest()

    def script(self) -> str:
        """See `Scripted.script`: all of it, where no server can be asked what it has."""
        try:
            found, newest = self.versions()
        except EngineUnreachable:
            found, newest = 0, schema.newest()
        schema.check_known(found, self._address)
        return schema.script(self._address, found) if found < newest else ""

    def about(self) -> Mapping[str, str]:
        """See `Checks.about`."""
        try:
            with _Looking(self._address) as wire:
                version, commit = wire.rows(
                    "select current_setting('server_version'), current_setting('synchronous_commit')"
                )[0]
        except EngineUnreachable as error:
            return {"server": str(error)}
        return {
            "server": f"{self._address.shown}, synchronous_commit {commit}",
            "PostgreSQL": str(version),
            "psycopg": psycopg.__version__,
        }

    def examine(self, *, deep: bool = True) -> Iterator[Finding]:
        """See `Checks.examine`."""
        try:
            with _Looking(self._address) as wire:
                yield from self._examine(wire, deep=deep)
        except EngineUnreachable as error:
            yield unusable("server", error, "look at the server's log")

    def _examine(self, wire: Wire, *, deep: bool) -> Iterator[Finding]:
        yield from _server(wire, self._address)
        yield from _way(wire)
        yield from _durable(wire)
        yield from _disk(wire)
        found, newest = schema.version(wire, self._address), schema.newest()
        if found > newest:
            yield fail("schema", f"schema {found}, this Forebay knows up to {newest}", "upgrade Forebay")
        elif 0 < found < schema.oldest():
            yield fail("schema", f"schema {found}, from before the first release", schema.MOVE)
        elif found < newest:
            yield warn("schema", f"schema {found or 'none'} of {newest}", "run `forebay migrate`, or enqueue something")
        elif lacking := self._look(wire, "check_missing", *zip(*inventory.wanted(), strict=True)):
            yield from inventory.missing([(kind, name) for kind, name in lacking], self._address.schema)
            found = 0
        else:
            yield fine("schema", f"{self._address.schema}, version {found}")
        yield from _crowd(wire)
        yield from _blockers(self._look(wire, "check_blockers", [self._address.schema]))
        if found == newest:
            user = wire.rows("select current_user::text")[0][0]
            yield from inventory.rights([(right, on) for right, on in self._look(wire, "check_rights")], user)
            yield from inventory.lost([(ago, how) for ago, how in self._look(wire, "check_loss")])
            yield from _bloat(self._look(wire, "check_bloat"))
            yield from _holders(self._look(wire, "check_holders"))
            if deep:
                yield from _numbers(self._look(wire, "check_numbers"))
                yield from _odd(self._look(wire, "check_rows"))

    def _look(self, wire: Wire, name: str, *columns: Sequence[str]) -> list[Row]:
        return wire.rows(self._sql[name], [list(column) for column in columns])


class _Looking:
    """A connection for a few looks."""

    def __init__(self, where: Address) -> None:
        self._address = where
        self._wire: Wire | None = None

    def __enter__(self) -> Wire:
        try:
            self._wire = Wire(self._address, "doctor", time.monotonic() + 12 * CONNECT)
        except (psycopg.Error, OSError) as error:
            raise errors.unreachable(self._address.shown, error) from error
        return self._wire

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: object) -> None:
        if self._wire is not None:
            self._wire.close()
        if isinstance(error, psycopg.Error):
            ours = errors.translate(error, self._address.shown)
            raise (ours if isinstance(ours, EngineUnreachable) else EngineUnreachable(str(ours))) from error


def _server(wire: Wire, where: Address) -> Iterator[Finding]:
    version, encoding, now, standby, ssl = wire.rows(
        "select current_setting('server_version_num')::int, current_setting('server_encoding'), "
        "extract(epoch from clock_timestamp())::float8, pg_is_in_recovery(), "
        "coalesce((select ssl from pg_stat_ssl where pid = pg_backend_pid()), false)"
    )[0]
    major, text = version // 10_000, f"{where.shown}: PostgreSQL {version // 10_000}{', with TLS' if ssl else ''}"
    if encoding != "UTF8" or standby:
        yield fail("server", f"{text}, {'a standby' if standby else encoding}", "use a primary with encoding UTF8")
    elif not TRIED[0] <= major <= TRIED[1]:
        yield warn("server", text, f"Forebay is tried on {TRIED[0]} to {TRIED[1]}")
    else:
        yield fine("server", text)
    yield from clocks(now - time.time())


def _way(wire: Wire) -> Iterator[Finding]:
    if not wire.direct:
        wire.begin()  # one that allows no transaction says so here
        wire.rollback()
        yield fine(
            "way", "through a pooler: a worker may hear of no news, and looks every `poll` (1 s): give workers a URL "
            "that goes past it; limits of the user's sessions stay as they are set"
        )  # fmt: skip


def _durable(wire: Wire) -> Iterator[Finding]:
    names = ("fsync", "full_page_writes", "synchronous_commit", "autovacuum")
    found: dict[str, str] = dict(
        wire.rows("select name, setting from pg_settings where name = any ($1)", [list(names)])
    )
    if found["fsync"] == "off" or found["full_page_writes"] == "off":
        off = "fsync" if found["fsync"] == "off" else "full_page_writes"
        yield fail("durability", f"{off} is off: a power loss may destroy the database", f"set {off} = on")
    elif found["synchronous_commit"] == "off":
        yield fine(
            "durability", "synchronous_commit is off; Forebay sets it on for what it writes, unless durability=normal"
        )
    else:
        yield fine("durability", f"fsync on, synchronous_commit {found['synchronous_commit']}")
    if found["autovacuum"] == "off":
        yield fail("autovacuum", "it is off: leases get slower with every message", "set autovacuum = on")


def _disk(wire: Wire) -> Iterator[Finding]:
    """Whether the disk of the database takes what is written; nothing of ours is touched for that."""
    wire.begin()
    try:
        wire.script(_SMALL)
        wire.rows(_SPILL)
    except pg.DiskFull as error:
        yield fail(
            "disk", f"it is full ({errors.said(error)}): new messages are refused, and ends of those that run wait",
            "free some space there: all goes on by itself then, what was accepted is safe",
        )  # fmt: skip
    except pg.ConfigurationLimitExceeded:
        pass  # temp_file_limit: nothing that was tried has met the disk
    else:
        yield fine("disk", "it takes what is written")
    finally:
        wire.rollback()


def _crowd(wire: Wire) -> Iterator[Finding]:
    used, most = wire.rows(
        "select (select count(*) from pg_stat_activity where backend_type = 'client backend'), "
        "current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int"
    )[0]
    if used > CROWDED * most:
        yield warn(
            "connections",
            f"{used} of {most} are in use",
            "each process of an app takes up to four: raise max_connections",
        )
    else:
        yield fine("connections", f"{used} of {most} are in use")


def _bloat(found: list[Row]) -> Iterator[Finding]:
    dead, live, last = found[0] if found else (0, 0, None)
    if dead > DEAD and dead > 2 * live:
        yield warn(
            "bloat", f"{dead:,} dead rows beside {live:,} messages; last vacuumed {last or 'never'}",
            "end what keeps them from being removed (see below), or give autovacuum more workers",
        )  # fmt: skip
    else:
        yield fine("bloat", f"{dead:,} dead rows in the table of messages")


def _holders(found: list[Row]) -> Iterator[Finding]:
    for what, seconds in found:
        yield warn(
            "snapshot", f"{what} keeps dead rows from being removed, for {seconds:.0f} s",
            "end it, or let it read a replica: the table of messages grows meanwhile",
        )  # fmt: skip


def _blockers(found: list[Row]) -> Iterator[Finding]:
    for pid, who, seconds, waiting, doing in found:
        yield fail(
            "locks", f"{waiting} of Forebay's sessions wait for process {pid} ({who}), whose transaction is open "
            f"{'for a time that this user may not see' if seconds is None else f'for {seconds:.0f} s'}: {doing}",
            f"let it end (VACUUM FULL does when it is done), or end it: select pg_terminate_backend({pid})",
        )  # fmt: skip


def _numbers(found: list[Row]) -> Iterator[Finding]:
    wrong: list[Any] = [f"{queue}: {state} {said}, counted {true}" for queue, state, said, true in found]
    if wrong:
        yield fail(
            "numbers", f"tallies are not what is there: {'; '.join(wrong[:5])}",
            "if somebody has emptied or restored a table (TRUNCATE, DELETE), publish again what was lost, and set them "
            'right: docs/how-to/postgresql.md, "Tables that somebody has emptied"; else report it: messages are safe',
        )  # fmt: skip
    else:
        yield fine("numbers", "tallies are what is there")


def _odd(found: list[Row]) -> Iterator[Finding]:
    if found:
        few = ", ".join(f"{id_!r} has state {state}" for id_, state in found[:5])
        yield fail(
            "rows", f"{len(found):,} messages have a state that does not exist, so that nothing takes them: {few}",
            "none of ours wrote them: cancel or delete them, or set their state to 1 (ready)",
        )  # fmt: skip
