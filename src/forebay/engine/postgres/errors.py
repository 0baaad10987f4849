"""What psycopg raises, as ours: each says what to do next. Knows which of them pass when one tries again."""

import psycopg
from psycopg import errors as pg

from forebay.model.errors import (
    ConfigError,
    EngineError,
    EngineFull,
    EngineRefused,
    EngineUnreachable,
    ForebayError,
    OutcomeUnknown,
)

#: The connection is of no use any more, or was never made; another may be: the server restarts, fails over, is full.
_AWAY = (
    pg.AdminShutdown, pg.CrashShutdown, pg.CannotConnectNow, pg.TooManyConnections, pg.ReadOnlySqlTransaction,
    pg.IdleInTransactionSessionTimeout, pg.IdleSessionTimeout, pg.DatabaseDropped,
)  # fmt: skip
#: The transaction was in somebody's way; nothing of it happened.
_ASIDE = (pg.DeadlockDetected, pg.SerializationFailure)
#: A pooler gave the statement to a server that does not know it, or knows another one by that name.
_UNPREPARED = (pg.InvalidSqlStatementName, pg.DuplicatePreparedStatement)
#: Nothing gets better by itself: who connects is not let in.
_REFUSED = (
    pg.InvalidPassword, pg.InvalidAuthorizationSpecification, pg.InvalidCatalogName, pg.InsufficientPrivilege,
)  # fmt: skip
_MISSING = (pg.UndefinedTable, pg.UndefinedFunction, pg.UndefinedColumn, pg.InvalidSchemaName, pg.UndefinedObject)
_HELD = (
    ": another transaction, which stays open, has written what this needs (a unique key, an id, a message) or locks "
    "the table: let it end first, or enqueue within it (in_transaction=connection); `forebay doctor` says which it is"
)
_ENDED = ": lift that limit for this user (alter role … set statement_timeout = 0)"
#: What to do about what the server, or the way to it, has said; the first that fits.
_ADVICE = (
    (("statement pooling",), "set pool_mode = transaction, or session, for this database in pgbouncer.ini"),
    (("max_client_conn",),
     "run fewer processes, each takes up to four connections, or raise max_client_conn in pgbouncer.ini"),
    (("is disabled",), "enable it again in the console of PgBouncer (ENABLE), or name another database in the URL"),
    (("bouncer config error", "no such database"), "name a database that pgbouncer.ini has, or add it there"),
    (("unsupported startup parameter",),
     "take it out of the URL, or add it to ignore_startup_parameters in pgbouncer.ini"),
    (("does not support SSL",), "switch TLS on there (ssl = on), or, on a network you trust, say ?sslmode=disable"),
    (("does not match host name",),
     "write the host as the certificate names it, or have one made for this name"),
    (("valid client certificate", "alert unknown ca", "alert bad certificate", "alert certificate",
      "alert unsupported certificate"),
     "name a certificate of an authority that the server trusts, for today, and its key (?sslcert=FILE&sslkey=FILE)"),
    (("certificate authentication failed",),
     "name a certificate of this user (?sslcert=FILE&sslkey=FILE), or map its name to the user (pg_ident.conf)"),
    (("private key file",),
     "name the certificate's key (?sslkey=FILE), which nobody else may read (chmod 600); ?sslpassword= opens it"),
    (("could not read certificate file",), "name a certificate in PEM, which this process may read (?sslcert=FILE)"),
    (("certificate", "root.crt"),
     ("name the certificate that signed the server's (?sslrootcert=FILE), or, if that has expired, have it renewed; on "
      "a network you trust, ?sslmode=disable")),
    (("no pg_hba.conf entry", "pg_hba.conf rejects"),
     "let this user in from this host (pg_hba.conf), or name another user in the URL"),
    (("password authentication failed", "no password supplied"),
     "correct the user and the password in the URL, with what is special in a password as %XX"),
    (("authentication failed",), "correct the user in the URL, or how the server lets it in (pg_hba.conf)"),
    (("permission denied",), "this user needs rights; see docs/how-to/postgresql.md"),
    (("connections for role", "connections for database"),
     "run fewer processes, each takes up to four connections, or raise its connection limit"),
    (("connection slots", "too many clients", "too many connections"),
     "run fewer processes, each takes up to four connections, or raise max_connections"),
    (("not permitted to log in",), "let this user log in (alter role … login), or name another user in the URL"),
    (("not currently accepting connections", "invalid database"),
     "have it accept connections again, or name another database in the URL"),
    (('database "',), "create it (createdb), or correct its name in the URL"),
    (('role "',), "create that user, or correct the user in the URL"),
    (("resolve host", "translate host"), "correct the host in the URL"),
    (("starting up", "shutting down", "recovery mode", "not yet accepting"), "wait until the server has started"),
    (("read-only", "is not read-write"),
     "give the URL of the primary, if this is a standby; else set default_transaction_read_only = off"),
    (("refused", "No such file"), "is the server running there? start it, or correct host and port in the URL"),
    (("timeout", "timed out"),
     "see whether the server is up, and whether a firewall, a lock, or a pooler with no free connection is in the way"),
)  # fmt: skip
#: What the server, or the way to it, says to whom it will not let in, however often they try.
_SHUT = (
    "authentication failed", "does not exist", "no pg_hba.conf entry", "pg_hba.conf rejects", "not permitted to log in",
    "permission denied", "no password supplied", "certificate", "alert unknown ca", "private key file",
    "server does not support SSL", "statement pooling",
)  # fmt: skip
#: What is said to a user who may not do it.
RIGHTS = (
    "the user needs rights in the schema: `forebay doctor` as that user names them, docs/how-to/postgresql.md has them"
)
#: The server's table of locks is full, which has a place for each unique key until its transaction ends.
_LOCKS = "raise max_locks_per_transaction there, or publish fewer messages with unique keys in one transaction"
_NO_ROOM = (pg.DiskFull, pg.OutOfMemory, pg.ConfigurationLimitExceeded)


def away(error: BaseException) -> bool:
    """Whether the connection, or the server, is gone for now."""
    if isinstance(error, _AWAY):
        return True
    lost = isinstance(error, psycopg.OperationalError | psycopg.InterfaceError)
    state = getattr(error, "sqlstate", None)
    return lost and (state is None or str(state).startswith("08"))


def aside(error: BaseException) -> bool:
    """Whether the same again may well succeed."""
    return isinstance(error, _ASIDE)


def held(error: BaseException) -> bool:
    """Whether one of ours says that somebody's open transaction was in the way; nothing of it happened."""
    return isinstance(error.__cause__, pg.LockNotAvailable)


def unprepared(error: BaseException) -> bool:
    """Whether prepared statements do not work on this way to the server."""
    return isinstance(error, _UNPREPARED)


def for_good(error: BaseException) -> bool:
    """Whether one who cannot connect need not try again."""
    text = str(error)
    return isinstance(error, _REFUSED) or any(words in text for words in _SHUT)


def said(error: BaseException) -> str:
    """What an error says, in one line."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0] if lines else type(error).__name__


def unreachable(shown: str, error: BaseException) -> EngineUnreachable:
    """Nothing usable answers."""
    if isinstance(error, pg.InsufficientPrivilege):
        return EngineRefused(f"{shown}: {said(error)}", RIGHTS)
    kind = EngineRefused if for_good(error) else EngineUnreachable
    return kind(f"{shown} cannot be reached: {said(error)}", _advice(str(error)))


def _advice(text: str) -> str:
    return next((advice for words, advice in _ADVICE if any(word in text for word in words)), "")


def unknown(shown: str, error: BaseException) -> OutcomeUnknown:
    """It may have happened. What is tried again is told apart by its mark, its fence or its id."""
    return OutcomeUnknown(
        f"{shown} did not answer ({said(error)}), so that it may or may not have happened: it may be tried again, "
        "nothing is done twice"
    )


def unknown_publish(error: OutcomeUnknown) -> OutcomeUnknown:
    """Of that, what somebody hears who publishes."""
    ours = OutcomeUnknown(
        f"{str(error).partition(': it may be tried')[0]}: publish again with the same id, which is taken once"
    )
    ours.__cause__ = error.__cause__
    return ours


def translate(error: BaseException, shown: str) -> BaseException:
    """The error that a caller gets."""
    if isinstance(error, ForebayError) or not isinstance(error, Exception):
        return error
    ours = _translated(error, shown)
    ours.__cause__ = error
    return ours


def lent(error: BaseException, shown: str) -> BaseException:
    """As `translate`, of an error on a connection that is the caller's."""
    if isinstance(error, pg.InFailedSqlTransaction):
        ours: ForebayError = ConfigError("in_transaction=: the transaction on this connection has failed: roll it back")
    elif isinstance(error, pg.ReadOnlySqlTransaction):
        ours = ConfigError(f"in_transaction=: this connection only reads ({said(error)}): use one that writes")
    elif isinstance(error, (*_ASIDE, pg.LockNotAvailable)):
        ours = EngineError(
            f"{shown}: this transaction and another one are in each other's way ({said(error)}): roll it back, and "
            "begin it again"
        )
    else:
        return translate(error, shown)
    ours.__cause__ = error
    return ours


def _translated(error: Exception, shown: str) -> ForebayError:
    text = said(error)
    if isinstance(error, _NO_ROOM):
        advice = _LOCKS if "shared memory" in text else "make some"
        return EngineFull(f"{shown} has no room: {text}: {advice}, what was accepted is safe")
    if isinstance(error, _MISSING):
        return EngineError(f"{shown}: {text}: its schema is not as this Forebay made it: run `forebay doctor`")
    if isinstance(error, pg.InsufficientPrivilege):
        return unreachable(shown, error)
    if isinstance(error, psycopg.DataError | UnicodeError):
        return ConfigError(f"{shown} cannot store this: {text}: texts must be Unicode without NUL characters")
    if away(error):
        return unreachable(shown, error)
    return EngineError(f"{shown}: {text}{_ended(error)}")


def _ended(error: Exception) -> str:
    """What to do, where the server has ended a statement before it was done."""
    if isinstance(error, pg.LockNotAvailable):
        return _HELD
    return _ENDED if isinstance(error, pg.QueryCanceled) and "statement timeout" in str(error) else ""
