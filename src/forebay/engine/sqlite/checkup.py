"""What is wrong with a database file, read without changing it: whose it is, its version, whether it is whole.

Opens the file for reading only. Never migrates, repairs or creates.
"""

import platform
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import apsw

from forebay.config import Settings
from forebay.engine.sqlite import mark, place, schema
from forebay.engine.sqlite.address import path_of
from forebay.engine.sqlite.errors import there, translate
from forebay.engine.sqlite.guard import Guard
from forebay.engine.sqlite.opened import BUSY_TIMEOUT, refuse
from forebay.engine.sqlite.rows import LIVE_STATES, sql, text
from forebay.model.errors import EngineUnreachable
from forebay.model.finding import Finding, Level, fail, fine, warn

#: The first SQLite without the bug that could lose what a checkpoint and a commit did at the same time.
SOUND = (3, 51, 3)
#: Bytes of write-ahead log beyond which somebody must be keeping it from being worked off.
LONG_LOG = 128_000_000
#: Findings without which nothing else can be asked.
NEEDED = frozenset({"file", "database", "schema"})


def versions(settings: Settings) -> tuple[int, int]:
    """The schema version of the file, 0 if there is none yet, and the one that this Forebay writes.

    Raises:
        EngineUnreachable: it is no database of ours.
    """
    path = path_of(settings.url)
    if not there(path):
        return 0, schema.newest()
    if path.is_dir():
        raise EngineUnreachable(f"{path}: it is a folder: name a file in it")
    try:
        db = _connect(path)
        try:
            return schema.version(db, str(path)), schema.newest()
        finally:
            db.close()
    except apsw.Error as error:
        raise EngineUnreachable(str(translate(error, str(path)))) from error


def examine(settings: Settings, *, deep: bool = True) -> Iterator[Finding]:
    """All findings about the file; ends early when it cannot be used at all.

    Args:
        deep: also read the whole file: its structure, and that the numbers of `depth` are those of the messages.
    """
    path = path_of(settings.url)
    try:
        there(path)
    except EngineUnreachable as error:
        yield fail("file", str(error), "run as a user who may, or name another file")
        return
    for found in place.look(path):
        yield found
        if found.level is Level.FAIL and found.check in NEEDED:
            return
    if (refused := _refused(path)) is not None:
        yield refused
        return
    try:
        db = _connect(path)
        try:
            yield from _database(db, path, settings, deep=deep)
        finally:
            db.close()
    except apsw.Error as error:
        check = "integrity" if isinstance(error, apsw.CorruptError) else "database"
        yield fail(check, str(translate(error, str(path))), "restore it from a backup, or choose another path")


def _refused(path: Path) -> Finding | None:
    """What keeps the file from being opened, if something does: the same that an app is told."""
    held = Guard(path)
    try:
        place.check_header(path, held.header())
        refuse(path, held)
    except EngineUnreachable as error:
        return fail("database", str(error), "then run `forebay doctor` again")
    finally:
        held.close()
    return None


def _connect(path: Path) -> apsw.Connection:
    db = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)
    db.set_busy_timeout(BUSY_TIMEOUT)
    return db


def _database(db: apsw.Connection, path: Path, settings: Settings, *, deep: bool) -> Iterator[Finding]:
    yield _library()
    found = _schema(db, path, settings)
    yield found
    if found.level is not Level.OK:
        return
    yield _mark(db, path)
    yield _durability(db, settings)
    yield _log(path)
    yield from _strays(db)
    if settings.max_size:
        yield _size(db, settings.max_size)
    if deep:
        yield _structure(db)
        yield _tallies(db)


def _library() -> Finding:
    text = f"SQLite {apsw.sqlite_lib_version()} by apsw {apsw.apsw_version()}, Python {platform.python_version()}"
    if tuple(int(part) for part in apsw.sqlite_lib_version().split(".")[:3]) < SOUND:
        return fail("sqlite", f"{text}: it may lose commits at a checkpoint", "pip install --upgrade apsw")
    return fine("sqlite", text)


def _schema(db: apsw.Connection, path: Path, settings: Settings) -> Finding:
    try:
        found, newest = schema.version(db, str(path)), schema.newest()
    except EngineUnreachable as error:
        return fail("database", str(error), "name another file")
    if found > newest:
        return fail("schema", f"version {found}, this Forebay knows up to {newest}", "upgrade Forebay")
    if found == newest and (lacks := schema.flaw(db)):
        return fail(
            "schema", f"version {found}, but it lacks {lacks}: it is from before the first release", schema.MOVE
        )
    if found == newest:
        return fine("schema", f"version {found}, the newest")
    by_itself = "or let the next worker do it" if settings.migrate else "nothing can be opened before"
    return warn("schema", f"version {found} of {newest}", f"run `forebay migrate`, {by_itself}")


def _mark(db: apsw.Connection, path: Path) -> Finding:
    if missing := mark.missing(db, path):
        text = f"{missing:,} messages that were accepted or ended are missing"
        advice = f"put the file and its -wal back as they were; or delete {path.name}-mark to go on with what is there"
        return fail("mark", text, advice)
    return fine("mark", "nothing is missing that was there before")


def _durability(db: apsw.Connection, settings: Settings) -> Finding:
    mode = str(db.pragma("journal_mode"))
    if mode != "wal":
        return warn("durability", f"journal mode {mode} instead of wal", "the next process that opens it sets it right")
    if settings.durability == "normal":
        return fine("durability", "normal: the last commits may be lost with the power, never with a process")
    return fine("durability", "full: what was accepted survives power loss")


def _strays(db: apsw.Connection) -> Iterator[Finding]:
    if db.execute(sql("strays")).fetchall():
        text = "messages run under workers that have no row, so that nobody renews their lease"
        yield warn("running", text, "any running worker makes them ready again: start one")


def _log(path: Path) -> Finding:
    log = Path(f"{path}-wal")
    size = log.stat().st_size if log.exists() else 0
    text = f"write-ahead log of {size / 1e6:,.1f} MB"
    if size > LONG_LOG:
        return warn("log", text, "some program holds a read transaction open: end it (a shell? a backup?)")
    return fine("log", text)


def _size(db: apsw.Connection, most: int) -> Finding:
    pages = int(db.pragma("page_count")) - int(db.pragma("freelist_count"))
    used = pages * int(db.pragma("page_size"))
    text = f"{used / 1e6:,.1f} MB of max_size {most / 1e6:,.1f} MB in use"
    if used >= most:
        return fail("size", f"{text}: new messages are refused", "let the workers catch up, or raise max_size")
    return (
        warn("size", text, "let the workers catch up, or raise max_size") if used > 0.8 * most else fine("size", text)
    )


def _structure(db: apsw.Connection) -> Finding:
    answers = [str(answer) for (answer,) in db.execute("pragma integrity_check(5)")]
    if answers == ["ok"]:
        return fine("integrity", "the file is whole")
    advice = "stop the workers, keep a copy of the file, and restore it (sqlite3 FILE .recover)"
    return fail("integrity", f"damaged: {'; '.join(' '.join(answer.split()) for answer in answers)}", advice)


#: Differences that are told one by one.
_TOLD = 5


def _tallies(db: apsw.Connection) -> Finding:
    """The numbers that `depth` reads, held against the messages themselves, both as of one moment."""
    db.execute("begin")
    try:
        live: list[Any] = db.execute(
            "select cast(queue as blob), state, count(*) from message group by queue, state"
        ).fetchall()
        dead: list[Any] = db.execute("select cast(queue as blob), 'dead', count(*) from dead group by queue").fetchall()
        told: list[Any] = db.execute("select cast(queue as blob), cast(name as blob), n from tally").fetchall()
    finally:
        db.execute("rollback")
    names: dict[int, str] = {number: str(state) for number, state in enumerate(LIVE_STATES)}
    odd = sum(n for _, state, n in live if state not in names)
    if odd:
        advice = "look at them with `forebay messages`, and cancel them"
        return fail("numbers", f"{odd:,} messages in a state that does not exist: Forebay did not write them", advice)
    counted = {(text(queue), names[state]): n for queue, state, n in live}
    counted |= {(text(queue), name): n for queue, name, n in dead}
    kept = {(text(queue), text(name)): n for queue, name, n in told}
    return _compared(counted, kept)


def _compared(counted: dict[tuple[str, str], int], kept: dict[tuple[str, str], int]) -> Finding:
    names = {*LIVE_STATES, "dead"}
    off = [key for key in counted.keys() | kept.keys() if key[1] in names and counted.get(key, 0) != kept.get(key, 0)]
    if not off:
        return fine("numbers", f"{sum(counted.values()):,} messages, as many as the queues say")
    told = [f"{q}: {kept.get((q, name), 0)} {name} told, {counted.get((q, name), 0)} there" for q, name in sorted(off)]
    more = f", and {len(told) - _TOLD:,} more" if len(told) > _TOLD else ""
    advice = "unless another program wrote into the file, this is a bug in Forebay: please report it with this line"
    return fail("numbers", ", ".join(told[:_TOLD]) + more, advice)
