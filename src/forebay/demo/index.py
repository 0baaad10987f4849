"""What was counted, in a SQLite file of its own: a row per file, a row per finished package.

Safe to call from any number of processes, at any time, and as often as one likes: rows are replaced, never added to.
"""

import contextlib
import sqlite3
from collections.abc import Generator, Sequence
from pathlib import Path

import msgspec

from forebay.demo.count import Count

_SCHEMA = (
    "create table if not exists file (path text primary key, package text, count blob)",
    "create index if not exists file_package on file (package)",
    "create table if not exists package (name text primary key, count blob)",
)
_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Count).decode


class Counted(msgspec.Struct, frozen=True):
    """One file's count on its way to the index, with how many files its package has."""

    path: str
    package: str
    of: int
    count: Count


class Index:
    """The index at `path`; its file is made when it is first used."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def keep(self, counted: Sequence[Counted]) -> list[str]:
        """Keep counts, all or none; those of their packages that are complete now."""
        rows = [(one.path, one.package, _encode(one.count)) for one in counted]
        sizes = {one.package: one.of for one in counted}
        with self._transaction() as db:
            db.executemany("insert or replace into file values (?, ?, ?)", rows)
            return [package for package, of in sizes.items() if _files(db, package) == of]

    def counts(self, package: str) -> list[Count]:
        """The counts of a package's files."""
        with self._transaction() as db:
            rows = db.execute("select count from file where package = ? order by path", (package,))
            return [_decode(count) for (count,) in rows]

    def summarise(self, package: str, count: Count) -> None:
        """Keep the count of a whole package."""
        with self._transaction() as db:
            db.execute("insert or replace into package values (?, ?)", (package, _encode(count)))

    def packages(self) -> dict[str, Count]:
        """The packages that are finished."""
        with self._transaction() as db:
            return {name: _decode(count) for name, count in db.execute("select name, count from package order by name")}

    @contextlib.contextmanager
    def _transaction(self) -> Generator[sqlite3.Connection]:
        """A connection of its own for each use, so that threads and processes need no care."""
        with contextlib.closing(sqlite3.connect(self._path, timeout=30, isolation_level=None)) as db:
            db.execute("begin immediate")
            for statement in _SCHEMA:
                db.execute(statement)
            yield db
            db.execute("commit")


def _files(db: sqlite3.Connection, package: str) -> int:
    (files,) = db.execute("select count(*) from file where package = ?", (package,)).fetchone()
    return int(files)
