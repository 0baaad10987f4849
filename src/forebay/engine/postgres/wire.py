"""One connection to the server: statements with a deadline, and whether what was sent last may have been committed.

A statement that is not answered in time leaves the connection in doubt, so that it is thrown away as a whole. Used by
one thread at a time. Does not connect again: that is `link`'s work.
"""

import math
import time
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, TypeVar

import psycopg
from psycopg import waiting
from psycopg.abc import PQGen
from psycopg.conninfo import conninfo_to_dict
from psycopg.rows import tuple_row

from forebay.engine.native import forget_unsent, threads_are_real
from forebay.engine.postgres.address import CONNECT, Address

RV = TypeVar("RV")
Row = tuple[Any, ...]

#: So that the server finds out by itself when this host is gone without a word, and keeps no connection for it: as
#: `address.DEFAULTS` does at this end. Of no effect on a socket of the same host.
_KEEPALIVES = """
set tcp_keepalives_idle = 10; set tcp_keepalives_interval = 3; set tcp_keepalives_count = 3;
set tcp_user_timeout = '10s';
"""
#: What an administrator may have set for the sessions of a role or a database, to end what others left behind. Here
#: each wait has a deadline at this end, a session is idle because nothing happens, and tidying takes what it takes.
_UNENDED = "set statement_timeout = 0; set idle_session_timeout = 0;"
_UNENDED_17 = "set transaction_timeout = 0;"
#: Where the server can (Linux), it looks whether somebody still waits for what it does. Else each look that met a lock
#: and was given up would leave a session behind that goes on waiting, until the server has no connection left.
_HEEDED = """
select set_config('client_connection_check_interval', '2s', false) where version() like '%linux%';
"""
#: psycopg doubles the backslashes of bytes in arrays where this is off, as some set it for an old program's sake: what
#: arrived would not be what was sent. Poolers give it back to whoever comes next, as the protocol has them do.
_STRINGS = "set standard_conforming_strings = on;"
#: To compile what is asked for once takes longer than to carry it out: `doctor` took half a minute where it is cheap.
_PLAIN = "set jit = off;"
#: For small steps along indexes: no plan may read a whole table, whatever statistics say by then; for the same reason
#: rows are looked for by `seq = any (array[…])`, for which nobody reads a whole index. Commits wait for the disk if
#: that is asked for, whatever is usual on this server, and need not if it is not.
_WRITING = """
set enable_seqscan = off; set enable_hashjoin = off; set enable_mergejoin = off;
set plan_cache_mode = force_generic_plan; set lock_timeout = '{}'; set default_transaction_isolation = 'read committed';
set idle_in_transaction_session_timeout = '{}'; set array_nulls = on;
select set_config('synchronous_commit', case
    when not {} then 'off' when current_setting('synchronous_commit') = 'off' then 'on'
    else current_setting('synchronous_commit') end, false)
"""
#: How long a writing connection waits for a transaction of somebody else, and holds up whoever comes after: those who
#: publish come back for it.
LOCKS = {"publisher": "100ms", "worker": "2s"}
#: How long any other waits for a lock, on whichever system: less than whoever asked, and then says what it met.
_LOOK = "set lock_timeout = '8s';"
#: How long the server keeps a transaction of ours that says nothing more: its process is frozen, or the way to it is
#: gone without a word. What it has locked is for others then; whoever is still there does it again.
SILENT = "5s"
_BEGIN = f"begin isolation level read committed; set local idle_in_transaction_session_timeout = '{SILENT}'"
#: Isolation in which each statement sees what is committed when it begins.
_FRESH = "read committed", "read uncommitted"
#: Executions after which a statement is prepared.
PREPARE = 2


class _Connection(psycopg.Connection[Row]):
    """Waits for the server no longer than `until`, by the monotonic clock."""

    until = math.inf

    def wait(self, gen: PQGen[RV], interval: float = 0.1, timeout: float | None = None) -> RV:
        left = None if self.until == math.inf else max(0.001, self.until - time.monotonic())
        if threads_are_real():
            return super().wait(gen, interval, left)
        return waiting.wait_poll(gen, self.pgconn.socket, interval, left)  # psycopg has chosen when it was imported


def _in_time(address: Address, until: float) -> dict[str, Any]:
    """A shorter time to connect in than the address says, if less is left; libpq counts in whole seconds, from two."""
    left = max(2, math.ceil(until - time.monotonic())) if until < math.inf else CONNECT
    return {"connect_timeout": left} if left < int(conninfo_to_dict(address.conninfo)["connect_timeout"] or 0) else {}


class Wire:
    """An open connection.

    Attributes:
        open_end: something was sent that the server may have committed, and it has not answered.
        made: when it was begun to be made (monotonic).
        direct: no pooler is in between.
        fresh: a statement by itself sees what others have committed by then, also while it waited for them. Else it is
            carried out within `begin`, whatever is usual for the user or the database.

    Args:
        until: the first deadline, see `within`.
        durability: of a connection that writes, `Settings.durability`.
    """

    def __init__(
        self, address: Address, purpose: str, until: float, *, prepare: bool = True, durability: str = ""
    ) -> None:
        self.made = time.monotonic()
        self._db = _Connection.connect(
            address.conninfo,
            **_in_time(address, until),
            autocommit=True,
            prepare_threshold=PREPARE if prepare else None,
            cursor_factory=psycopg.RawCursor,
            row_factory=tuple_row,
            application_name=f"forebay {address.schema} {purpose}"[:63],
        )
        self._cursor = self._db.cursor(binary=True)
        self.open_end = self.begun = False
        self._db.until = until
        try:
            pid, isolation = self.rows("select pg_backend_pid(), current_setting('default_transaction_isolation')")[0]
            # is this session ours alone? through a pooler, what is set for it would stay with others
            self.direct = direct = pid == self._db.info.backend_pid
            self._ours = bool(durability) and direct
            self.fresh = self._ours or isolation in _FRESH
            writing = _WRITING.format(LOCKS[purpose], SILENT, durability == "full") if self._ours else ""
            if direct:
                self.script(_STRINGS + _PLAIN + _KEEPALIVES + self._limits() + (writing or _LOOK))
            elif self._db.info.parameter_status("standard_conforming_strings") == "off":
                self.script(_STRINGS)
        except BaseException:  # whoever tries again makes another
            self._db.close()
            raise

    def _limits(self) -> str:
        """No limit but those at this end."""
        return _UNENDED + (_UNENDED_17 if self._db.info.server_version >= 170_000 else "") + _HEEDED

    @property
    def alive(self) -> bool:
        """Whether it is of use, as far as this side knows."""
        return not self._db.closed

    def within(self, until: float) -> None:
        """Nothing that follows waits longer than this (monotonic)."""
        self._db.until = until

    def rows(self, text: str, parameters: Sequence[Any] = ()) -> list[Row]:
        """All rows of a statement; outside of `begin` it is committed with it."""
        self.open_end = not self.begun
        self._cursor.execute(text, parameters)  # pyright: ignore[reportArgumentType]
        self.open_end = False
        return self._cursor.fetchall() if self._cursor.description is not None else []

    def begin(self) -> None:
        """What follows happens at `commit`, or not at all."""
        if not self.begun:
            self.begun = True
            if self._ours:
                self._cursor.execute("begin")
            else:
                self.script(_BEGIN)

    def commit(self) -> None:
        """All since `begin`."""
        if self.begun:
            self.open_end = True
            self._cursor.execute("commit")
            self.begun = self.open_end = False

    def rollback(self) -> None:
        """Undo what is not committed, after an error that the server itself has told."""
        if self.begun:
            self.begun = False
            self._cursor.execute("rollback")

    def script(self, text: str) -> None:
        """Several statements without parameters, as one transaction unless it says otherwise."""
        with self._db.cursor() as cursor:
            cursor.execute(text.encode(), prepare=False)

    @property
    def raw(self) -> psycopg.Connection[Row]:
        """The connection itself, for listening."""
        return self._db

    def close(self) -> None:
        """Let go of it, whatever state it is in; nothing is waited for."""
        self._db.close()

    def abandon(self) -> None:
        """`close`, where the server may be out of reach: what it has not received by now, it never gets."""
        with suppress(psycopg.Error, OSError):
            forget_unsent(self._db.fileno())
        self.close()
