"""From SQLite's errors to ours; the cause is kept, and the message says what to do next."""

import apsw

from forebay.model.errors import EngineError, EngineUnreachable, ForebayError

_HINTS: dict[type[BaseException], str] = {
    apsw.FullError: "no room: the disk or the size limit is full; free some, what was accepted before is safe",
    apsw.ReadOnlyError: "the file or its folder is read-only; give this user write access to both",
    apsw.BusyError: "another program holds the write lock for too long; close it (a shell in a transaction?)",
    apsw.CorruptError: "the file is damaged; stop the workers and run `forebay doctor`",
    apsw.IOError: "the disk does not answer properly; look at the system's log",
}
_UNREACHABLE: dict[type[BaseException], str] = {
    apsw.CantOpenError: "it cannot be opened; does the folder exist, and may this user write there?",
    apsw.NotADBError: "it is not a SQLite database; choose another path",
    apsw.PermissionsError: "this user may not use it",
}


def translate(error: BaseException, path: str = "") -> BaseException:
    """Our error for one of SQLite's; anything else comes back as it is."""
    if isinstance(error, ForebayError) or not isinstance(error, apsw.Error):
        return error
    place = f"{path}: " if path else ""
    for table, kind in ((_UNREACHABLE, EngineUnreachable), (_HINTS, EngineError)):
        for cause, hint in table.items():
            if isinstance(error, cause):
                return _caused(kind(f"{place}{hint} ({error})"), error)
    return _caused(EngineError(f"{place}SQLite says {type(error).__name__}: {error}"), error)


def _caused(ours: ForebayError, error: BaseException) -> ForebayError:
    ours.__cause__ = error
    return ours
