"""A copy of a database, made while workers run: as of one moment, whole, and looked at before it has its name.

It is written beside its place under another name first, so that nothing half is ever taken for a copy. Nobody waits
for it: SQLite reads a state and lets others write.
"""

import contextlib
import os
import secrets
import time
from pathlib import Path

import apsw
import msgspec

from forebay.config import Settings
from forebay.engine.sqlite import mark, schema
from forebay.engine.sqlite.address import path_of
from forebay.engine.sqlite.errors import there, translate
from forebay.model.errors import ConfigError, EngineError, EngineUnreachable

_BUSY_TIMEOUT = 10_000
_BESIDE = ("-wal", "-shm", "-journal", "-lock", "-mark")


class Copied(msgspec.Struct, frozen=True):
    """A copy that was made. `missing`: messages that the source itself has lost, as its mark says."""

    source: str
    target: str
    bytes: int
    messages: int
    schema: int
    missing: int
    seconds: float


def backup(settings: Settings, target: Path, *, force: bool = False) -> Copied:
    """Copy the file of `settings`; an existing target is replaced only if `force`.

    Raises:
        ConfigError: the target cannot be used.
        EngineUnreachable: there is no source, or it cannot be read.
        EngineError: the copy could not be written, or is not whole; there is none then.
    """
    source, started = path_of(settings.url), time.monotonic()
    if not there(source) or not (source.is_file() or source.is_dir()):
        raise EngineUnreachable(f"{source}: no such file: name the app with -A or the file with --url")
    if source.is_dir():
        raise EngineUnreachable(f"{source}: it is a folder: name a file in it")
    try:
        _check(source, target, force=force)
    except OSError as error:
        raise ConfigError(
            f"{target}: it cannot be looked for: {error.strerror or error}; choose another place"
        ) from error
    part = target.with_name(f".{target.name}.{secrets.token_hex(4)}")
    try:
        copied = _copy(source, part)
        _give_name(part, target, force=force)
    except apsw.Error as error:
        raise translate(error, str(source)) from error
    except OSError as error:
        raise EngineError(f"{target}: it cannot be written: {error.strerror or error}; choose another place") from error
    finally:
        for suffix in ("", *_BESIDE):
            with contextlib.suppress(OSError):
                Path(f"{part}{suffix}").unlink()
    took = round(time.monotonic() - started, 3)
    return msgspec.structs.replace(copied, source=str(source), target=str(target), seconds=took)


def _check(source: Path, target: Path, *, force: bool) -> None:
    if target.is_dir():
        raise ConfigError(f"{target} is a folder: name the file that the copy shall be")
    if not target.absolute().parent.is_dir():
        raise ConfigError(f"{target.parent}: there is no such folder: create it first, or choose another place")
    names = {Path(os.path.realpath(f"{source}{suffix}")) for suffix in ("", *_BESIDE)}
    if Path(os.path.realpath(target)) in names or (target.exists() and target.samefile(source)):
        raise ConfigError(f"{target} belongs to the database itself: choose another name")
    if target.exists() and not force:
        raise ConfigError(f"{target} exists: choose another name, or say --force to replace it")
    if beside := [suffix for suffix in ("-wal", "-journal") if Path(f"{target}{suffix}").exists()]:
        raise ConfigError(f"{target} is in use, or was left in a hurry ({target.name}{beside[0]}): choose another name")


def _copy(source: Path, part: Path) -> Copied:
    os.close(os.open(part, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
    promised = mark.promised(source)
    db = apsw.Connection(str(source), flags=apsw.SQLITE_OPEN_READONLY)
    to = apsw.Connection(str(part))
    try:
        db.set_busy_timeout(_BUSY_TIMEOUT)
        version = schema.version(db, str(source))
        with to.backup("main", db, "main") as copying:
            copying.step(-1)
        to.pragma("journal_mode", "delete")  # one file, without a log beside it
        found = to.pragma("integrity_check")
        if found != "ok":
            raise EngineError(f"{source} is damaged, and so would be its copy: {found}; run `forebay doctor`")
        messages = sum(int(to.execute(f"select count(*) from {name}").get) for name in ("message", "dead"))  # noqa: S608
        missing = max(0, promised - mark.progress(to))
        return Copied("", "", part.stat().st_size, messages, version, missing, 0.0)
    finally:
        to.close()
        db.close()


def _give_name(part: Path, target: Path, *, force: bool) -> None:
    """Make it durable, and put it under its name at once."""
    for path in (part, target.absolute().parent):
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)
    if force:
        part.replace(target)
    else:
        try:
            os.link(part, target)
        except FileExistsError:
            raise ConfigError(f"{target} exists by now: choose another name, or say --force") from None
