"""A disk that fails in the middle of a commit leaves it open whether the message is there; its id settles that."""

import shutil

import apsw
import pytest

from forebay.config import Settings
from forebay.engine.contract import Fate
from forebay.engine.sqlite.backend import Sqlite
from forebay.engine.waiting import drive
from forebay.model.clock import SystemClock
from forebay.model.errors import OutcomeUnknown
from forebay.model.message import Message


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
