"""A connection that the caller brings: under whatever library, the driver's, if messages can be published on it now.

Libraries are known by their shape, and none of them is imported here. Each thing that is wrong is one error, before
anything is written. Where a library begins its transaction with the first statement, ours may be the first.
"""

from collections.abc import Awaitable, Callable
from typing import Any

from psycopg.pq import PipelineStatus, TransactionStatus

from forebay.engine.postgres.borrowed import Borrowed, OfAsyncpg, OfAsyncPsycopg, OfPsycopg, OfPsycopg2
from forebay.engine.waiting import blocking
from forebay.model.errors import ConfigError

_TAKES = (
    "in_transaction= takes a connection to the PostgreSQL database of the queue: of psycopg, asyncpg, psycopg2, "
    "SQLAlchemy (a Connection or a Session, asynchronous ones too) or Django"
)
_BEGIN_ASYNC = "enqueue within `async with connection.transaction():`"
_BEGIN_PSYCOPG2 = "enqueue within `with connection:`, and leave its autocommit off"
_BEGIN_ALCHEMY = 'leave isolation_level="AUTOCOMMIT" out'
_NONE_OPEN = "in_transaction=: no transaction is open on this connection, which commits each statement by itself"
_FAILED = "in_transaction=: the transaction on this connection has failed: roll it back, and begin it again"
_CLOSED = "in_transaction=: this connection is closed: enqueue before the commit"
_ASYNC_SESSIONS = {"sqlalchemy.AsyncSession", "sqlalchemy.async_scoped_session"}
_SESSIONS = {"sqlalchemy.Session", "sqlalchemy.scoped_session"}
_DJANGO = {"django.BaseDatabaseWrapper", "django.ConnectionProxy"}


async def borrow(connection: Any) -> Borrowed:
    """The driver's connection beneath, on which a transaction is open, or opens with the next statement.

    Raises:
        ConfigError: it is none, leads to no PostgreSQL, or cannot take anything now; says what to do.
    """
    connection = _bare(connection)
    names = _names(connection)
    if names & _ASYNC_SESSIONS:
        _refuse_plain_call()
        connection = await _given_later(connection.connection)
    elif names & _SESSIONS:
        connection = _given(connection.connection)
    names = _names(connection)
    begin = _BEGIN_ALCHEMY if any(name.startswith("sqlalchemy.") for name in names) else ""
    if "sqlalchemy.AsyncConnection" in names:
        _refuse_plain_call()
        connection = await _of_async_sqlalchemy(connection)
    elif "sqlalchemy.Connection" in names:
        connection = _of_sqlalchemy(connection)
    elif "sqlalchemy.PoolProxiedConnection" in names:
        connection = connection.driver_connection
    elif names & _DJANGO:
        connection = _of_django(connection)
    driver = _bare(connection)
    return _of_driver(driver, _names(driver), begin)


def _bare(connection: Any) -> Any:
    """Without what a tool that traces calls has put around it."""
    return getattr(connection, "__wrapped__", connection)


def _names(thing: object) -> set[str]:
    """The classes that something is of, as package and name."""
    return {f"{kind.__module__.partition('.')[0]}.{kind.__name__}" for kind in type(thing).__mro__}


# --- SQLAlchemy ---


def _given(give: Callable[[], Any]) -> Any:
    try:
        return give()
    except Exception as error:
        raise _gives_none(error) from error


async def _given_later(give: Callable[[], Awaitable[Any]]) -> Any:
    try:
        return await give()
    except Exception as error:
        raise _gives_none(error) from error


def _gives_none(error: Exception) -> ConfigError:
    text = str(error).partition("\n")[0]
    return ConfigError(f"in_transaction=: it gives no connection with an open transaction: {text}")


def _of_sqlalchemy(connection: Any) -> Any:
    _check_sqlalchemy(connection)
    if not connection.in_transaction():
        _given(connection.begin)  # as it does by itself at the first statement
    return _given(lambda: connection.connection.driver_connection)


async def _of_async_sqlalchemy(connection: Any) -> Any:
    if connection.sync_connection is None:
        raise ConfigError(f"{_CLOSED}, and after `await connection.start()`")
    _check_sqlalchemy(connection)
    if not connection.in_transaction():
        await _given_later(connection.begin)
    driver = (await _given_later(connection.get_raw_connection)).driver_connection
    if "asyncpg.Connection" in _names(driver) and not driver.is_in_transaction():
        await _given_later(lambda: connection.exec_driver_sql("select 1"))  # it begins the transaction no sooner
    return driver


def _check_sqlalchemy(connection: Any) -> None:
    if connection.closed or connection.invalidated:
        raise ConfigError(_CLOSED)
    if connection.dialect.name != "postgresql":
        raise ConfigError(f"{_TAKES}; this one is to a database of {connection.dialect.name}")


# --- Django ---


def _of_django(connection: Any) -> Any:
    if connection.vendor != "postgresql":
        raise ConfigError(f"{_TAKES}; this one ({connection.alias!r}) is to a database of {connection.vendor}")
    _given(connection.ensure_connection)  # one that is not connected yet does not know that it commits by itself
    if not connection.in_atomic_block and connection.autocommit:
        raise ConfigError(f"{_NONE_OPEN}: enqueue within `with transaction.atomic():`")
    if connection.needs_rollback:
        raise ConfigError("in_transaction=: the transaction on this connection has failed: leave its atomic block")
    return connection.connection


# --- drivers ---


def _of_driver(driver: Any, names: set[str], begin: str) -> Borrowed:
    if "psycopg.AsyncConnection" in names:
        _refuse_plain_call()
        _check_psycopg(driver, begin or _BEGIN_ASYNC)
        return OfAsyncPsycopg(driver)
    if "psycopg.Connection" in names:
        _check_psycopg(driver, begin or "enqueue within `with connection.transaction():`")
        return OfPsycopg(driver)
    if names & {"asyncpg.Connection", "asyncpg.PoolConnectionProxy"}:
        _refuse_plain_call()
        _check_asyncpg(driver, begin or _BEGIN_ASYNC)
        return OfAsyncpg(driver)
    if "psycopg2.connection" in names:
        _check_status(driver, driver.info.transaction_status, begin or _BEGIN_PSYCOPG2)
        return OfPsycopg2(driver)
    raise ConfigError(f"{_TAKES}, not {_kind(driver)}; docs: how-to/transactions")


def _kind(thing: object) -> str:
    return f"{type(thing).__module__}.{type(thing).__qualname__}"


def _refuse_plain_call() -> None:
    if blocking():
        raise ConfigError(
            "in_transaction=: this connection is asynchronous, and this call is not: "
            "`await task.aenqueue(…, in_transaction=connection)`"
        )


def _check_psycopg(driver: Any, begin: str) -> None:
    if not driver.closed and driver.pgconn.pipeline_status != PipelineStatus.OFF:
        raise ConfigError("in_transaction=: this connection is in pipeline mode: enqueue before it, or after it")
    _check_status(driver, driver.info.transaction_status, begin)
    if driver.info.parameter_status("standard_conforming_strings") == "off":  # psycopg would send arrays of bytes amiss
        raise ConfigError("in_transaction=: standard_conforming_strings is off on this connection: turn it on")
    if driver.info.parameter_status("client_encoding") == "SQL_ASCII":  # psycopg gives bytes for texts then
        raise ConfigError("in_transaction=: client_encoding is SQL_ASCII on this connection: set it to UTF8")


def _check_status(driver: Any, status: int, begin: str) -> None:
    if driver.closed or status == TransactionStatus.UNKNOWN:
        raise ConfigError(_CLOSED)
    if status == TransactionStatus.INERROR:
        raise ConfigError(_FAILED)
    if status == TransactionStatus.ACTIVE:
        raise ConfigError(
            "in_transaction=: this connection is busy with something else (another thread? a COPY?): one at a time"
        )
    if status == TransactionStatus.IDLE and driver.autocommit:
        raise ConfigError(f"{_NONE_OPEN}: {begin}")


def _check_asyncpg(driver: Any, begin: str) -> None:
    if driver.is_closed():
        raise ConfigError(_CLOSED)
    if not driver.is_in_transaction():
        raise ConfigError(f"{_NONE_OPEN}: {begin}")
