"""The ways in which a user's program comes to a transaction in PostgreSQL, by library; each committed at its end.

A way is called with the URL of a server and gives a `Lent`: the connection to enqueue with, a function that executes
SQL on it, and one that opens a savepoint. The asynchronous ones are the same, asynchronously.
"""

from contextlib import asynccontextmanager, contextmanager
from typing import Any, NamedTuple

import asyncpg
import django
import psycopg
import psycopg2
import sqlalchemy as sa
from django.conf import settings as django_settings
from psycopg.conninfo import conninfo_to_dict
from sqlalchemy.ext.asyncio import AsyncSession, async_scoped_session, create_async_engine
from sqlalchemy.orm import Session, scoped_session, sessionmaker


class Lent(NamedTuple):
    connection: Any
    execute: Any
    savepoint: Any


def named(url, driver):
    """A URL of SQLAlchemy's."""
    return url.replace("postgresql://", f"postgresql+{driver}://")


@contextmanager
def by_psycopg(url):
    with psycopg.connect(url) as db:
        yield Lent(db, db.execute, db.transaction)


@contextmanager
def by_psycopg_autocommit(url):
    with psycopg.connect(url, autocommit=True) as db, db.transaction():
        yield Lent(db, db.execute, db.transaction)


@contextmanager
def by_psycopg2(url):
    db = psycopg2.connect(url)
    try:
        with db, db.cursor() as cursor:
            yield Lent(db, cursor.execute, lambda: _by_hand(cursor.execute))
    finally:
        db.close()


@contextmanager
def _by_hand(execute):
    execute("savepoint theirs")
    try:
        yield
    except BaseException:
        execute("rollback to savepoint theirs")
        raise


@contextmanager
def by_sqlalchemy(url, driver="psycopg"):
    engine = sa.create_engine(named(url, driver), poolclass=sa.NullPool)
    with engine.begin() as db:
        yield Lent(db, lambda text: db.execute(sa.text(text)), db.begin_nested)


@contextmanager
def by_session(url, driver="psycopg"):
    with Session(sa.create_engine(named(url, driver), poolclass=sa.NullPool)) as session:
        yield Lent(session, lambda text: session.execute(sa.text(text)), session.begin_nested)
        session.commit()


@contextmanager
def by_scoped_session(url):
    session = scoped_session(sessionmaker(sa.create_engine(named(url, "psycopg"), poolclass=sa.NullPool)))
    try:
        yield Lent(session, lambda text: session.execute(sa.text(text)), session.begin_nested)
        session.commit()
    finally:
        session.remove()


def by_sqlalchemy_psycopg2(url):
    return by_sqlalchemy(url, "psycopg2")


def django_database(url):
    """Django's own connection to it."""
    told = conninfo_to_dict(url)
    if not django_settings.configured:
        place = {"ENGINE": "django.db.backends.postgresql", "NAME": told["dbname"], "USER": told["user"]}
        lite = {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}
        place |= {"HOST": told["host"], "PORT": told["port"]}
        django_settings.configure(DATABASES={"default": place, "lite": lite}, USE_TZ=True)
        django.setup()
    from django.db import connection

    return connection


@contextmanager
def by_django(url):
    connection = django_database(url)
    from django.db import transaction

    def execute(text):
        with connection.cursor() as cursor:
            cursor.execute(text)

    try:
        with transaction.atomic():
            yield Lent(connection, execute, transaction.atomic)
    finally:
        connection.close()


WAYS = (
    *(by_psycopg, by_psycopg_autocommit, by_psycopg2, by_sqlalchemy, by_sqlalchemy_psycopg2, by_session),
    *(by_scoped_session, by_django),
)


@asynccontextmanager
async def by_async_psycopg(url):
    async with await psycopg.AsyncConnection.connect(url) as db:
        yield Lent(db, db.execute, db.transaction)


@asynccontextmanager
async def by_asyncpg(url):
    db = await asyncpg.connect(url)
    try:
        async with db.transaction():
            yield Lent(db, db.execute, db.transaction)
    finally:
        await db.close()


@asynccontextmanager
async def by_asyncpg_pool(url):
    async with asyncpg.create_pool(url, min_size=1, max_size=1) as pool, pool.acquire() as db, db.transaction():
        yield Lent(db, db.execute, db.transaction)


@asynccontextmanager
async def by_async_sqlalchemy(url, driver="psycopg"):
    engine = create_async_engine(named(url, driver), poolclass=sa.NullPool)
    async with engine.begin() as db:
        yield Lent(db, lambda text: db.execute(sa.text(text)), db.begin_nested)


def by_sqlalchemy_asyncpg(url):
    return by_async_sqlalchemy(url, "asyncpg")


@asynccontextmanager
async def by_async_session(url, driver="psycopg"):
    async with AsyncSession(create_async_engine(named(url, driver), poolclass=sa.NullPool)) as session:
        yield Lent(session, lambda text: session.execute(sa.text(text)), session.begin_nested)
        await session.commit()


def by_session_asyncpg(url):
    return by_async_session(url, "asyncpg")


@asynccontextmanager
async def by_async_scoped_session(url):
    engine = create_async_engine(named(url, "psycopg"), poolclass=sa.NullPool)
    from sqlalchemy.ext.asyncio import async_sessionmaker

    session = async_scoped_session(async_sessionmaker(engine), scopefunc=lambda: "one")
    try:
        yield Lent(session, lambda text: session.execute(sa.text(text)), session.begin_nested)
        await session.commit()
    finally:
        await session.remove()


ASYNC_WAYS = (
    *(by_async_psycopg, by_asyncpg, by_asyncpg_pool, by_async_sqlalchemy, by_sqlalchemy_asyncpg, by_async_session),
    *(by_session_asyncpg, by_async_scoped_session),
)
