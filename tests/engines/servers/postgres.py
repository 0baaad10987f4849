"""The PostgreSQL that `tools/services` has started, for tests: a namespace of its own, empty if asked for."""

import atexit
import os
from contextlib import contextmanager
from functools import cache

from engines.servers import warm
from engines.servers.found import needed
from forebay.config import Settings

NAMESPACE = f"test_{os.getpid()}"


def settings(**more):
    """Settings for the namespace of this process."""
    return Settings(url=needed("postgres"), namespace=NAMESPACE, **more)


def connect(**more):
    """A connection of a user's own to that database; committed when it is left without an error."""
    import psycopg

    return psycopg.connect(needed("postgres"), **more)


def run(text, values=()):
    """A statement, committed; its rows. The namespace is called forebay in it."""
    import psycopg

    with psycopg.connect(needed("postgres"), autocommit=True) as db:
        cursor = db.execute(text.replace("forebay.", f'"{NAMESPACE}".'), values)
        return cursor.fetchall() if cursor.description else []


#: All tables but that of the version, which stays. First the messages, for what goes there is accounted for elsewhere.
_EACH = f"""
do $$ declare it regclass; begin
    for it in select oid from pg_class where relkind = 'r' and relname <> 'version'
            and relnamespace = '"{NAMESPACE}"'::regnamespace order by relname <> 'message' loop
        {{}}
    end loop;
end $$
"""
#: To delete some rows takes less than a new file; what has grown for that gets one. Most tables were never touched.
_EMPTIED = _EACH.format("""
        continue when pg_relation_size(it) = 0;
        execute format(case when pg_relation_size(it) > 1000000 then 'truncate %s' else 'delete from %s' end, it);
""")


@cache
def _made():
    from forebay.engine.postgres import build
    from forebay.model.clock import SystemClock

    drop()
    build(settings(), SystemClock())._db.open()
    atexit.register(drop)


@cache
def _kept():
    """A connection that is kept from test to test: a session of its own takes PostgreSQL longer than what it is for."""
    db = connect(autocommit=True)
    atexit.register(db.close)
    return db


def _tell(text):
    import psycopg

    try:
        _kept().execute(text)
    except psycopg.OperationalError:
        if not _kept().closed:
            raise
        _kept.cache_clear()  # a test has ended all sessions
        _kept().execute(text)


def empty(**more):
    """Settings for that namespace with nothing in it, and with no session of an earlier test."""
    warm.let_go()
    return _emptied(more)


@contextmanager
def emptied(**more):
    """Such settings; engines that are opened meanwhile use sessions of earlier tests, see `warm`."""
    with warm.sessions():
        yield _emptied(more)


def _emptied(more):
    made = settings(**more)
    _made()
    _tell(_EMPTIED)
    return made


def drop():
    """Take the namespace away."""
    run(f'drop schema if exists "{NAMESPACE}" cascade')
