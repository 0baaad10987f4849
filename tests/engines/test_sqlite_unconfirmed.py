"""A disk that fails in the middle of a commit leaves it open whether the message is there; its id settles that."""

import asyncio
import random
import shutil
from concurrent.futures import ThreadPoolExecutor

import apsw
import pytest

from forebay.config import Settings
from forebay.engine.contract import Beat, Fate, Want
from forebay.engine.sqlite.backend import Sqlite
from forebay.engine.sqlite.sharing import Files
from forebay.engine.sqlite.writer import Unsafe
from forebay.engine.waiting import drive
from forebay.model.clock import SystemClock
from forebay.model.errors import OutcomeUnknown
from forebay.model.message import Message
from forebay.testing import ManualClock
from forebay.testing.powerloss import disk as model
from forebay.testing.powerloss.vfs import Watched, WatchedFile


class Disk(apsw.VFS):
    """A file system whose next sync can be made to fail, after everything was written."""

    def __init__(self):
        self.name, self.under, self.sick = "unconfirmed", apsw.vfs_names()[0], False
        super().__init__(self.name, self.under)

    def xOpen(self, name, flags):  # noqa: N802 - SQLite's
        return File(self, name, flags)


class File(apsw.VFSFile):
    def __init__(self, disk, name, flags):
        super().__init__(disk.under, name, flags)
        self._disk = disk

    def xSync(self, flags):  # noqa: N802 - SQLite's
        if self._disk.sick:
            self._disk.sick = False
            raise apsw.IOError("this sync fails on purpose")
        super().xSync(flags)


def engine(folder, disk=""):
    opened = Sqlite(Settings(url=f"sqlite:///{folder}/q.db"), SystemClock(), vfs=disk)
    drive(opened.open())
    return opened


def known(opened, message):
    return drive(opened.find([message.id]))[0] is not None


def test_a_commit_that_the_disk_does_not_confirm_is_unknown_and_the_same_id_may_be_published_again(tmp_path):
    disk = Disk()
    living, message = engine(tmp_path, disk.name), Message(id="order-77", queue="q", body=b"\x80")
    drive(living.publish([Message(id="before", queue="q", body=b"\x80")]))
    disk.sick = True

    with pytest.raises(OutcomeUnknown, match="publish again with the same id"):
        drive(living.publish([message]))

    assert not known(living, message), "here it was undone"
    shutil.copytree(tmp_path, tmp_path / "crashed", ignore=shutil.ignore_patterns("crashed"))
    crashed = engine(tmp_path / "crashed")
    assert known(crashed, message), "but whoever crashes at this moment finds it in the log"

    assert [receipt.fate for receipt in drive(living.publish([message]))] == [Fate.ACCEPTED]
    assert [receipt.fate for receipt in drive(crashed.publish([message]))] == [Fate.DUPLICATE]
    for opened in (living, crashed):
        assert drive(opened.depth(["q"]))[0].published == 2
        drive(opened.close())


class Forgetful(Watched):
    """A disk whose next sync of a log can be made to fail as in a kernel: what it was about counts as written then."""

    def __init__(self):
        super().__init__("forgetful", model.Disk(), lambda: None, lambda _: None)
        self.sick = False

    def xOpen(self, name, flags):  # noqa: N802 - SQLite's
        path = name.filename() if isinstance(name, apsw.URIFilename) else name
        return super().xOpen(name, flags) if path is None else Forgotten(self, path, flags)


class Forgotten(WatchedFile):
    def xSync(self, flags):  # noqa: N802 - SQLite's
        if self._vfs.sick and self._path.endswith("-wal"):
            self._vfs.sick = False
            self._inode.pending.clear()
            raise apsw.IOError("this sync fails on purpose")
        super().xSync(flags)


def test_after_a_sync_that_failed_nothing_newer_lies_behind_what_it_may_have_lost(tmp_path):
    """A lease was not synced, the sync of the next commit fails, and with it both are gone from the disk."""
    disk, lost = Forgetful(), tmp_path / "lost"
    settings = Settings(url=f"sqlite:///{tmp_path}/q.db")
    living = Sqlite(settings, SystemClock(), "forgetful", "one", Files(soon=1e6))
    with ThreadPoolExecutor(1) as thread:  # as a worker: the main thread leases nothing lazily

        def ask(verb, *args):
            return thread.submit(lambda: drive(verb(*args))).result(20)

        ask(living.open)
        ask(living.publish, [Message(id="first", queue="q")])
        ask(living.extend, [Beat(worker="w", lease=60)])
        assert ask(living.lease, Want("w", ["q"], 1)).deliveries
        disk.sick = True
        with pytest.raises(OutcomeUnknown):
            ask(living.publish, [Message(id="unknown", queue="q")])
        ask(living.publish, [Message(id="last", queue="q")])
        lost.mkdir()
        for path, content in disk.disk.survive(random.Random(1)).items():
            (lost / path.rpartition("/")[2]).write_bytes(content)
        ask(living.close)
    disk.unregister()
    found = Sqlite(Settings(url=f"sqlite:///{lost}/q.db"), SystemClock(), boot="two", among=Files())
    drive(found.open())
    assert known(found, Message(id="first", queue="q"))
    assert known(found, Message(id="last", queue="q"))
    drive(found.close())


def test_a_lease_whose_sync_fails_is_unknown_and_carried_out_once(tmp_path):
    """It ends what has expired, and so is synced before it is told; what it took is held."""
    disk, clock = Forgetful(), ManualClock()
    living = Sqlite(Settings(url=f"sqlite:///{tmp_path}/q.db"), clock, "forgetful", "one", Files(soon=1e6))
    with ThreadPoolExecutor(1) as thread:

        def ask(*verbs):
            return thread.submit(lambda: asyncio.run(together(*verbs))).result(20)

        async def together(*verbs):
            return await asyncio.gather(*(verb(*args) for verb, *args in verbs), return_exceptions=True)

        ask((living.open,))
        ask((living.extend, [Beat(worker="w", lease=1e6)]))
        messages = [
            Message(id="late", queue="q", ttl=1.0),
            *(Message(id=f"m{number}", queue="q") for number in range(9)),
        ]
        ask((living.publish, messages))
        clock.advance(5)
        disk.sick = True
        answers = ask(*[(living.lease, Want("w", ["q"], 3))] * 2)
        assert {type(answer) for answer in answers} == {Unsafe}
        assert len(ask((living.held, "w"))[0]) == 6
        ask((living.close,))
    disk.unregister()
