"""The schema's versions: numbered files in `migrations/`, applied in order, in one transaction.

A new file begins with what they come to, in `migrations/whole/`: that is a sixth of the work. `tools/whole_schema.py`
writes it; where it is behind, the migrations after it follow. A file that they do not fit stays as it was.
"""

from collections.abc import Callable
from functools import cache

import apsw

from forebay.engine.sqlite.errors import translate
from forebay.engine.sqlite.shape import lacking
from forebay.engine.texts import texts
from forebay.model.errors import EngineUnreachable, SchemaTooNew, SchemaTooOld, no_text

#: Marks a file as ours ("Frby"), so that nobody's other database is migrated by mistake.
APPLICATION_ID = 0x46726279
#: What becomes of a file that was made by a version before the first release, and fits no migration.
MOVE = "use another file, and have the Forebay that made it move its messages there (`forebay move`)"


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
        SchemaTooOld: it is older, and `migrate` is off, or it was never released.
    """
    found = version(db, path)
    if found > newest():
        raise SchemaTooNew(
            f"{path} has schema {found}, this Forebay knows up to {newest()}: upgrade Forebay, or use another file"
        )
    if 0 < found < newest() and not migrate:
        raise SchemaTooOld(f"{path} has schema {found} of {newest()}: run `forebay migrate`")
    if found == newest():
        return
    db.execute("begin immediate")
    try:
        _migrate(db, path, found)
        db.execute("commit")
    except BaseException:
        db.execute("rollback")
        raise


def flaw(db: apsw.Connection) -> str:
    """What a file of the newest version lacks of it, as text; empty for one that is as it should be."""
    parts = lacking(db, "".join(text for _, text in migrations()))
    more = f" and {len(parts) - 3} more" if len(parts) > 3 else ""
    return ", ".join(parts[:3]) + more


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
    if isinstance(error, UnicodeEncodeError):
        return no_text(error)
    if isinstance(error, apsw.SQLError):
        try:
            check_still(found(), path)
        except (SchemaTooNew, apsw.Error) as newer:
            return newer if isinstance(newer, SchemaTooNew) else translate(error, path)
    return translate(error, path)


def _migrate(db: apsw.Connection, path: str, found: int) -> None:
    new = not found and whole()[0] <= newest()
    try:
        steps = [whole()] if new else []
        steps += [(number, text) for number, text in migrations() if number > (whole()[0] if new else found)]
        for _, statements in steps:
            db.execute(statements)
    except apsw.SQLError as error:
        raise _never_released(path, found, str(error)) from error
    if found and (lacks := flaw(db)):
        raise _never_released(path, found, f"it would lack {lacks}")
    db.execute(f"pragma application_id = {APPLICATION_ID}")
    db.execute(f"pragma user_version = {newest()}")


def _never_released(path: str, found: int, why: str) -> SchemaTooOld:
    return SchemaTooOld(
        f"{path} has a schema {found} from before the first release, which cannot be brought up to date ({why}): "
        f"nothing was changed; {MOVE}"
    )
