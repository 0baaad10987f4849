"""One life of a file between two power losses: random use, the loss at a random moment, and what is found afterwards.

The program never notices the loss. At one output among all of them, each equally likely, the model says what the disk
would hold if the power went right there; the life goes on, so that the outcome of the operation under way is known too.
What is found on that disk must then be the exact content after some operation: none older than the last sync of the
log, and at full durability none older than the last acknowledged one, leases and beats apart: these are taken back if
nothing else followed. What an earlier loss took may also come back, as long as nothing was synced since: a torn
transaction, completed by pieces of one written over it.
"""

import math
import random
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Literal, NamedTuple

import apsw

from forebay.config import Settings
from forebay.engine.sqlite import Sqlite
from forebay.engine.sqlite.sharing import Files
from forebay.engine.waiting import drive
from forebay.model.errors import ForebayError
from forebay.testing.clock import ManualClock
from forebay.testing.powerloss.disk import Disk
from forebay.testing.powerloss.user import User
from forebay.testing.powerloss.vfs import Skip, Watched

Durability = Literal["full", "normal"]
Content = dict[str, list[tuple[Any, ...]]]
_CHECKPOINTS = (
    apsw.SQLITE_CHECKPOINT_PASSIVE,
    apsw.SQLITE_CHECKPOINT_FULL,
    apsw.SQLITE_CHECKPOINT_RESTART,
    apsw.SQLITE_CHECKPOINT_TRUNCATE,
)


class Loss(NamedTuple):
    """The power went: what is on the disk, how many operations were acknowledged, how many of them have to be there."""

    disk: dict[str, bytes]
    acknowledged: int
    promised: int


class Finding(NamedTuple):
    """What the next start found: how many acknowledged operations were lost, and what is wrong, if anything."""

    lost: int
    wrong: str = ""


class Setting(NamedTuple):
    """What stays the same over the lives of one file."""

    durability: Durability
    clock: ManualClock
    skip: Skip = ""


class Life:
    """A start of the machine, numbered, on the files of `folder`."""

    def __init__(self, folder: Path, number: int, setting: Setting, seed: str) -> None:
        self._path, self._number, self._setting = folder / "forebay.db", number, setting
        self._use, self._fate = random.Random(f"{seed} use"), random.Random(f"{seed} fate")
        self._disk = Disk()
        self._contents: list[Content] = []
        self._events = self._promised = 0
        self._notes: list[bytes] = []
        self._ghosts: list[Content] = []
        self.loss: Loss | None = None
        self.found: Content = {}

    def live(self, before: "Life | None") -> None:
        """From start to end; `loss` is set on return. `before` is the life of the file until the last loss, if any."""
        name = f"powerloss-{id(self)}"
        vfs = Watched(name, self._disk, self._event, self._synced, self._setting.skip)
        try:
            self._contents.append(before.found if before else {})
            self._ghosts = before.taken() if before else []
            if self._use.random() < 0.3:  # as a program that does nothing else: in the main thread
                self._run(name)
            else:
                with ThreadPoolExecutor(1) as threads:
                    threads.submit(self._run, name).result()
        finally:
            vfs.unregister()

    def taken(self) -> list[Content]:
        """The states that the loss took, and those that an earlier one took and that may still come back."""
        assert self.loss is not None
        taken = [content for content in self._contents if content != self.found]
        return taken if self.loss.promised else [*self._ghosts, *taken]

    def _run(self, vfs: str) -> None:
        engine = self._engine(vfs, self._number)
        drive(engine.open())
        watcher = self._watcher(vfs)
        try:
            if not self._contents[0]:
                self._contents[0] = _content(watcher)
            user = User(engine, self._setting.clock, self._use, f"worker-{self._number}")
            for _ in range(self._use.randint(5, 50)):
                if self._use.random() < 0.12:
                    watcher, lazy = self._operate(engine, watcher, vfs), False
                else:
                    lazy = user.act()
                self._done(watcher, lazy)
        finally:
            watcher.close()
            drive(engine.close())

    def _operate(self, engine: Sqlite, watcher: apsw.Connection, vfs: str) -> apsw.Connection:
        """What happens beside the work: a checkpoint, free pages given back, or a restart."""
        what = self._use.random()
        if what < 0.5:
            watcher.wal_checkpoint(mode=self._use.choice(_CHECKPOINTS))
            return watcher
        if what < 0.7:
            watcher.execute("pragma incremental_vacuum(5)").fetchall()
            return watcher
        watcher.close()
        drive(engine.close())
        drive(engine.open())
        return self._watcher(vfs)

    def _engine(self, vfs: str, start: int) -> Sqlite:
        settings = Settings(url=f"sqlite:///{self._path}", durability=self._setting.durability, result_ttl=40.0)
        return Sqlite(settings, self._setting.clock, vfs, f"start-{start}", Files(soon=math.inf))

    def _watcher(self, vfs: str) -> apsw.Connection:
        db = apsw.Connection(str(self._path), vfs=vfs)
        db.pragma("synchronous", self._setting.durability)
        return db

    def _done(self, watcher: apsw.Connection, lazy: bool) -> None:
        """An operation was acknowledged."""
        before, now = self._contents[-1], _content(watcher)
        self._contents.append(now)
        self._notes.append(self._note())
        lasting = now != before and not (lazy and now["finished"] == before["finished"])
        if lasting and self._setting.durability == "full":
            self._promised = len(self._contents) - 1

    def _note(self) -> bytes:
        """The engine's own note beside the database, which it writes without this VFS."""
        note = self._path.with_name(f"{self._path.name}-mark")
        return note.read_bytes() if note.exists() else b""

    def _event(self) -> None:
        """Of n events each is the one with chance 1/n, whatever n will be."""
        self._events += 1
        if self._fate.random() * self._events < 1:
            acknowledged = len(self._contents) - 1
            disk = {Path(path).name: content for path, content in self._disk.survive(self._fate).items()}
            disk[f"{self._path.name}-mark"] = self._surviving_note()
            self.loss = Loss(disk, acknowledged, self._promised)

    def _surviving_note(self) -> bytes:
        """Nobody syncs the note: the newest, any older one, nothing, or rubbish."""
        newest = self._note()
        torn = newest[: len(newest) // 2] + self._fate.randbytes(len(newest) - len(newest) // 2)
        return self._fate.choice((newest, newest, self._fate.choice(self._notes or [b""]), b"", torn))

    def _synced(self, path: str) -> None:
        if path.endswith("-wal"):
            self._promised = len(self._contents) - 1

    def find(self, folder: Path) -> Finding:
        """Start on what the loss left, in `folder`, and judge it."""
        assert self.loss is not None
        for name, content in self.loss.disk.items():
            (folder / name).write_bytes(content)
        self._path = folder / self._path.name
        engine = self._engine("", self._number + 1)
        try:
            drive(engine.open())
        except ForebayError as error:
            return Finding(0, f"does not open: {error}")
        try:
            return self._read() or self._judge(self.loss)
        finally:
            drive(engine.close())

    def _read(self) -> Finding | None:
        """Keep what is there as `found`; a finding if it is damaged."""
        db = apsw.Connection(str(self._path), flags=apsw.SQLITE_OPEN_READONLY)
        try:
            health = str(db.pragma("integrity_check"))
            self.found = _content(db)
            return None if health == "ok" else Finding(0, f"damaged: {health}")
        except apsw.Error as error:
            return Finding(0, f"damaged: {error}")
        finally:
            db.close()

    def _judge(self, loss: Loss) -> Finding:
        for index in range(min(loss.acknowledged + 1, len(self._contents) - 1), -1, -1):
            if self._contents[index] == self.found:
                lost = max(0, loss.acknowledged - index)
                return Finding(lost, f"{lost} acknowledged operations lost" if index < loss.promised else "")
        if not loss.promised and self.found in self._ghosts:
            return Finding(loss.acknowledged)
        return Finding(0, "a state that never was: " + _difference(self._contents[loss.acknowledged], self.found))


def _content(db: apsw.Connection) -> Content:
    tables = [name for (name,) in db.execute("select name from sqlite_schema where type = 'table' order by name")]
    every = 'select * from "{}" order by 1, 2'
    return {name: db.execute(every.format(name)).fetchall() for name in tables}


def _difference(expected: Content, found: Content) -> str:
    parts: list[str] = []
    for name in sorted(expected.keys() | found.keys()):
        before, after = set(expected.get(name, [])), set(found.get(name, []))
        if before != after:
            parts.append(f"{name} -{len(before - after)} +{len(after - before)}")
    return ", ".join(parts)
