"""The rows of the messages that wait for the provider, as the engine keeps them, for they must not change meanwhile."""

from collections.abc import Callable
from typing import Any

from benchmarks.scenarios.judge import UNRELATED

#: Answers the row of each message of the provider, as text, by its id.
Look = Callable[[], dict[str, str]]


def looks_at(url: str, namespace: str) -> Look:
    """How to look at the rows of an engine.

    Raises:
        ValueError: there is no way for this engine.
    """
    scheme, _, rest = url.partition("://")
    if scheme == "sqlite":
        return _sqlite(rest.partition("?")[0].removeprefix("/"))
    if scheme.startswith("postgres"):
        return _postgres(url, namespace)
    raise ValueError(f"rows of {scheme} cannot be looked at: use SQLite or PostgreSQL")


def _sqlite(file: str) -> Look:
    import apsw

    def look() -> dict[str, str]:
        connection = apsw.Connection(file, flags=apsw.SQLITE_OPEN_READONLY)
        try:
            found = connection.execute("select id, * from message where task not like ?", (f"%{UNRELATED}",))
            return {str(row[0]): repr(row[1:]) for row in found}
        finally:
            connection.close()

    return look


def _postgres(url: str, namespace: str) -> Look:
    import psycopg
    from psycopg import sql

    # ctid and xmin change with each version of a row, even where its columns do not
    statement = sql.SQL("select id, ctid::text, xmin::text, m::text from {} m where task not like {}").format(
        sql.Identifier(namespace, "message"), sql.Literal(f"%{UNRELATED}")
    )

    def look() -> dict[str, str]:
        with psycopg.connect(url) as connection:
            rows: list[Any] = connection.execute(statement).fetchall()
            return {str(row[0]): repr(row[1:]) for row in rows}

    return look


def forget(url: str, namespace: str) -> None:
    """Leave nothing of the scenario on a server."""
    if url.startswith("postgres"):
        import psycopg
        from psycopg import sql

        with psycopg.connect(url) as connection:
            connection.execute(sql.SQL("drop schema if exists {} cascade").format(sql.Identifier(namespace)))
    elif url.startswith("redis"):
        import redis

        with redis.Redis.from_url(url) as server:
            for key in server.scan_iter(match=f"{{{namespace}}}:*", count=1000):
                server.unlink(key)
