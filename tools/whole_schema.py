"""Write the schema of a new SQLite file: what all migrations come to. Run it after a migration was added."""

from pathlib import Path

import apsw

from forebay.engine.sqlite import schema

FOLDER = Path(schema.__file__).parent / "migrations" / "whole"
_HEAD = "-- what all migrations up to this one come to, for a new file; written by tools/whole_schema.py\n"


def migrated(version: int) -> apsw.Connection:
    """A database in memory that went through all migrations up to this one."""
    db = apsw.Connection(":memory:")
    for number, statements in schema.migrations():
        if number <= version:
            db.execute(statements)
    return db


def contents(db: apsw.Connection) -> dict[tuple[str, str], tuple[str, int]]:
    """What a database consists of, in the order in which it was made: kind and name, its SQL, and rows in a table."""
    made = db.execute("select type, name, sql from sqlite_schema where name not like 'sqlite_%' order by rowid")
    return {(kind, name): (sql, _rows(db, name) if kind == "table" else 0) for kind, name, sql in made}


def _rows(db: apsw.Connection, table: str) -> int:
    return int(db.execute(f'select count(*) from "{table}"').get)  # noqa: S608 - a name out of the schema


def text() -> str:
    """The file's text.

    Raises:
        ValueError: a migration puts rows into a new file, and this knows tables only.
    """
    found = contents(migrated(schema.newest()))
    if any(rows for _, rows in found.values()):
        raise ValueError("a migration puts rows into a new file: have this tool write them")
    return _HEAD + "".join(f"{sql};\n" for sql, _ in found.values())


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for path in FOLDER.iterdir():
        path.unlink()
    (FOLDER / f"{schema.newest():04}.sql").write_text(text(), "utf-8")
