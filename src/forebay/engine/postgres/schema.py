"""The schema's versions: numbered files in `migrations/`, applied in order, under a lock, in one transaction."""

from functools import cache

import psycopg

from forebay.engine.postgres.address import Address
from forebay.engine.postgres.wire import Wire
from forebay.engine.texts import texts
from forebay.model.errors import EngineRefused, SchemaTooNew, SchemaTooOld

#: What two processes that migrate at the same time contend for ("Frby").
LOCK = 0x46726279
#: Who was given a schema may not make one, and PostgreSQL asks for that right even `if not exists`.
_SCHEMA = """\
do $$ begin
    if to_regnamespace('"{0}"') is null then create schema if not exists "{0}"; end if;
end $$;
"""
#: What becomes of a schema that was never released.
MOVE = "use another namespace, and have the Forebay that made it move its messages there (`forebay move`)"


@cache
def migrations() -> list[tuple[int, str]]:
    """Version and SQL of each migration, oldest first."""
    return sorted((int(name[:4]), text) for name, text in texts(__name__, "migrations", ".sql").items())


def newest() -> int:
    """The version this Forebay writes."""
    return migrations()[-1][0]


def oldest() -> int:
    """The first version that can be brought up to date; those before it were never released."""
    return migrations()[0][0]


def script(address: Address, after: int = 0) -> str:
    """All that brings a schema of version `after` up to date, as one SQL text: run it as one transaction (psql -1)."""
    steps = [] if after else [_SCHEMA.format(address.schema)]
    for number, text in migrations():
        if number > after:
            done = address.sql("insert into forebay.version (version)")
            steps.append(f"{address.sql(text)}\n{done} values ({number});\n")
    return "".join(steps)


def version(wire: Wire, address: Address) -> int:
    """The version of the schema; 0 if there is none.

    Raises:
        EngineRefused: the schema is somebody else's.
    """
    holds = "select 1 from pg_class where relnamespace = to_regnamespace($1)::oid limit 1"
    if not wire.rows(holds, (f'"{address.schema}"',)):
        return 0
    table = f'"{address.schema}".version'  # looked for after that: ours is made all at once
    if not wire.rows("select to_regclass($1)", (table,))[0][0]:
        raise EngineRefused(
            f"{address.shown}: the schema {address.schema} is another program's: choose another namespace"
        )
    return int(wire.rows(address.sql("select max(version) from forebay.version"))[0][0] or 0)


def check(wire: Wire, address: Address, *, migrate: bool) -> None:
    """Bring the schema up to date, or say why not.

    Raises:
        SchemaTooNew: a newer Forebay wrote it.
        SchemaTooOld: it is older, and `migrate` is off, or it was never released.
        EngineRefused: the database cannot be used.
    """
    encoding = wire.rows("show server_encoding")[0][0]
    if encoding != "UTF8":
        raise EngineRefused(f"{address.shown} stores texts as {encoding}: use a database with encoding UTF8")
    found = version(wire, address)
    check_known(found, address)
    if found == newest():
        return
    if not migrate:
        raise SchemaTooOld(
            f"{address.shown} has schema {found} of {newest()}: run `forebay migrate`, or what "
            "`forebay migrate --dump-sql` prints"
        )
    _migrate(wire, address)


def _migrate(wire: Wire, address: Address) -> None:
    wire.begin()
    wire.rows("select pg_advisory_xact_lock($1)", (LOCK,))
    found = version(wire, address)  # somebody else may have been first
    check_known(found, address)
    try:
        wire.script(script(address, found) if found < newest() else "select 1")
    except psycopg.errors.InsufficientPrivilege as error:
        raise SchemaTooOld(
            f"{address.shown} has schema {found} of {newest()}, and this user may not change it ({error}): run what "
            "`forebay migrate --dump-sql` prints as one who may"
        ) from error
    wire.commit()


def check_known(found: int, address: Address) -> None:
    """Whether a schema of that version, or 0 for none yet, can be used, or brought up to date.

    Raises:
        SchemaTooNew: a newer Forebay wrote it.
        SchemaTooOld: it was never released.
    """
    if found > newest():
        raise SchemaTooNew(
            f"{address.shown} has schema {found}, this Forebay knows up to {newest()}: upgrade Forebay, or use another "
            "namespace"
        )
    if 0 < found < oldest():
        raise SchemaTooOld(f"{address.shown} has schema {found}, from before the first release: {MOVE}")
