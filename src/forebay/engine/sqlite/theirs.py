"""A connection that the caller brings: whether a message may be published in the transaction that is open on it.

Each thing that is wrong is one error, before anything is written. Owns nothing; `plainly` lends us the connection
without what its owner has hung on it.
"""

import contextlib
import sys
import time
from collections.abc import Generator
from pathlib import Path
from typing import Any

import apsw

from forebay.engine.sqlite import schema
from forebay.engine.sqlite.guard import key_of
from forebay.model.errors import ConfigError

#: Seconds that a transaction waits for others who write, and between two tries.
PATIENCE, _PAUSE = 10.0, 0.002
#: Tables that ours stand in the way of, if they are temporary: SQLite looks there first.
_TEMPORARY = "select name from temp.sqlite_schema where name in (select name from main.sqlite_schema) limit 1"


def check_kind(connection: Any) -> apsw.Connection:
    """Refuse what is no open connection of ours.

    Raises:
        ConfigError: it is no connection of apsw, or a closed one.
    """
    if not isinstance(connection, apsw.Connection):
        raise ConfigError(_no_connection(connection))
    try:
        connection.in_transaction  # noqa: B018 - says whether it is open
    except apsw.ConnectionClosedError:
        raise ConfigError("in_transaction=: this connection is closed: enqueue before the commit") from None
    return connection


def check(connection: apsw.Connection, path: Path, vfs: str) -> None:
    """Refuse a connection that cannot take messages for the file at `path`. Call it within `plainly`.

    Raises:
        ConfigError: it is of another file, read-only, in no transaction, or leads to more than one file.
        SchemaTooNew: a newer Forebay has migrated the file.
    """
    _check_place(connection, path, vfs)
    if connection.readonly("main") or connection.pragma("query_only"):
        raise ConfigError(f"in_transaction=: this connection to {path} only reads: open it for writing")
    if not connection.in_transaction:
        raise ConfigError(
            "in_transaction=: no transaction is open on this connection: enqueue within `with connection:`, or after "
            "`begin immediate`; without a transaction leave in_transaction out"
        )
    _take_lock(connection, path)
    _check_schema(connection, path)
    if shadow := connection.execute(_TEMPORARY).get:
        raise ConfigError(f"in_transaction=: the temporary table {shadow!r} hides one of the queue: call it otherwise")


def _take_lock(connection: apsw.Connection, path: Path) -> None:
    """Have the transaction write, before it has read anything for us: what has read something older may not any more.

    Waits for other writers, whatever the connection itself would do: they take milliseconds.
    """
    give_up = time.monotonic() + PATIENCE
    while True:
        try:
            connection.execute("delete from main.queue where false")
            return
        except apsw.BusyError as error:
            stale = getattr(error, "extendedresult", 0) == apsw.SQLITE_BUSY_SNAPSHOT
            if stale or time.monotonic() > give_up:
                raise
            time.sleep(_PAUSE)
        except apsw.SQLError:
            _check_schema(connection, path)
            raise


def leads_to(connection: Any, path: Path) -> bool:
    """Whether this is a connection of our SQLite whose main file is the one at `path`."""
    try:
        return isinstance(connection, apsw.Connection) and _same(connection.db_filename("main"), path)
    except apsw.Error:
        return False


def _no_connection(connection: object) -> str:
    text = "in_transaction= takes an apsw.Connection to the file of the queue"
    stdlib = sys.modules.get("sqlite3")
    if stdlib is not None and isinstance(connection, stdlib.Connection):
        return (
            f"{text}, and this is one of Python's sqlite3, a second SQLite library in this process, which does not see "
            "the locks of ours: use apsw.Connection(path) instead; docs: how-to/transactions"
        )
    kind = type(connection)
    return f"{text}, not {kind.__module__}.{kind.__qualname__}; docs: how-to/transactions"


def _check_place(connection: apsw.Connection, path: Path, vfs: str) -> None:
    others = [name for name in connection.db_names() if name not in {"main", "temp"}]
    if not _same(connection.db_filename("main"), path):
        attached = [name for name in others if _same(connection.db_filename(name), path)]
        if attached:
            raise ConfigError(
                f"in_transaction=: {path} is only attached to this connection, as {attached[0]}: a commit over two "
                "files is not one; open a connection to that file itself"
            )
        where = connection.db_filename("main") or "a database in memory"
        raise ConfigError(
            f"in_transaction=: this connection is to {where}, and the messages are in {path}: open one to that file"
        )
    if others:
        raise ConfigError(
            f"in_transaction=: {connection.db_filename(others[0]) or 'a database in memory'} is attached to this "
            f"connection as {others[0]}: a commit over two files is not one; use a connection to {path} alone"
        )
    if connection.open_vfs != (vfs or apsw.vfs_names()[0]):
        raise ConfigError(
            f"in_transaction=: this connection was opened with the VFS {connection.open_vfs!r}, whose locks may be "
            "others than ours: open it without vfs="
        )


def _check_schema(connection: apsw.Connection, path: Path) -> None:
    ours = connection.pragma("application_id") == schema.APPLICATION_ID
    found = int(connection.pragma("user_version")) if ours else 0
    schema.check_still(found, str(path))
    if found < schema.newest():
        raise ConfigError(
            f"in_transaction=: {path} is not prepared for this Forebay yet: open the app once before the transaction "
            "begins (`with app:`), or run `forebay migrate`"
        )


def _same(name: str, path: Path) -> bool:
    try:
        return bool(name) and key_of(name) == key_of(path)
    except OSError:
        return False


@contextlib.contextmanager
def plainly(connection: apsw.Connection) -> Generator[None]:
    """Have a connection answer as ours do, whatever factories and traces its owner has given it, and give them back."""
    before = connection.row_trace, connection.exec_trace, connection.cursor_factory
    connection.row_trace, connection.exec_trace, connection.cursor_factory = None, None, apsw.Cursor
    try:
        yield
    finally:
        connection.row_trace, connection.exec_trace, connection.cursor_factory = before
