"""The schema's versions: numbered files in `migrations/`, applied in order, each in a transaction of its own.

A new file begins with what they come to, in `migrations/whole/`: that is a sixth of the work. `tools/whole_schema.py`
writes it; where it is behind, the migrations after it follow.
"""

from collections.abc import Callable
from functools import cache

import apsw

from forebay.engine.sqlite.errors import translate
from forebay.engine.texts import texts
from forebay.model.errors import EngineUnreachable, SchemaTooNew, SchemaTooOld

#: Marks a file as ours ("Frby"), so that nobody's other database is migrated by mistake.
APPLICATION_ID = 0x46726279


@cache
def migrations() -> list[tuple[int, str]]:
    """Version and SQL of each migration, oldest first; read once, as `rows.statements`."""
    return sorted((int(name[:4]), text) for name, text in texts(__name__, "migrations", ".sql").items())


@cache
def whole() -> tuple[int, str]:
    """The schema of a new file, and its version."""
    ((name, text),) = texts(__name__, "migrations/whole", ".sql").items()
    return int(name), text


def newest() -> int:
    """The version this Forebay writes."""
    return migrations()[-1][0]


def version(db: apsw.Connection, path: str) -> int:
    """The file's version; 0 if it is new.

    Raises:
        EngineUnreachable: it is a database of another program.
    """
    found = int(db.execute("pragma user_version").get)
    ours = int(db.execute("pragma application_id").get) == APPLICATION_ID
    if not ours and db.execute("select count(*) from sqlite_schema").get:
        raise EngineUnreachable(f"{path} is a database of another program; choose another path for Forebay")
    return found if ours else 0


def check(db: apsw.Connection, path: str, migrate: bool) -> None:
    """Bring the schema up to date, or say why not. Call it under the write lock.

    Raises:
        SchemaTooNew: a newer Forebay wrote it.
        SchemaTooOld: it is older, and `migrate` is off.
    """
    found = version(db, path)
    if found > newest():
        raise SchemaTooNew(
            f"{path} has schema {found}, this Forebay knows up to {newest()}: upgrade Forebay, or use another file"
        )
    if 0 < found < newest() and not migrate:
        raise SchemaTooOld(f"{path} has schema {found} of {newest()}: run `forebay migrate`")
    if not found and whole()[0] <= newest():
        found = whole()[0]
        _apply(db, *whole())
    for number, statements in migrations():
        if number > found:
            _apply(db, number, statements)


def check_still(found: int, path: str) -> None:
    """Whether a file that is open still has a version that this Forebay knows.

    Raises:
        SchemaTooNew: a newer Forebay has migrated it since.
    """
    if found > newest():
        raise SchemaTooNew(
            f"{path} was migrated to schema {found} by a newer Forebay while it was open here, and this one knows up "
            f"to {newest()}: upgrade Forebay, and start this process again"
        )


def explain(error: BaseException, found: Callable[[], int], path: str) -> BaseException:
    """As `translate`; a statement that does not fit the file any more says why, if that is its version."""
    if isinstance(error, apsw.SQLError):
        try:
            check_still(found(), path)
        except (SchemaTooNew, apsw.Error) as newer:
            return newer if isinstance(newer, SchemaTooNew) else translate(error, path)
    return translate(error, path)


def _apply(db: apsw.Connection, number: int, statements: str) -> None:
    db.execute("begin immediate")
    try:
        db.execute(statements)
        db.execute(f"pragma application_id = {APPLICATION_ID}")
        db.execute(f"pragma user_version = {number}")
        db.execute("commit")
    except BaseException:
        db.execute("rollback")
        raise
