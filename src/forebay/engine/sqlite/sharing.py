"""Which files this process has open: one `Opened` for each, however many apps use it, from the first to the last.

Two apps on one file would each have locks that the other one drops when it closes. So they share what is open, and the
last to leave closes it. A forked child has nothing open, and cannot open what was open when it was forked: SQLite would
take the locks of the parent for its own.
"""

import os
import threading
from pathlib import Path

from forebay.engine import own
from forebay.engine.sqlite import companions, foreign, guard, place
from forebay.engine.sqlite.guard import Key, key_of
from forebay.engine.sqlite.mark import check_new
from forebay.engine.sqlite.opened import Opened, User
from forebay.engine.sqlite.writer import SOON
from forebay.model.errors import EngineError, EngineUnreachable


class Share:
    """A file's place among those that are open: who is about to use it, and what is open of it."""

    def __init__(self, key: tuple[Key, str, str]) -> None:
        self.key, self.users, self.pid = key, 0, os.getpid()
        self.turn = threading.RLock()  # one at a time opens and closes
        self.opened: Opened | None = None


class Files:
    """What is open in this process. Used by the threads that open and close engines, which nobody strikes.

    Args:
        soon: seconds within which a commit is synced that need not be at once; another time is for tests.
    """

    def __init__(self, soon: float = SOON) -> None:
        self._soon = soon
        self._guard = threading.Lock()
        self._shares: dict[tuple[Key, str, str], Share] = {}
        self._started = False

    @own.working()
    def join(self, path: Path, user: User, vfs: str, boot: str) -> Share:
        """Open a file, or share what is open of it.

        Raises:
            EngineUnreachable: it cannot be opened here.
        """
        path = _real(path)
        share = self._share(path, vfs, boot)
        try:
            with share.turn:
                if share.opened is None:
                    share.opened = Opened(path, user, vfs, boot, self._soon)
                else:
                    share.opened.join(user)
        except BaseException:
            self._leave(share)
            raise
        return share

    def _share(self, path: Path, vfs: str, boot: str) -> Share:
        place.check(path)
        check_new(path, boot)
        with self._guard:
            if not self._started:
                self._started = True
                os.register_at_fork(after_in_child=self._forget)
            if not path.exists():
                companions.create(path)
            key = (key_of(path), vfs, boot)
            share = self._shares.setdefault(key, Share(key))
            if share.pid != os.getpid():
                raise EngineError(
                    f"{path} was open when this process was forked from process {share.pid}, and locks do not cross a "
                    "fork: fork first, or close the app before, and each process opens its own"
                )
            share.users += 1
            return share

    @own.working()
    def leave(self, share: Share, user: User) -> None:
        """A user goes; the last one closes the file. Nothing is touched that belongs to the parent of a fork."""
        if share.pid != os.getpid():
            return
        with share.turn:
            if share.opened is not None:
                share.opened.part(user)
        self._leave(share)

    def _leave(self, share: Share) -> None:
        with share.turn:
            with self._guard:
                share.users -= 1
                last = not share.users
            try:
                if last and share.opened is not None:
                    opened, share.opened = share.opened, None
                    opened.close()
            finally:
                with self._guard:
                    if not share.users:
                        self._shares.pop(share.key, None)

    def _forget(self) -> None:
        """In a forked child: close the descriptors that it has got; the rest is the parent's."""
        self._guard = threading.Lock()
        foreign.forget()
        guard.forget_parked()
        for share in self._shares.values():
            if share.opened is not None:
                share.opened.forget()


def _real(path: Path) -> Path:
    """The path without links, so that there is one set of companions whatever it is called."""
    try:
        return Path(os.path.realpath(path))
    except FileNotFoundError as error:
        raise EngineUnreachable(
            f"{path}: this path is relative, and the current folder is gone: write an absolute one"
        ) from error


files = Files()  # locks belong to the process, so what holds them does too
