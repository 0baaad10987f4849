"""The `Checks` role over one file: what `doctor`, `migrate` and `bench` ask. Opens it for reading only, if at all."""

from collections.abc import Iterator, Mapping

import apsw

from forebay.config import Settings
from forebay.engine.sqlite import checkup
from forebay.engine.sqlite.address import path_of
from forebay.engine.sqlite.errors import there
from forebay.engine.sqlite.place import file_system
from forebay.model.errors import EngineUnreachable
from forebay.model.finding import Finding


class FileChecks:
    """The file of these settings."""

    needed = checkup.NEEDED

    def __init__(self, settings: Settings) -> None:
        self._settings, self._path = settings, path_of(settings.url)

    def examine(self, *, deep: bool = True) -> Iterator[Finding]:
        """See `Checks.examine`."""
        return checkup.examine(self._settings, deep=deep)

    def reachable(self) -> None:
        """See `Checks.reachable`."""
        if not there(self._path):
            raise EngineUnreachable(
                f"{self._path}: no such file: name the app with -A or the file with --url, or enqueue first"
            )

    def versions(self) -> tuple[int, int]:
        """See `Checks.versions`."""
        return checkup.versions(self._settings)

    def about(self) -> Mapping[str, str]:
        """See `Checks.about`."""
        folder = self._path.absolute().parent
        return {
            "disk": f"{folder.resolve()} ({file_system(folder) or 'unknown file system'})",
            "SQLite": apsw.sqlite_lib_version(),
        }
