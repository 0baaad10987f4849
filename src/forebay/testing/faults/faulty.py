"""`…faulty+sqlite:…?errors=FILE`: SQLite on a disk that fails as often as `FILE` says at the time.

The file holds a probability; without it the disk is sound. For SQLite only: other engines write elsewhere.
"""

import contextlib
import random
from pathlib import Path
from typing import Any

import apsw

from forebay.config import Settings
from forebay.engine.backend import Backend, Whole
from forebay.engine.registry import backend as inner_backend
from forebay.model.clock import Clock
from forebay.testing import wrapping

WRAPPER, OPTION = __name__, "errors"


def backend(settings: Settings, clock: Clock) -> Backend:
    """The engine under the wrapper, with every file that this process opens from now on at risk."""
    errors = Path(wrapping.option(settings.url, OPTION))
    return wrapping.around(inner_backend(wrapping.peel(settings, OPTION), clock), lambda inner: Faulty(inner, errors))


class Faulty(wrapping.Wrapped):
    """An engine on a bad disk."""

    def __init__(self, inner: Whole, errors: Path) -> None:
        super().__init__(inner)
        self._disk = _Disk(errors)  # SQLite knows it by name; it has to live as long as the engine

    async def close(self) -> None:
        """See `Engine.close`; what this process opens afterwards is on a sound disk again."""
        await self._inner.close()
        self._disk.unregister()


class _Disk(apsw.VFS):
    """The default file system of this process from now on."""

    def __init__(self, errors: Path) -> None:
        self.under = apsw.vfs_names()[0]  # the default so far
        super().__init__("forebay-faulty", self.under, makedefault=True)
        self._errors = errors

    def xOpen(self, name: str | apsw.URIFilename | None, flags: list[int]) -> apsw.VFSFile:  # noqa: N802 - SQLite's
        """A file whose writes may fail."""
        return _File(self, name, flags)

    def strike(self) -> None:
        """Fail, or do not.

        Raises:
            apsw.Error: as a disk does that is full, or broken.
        """
        if random.random() < self._probability():
            raise random.choice((apsw.FullError, apsw.IOError))("this disk fails on purpose")

    def _probability(self) -> float:
        with contextlib.suppress(OSError, ValueError):
            return float(self._errors.read_text())
        return 0.0


class _File(apsw.VFSFile):
    def __init__(self, disk: _Disk, name: str | apsw.URIFilename | None, flags: list[int]) -> None:
        super().__init__(disk.under, name, flags)
        self._disk = disk

    def xWrite(self, data: Any, offset: int) -> None:  # noqa: N802 - SQLite's
        """Write, or fail before anything is written."""
        self._disk.strike()
        super().xWrite(data, offset)

    def xSync(self, flags: int) -> None:  # noqa: N802 - SQLite's
        """Sync, or fail."""
        self._disk.strike()
        super().xSync(flags)
