"""A file beside the app that takes what queues have no room for, and brings it there by itself, in order.

It is a SQLite database like any other of ours, so that what it has taken outlasts a kill at any moment, and a thread of
one process at a time empties it: what was brought and not yet crossed off is brought again, with the same id, which is
taken once. It knows the engine that its messages are for, and brings them nowhere else.
"""

import contextlib
import fcntl
import hashlib
import logging
import os
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any
from weakref import ref

import msgspec
from msgspec.structs import replace

from forebay.config import Settings
from forebay.engine import own
from forebay.engine.aside import Aside
from forebay.engine.backend import Whole
from forebay.engine.contract import Beat, Fate, Receipt, Want
from forebay.engine.full import room
from forebay.engine.registry import build, place
from forebay.engine.trouble import Trouble
from forebay.engine.waiting import drive
from forebay.model.clock import SystemClock
from forebay.model.errors import EngineClosed, EngineError, EngineFull, LeaseLost, QueueFull
from forebay.model.ids import new_id
from forebay.model.message import Message
from forebay.model.outcome import Ack, Release, Settlement
from forebay.produce.admission import Through
from forebay.store.records import Choice

#: Options of a URL that say where a server is.
_PLACES = ("host=", "hostaddr=", "port=", "dbname=", "db=", "service=")
#: Messages that are brought at once; seconds that a lease of them holds, and between two tries.
BITE, LEASE, PAUSE = 100, 5.0, 0.5
_logger = logging.getLogger("forebay.outbox")
_pack = msgspec.msgpack.Encoder().encode
_unpack = msgspec.msgpack.Decoder(Message).decode


def path_of(settings: Settings) -> Path:
    """Where the outbox of an app is: one for each engine, in the current folder, unless the settings name a file."""
    return Path(settings.outbox or f"forebay-outbox-{_mark(settings)}.db")


def is_there(settings: Settings) -> bool:
    """Whether an app has left something there, or may have."""
    try:
        return path_of(settings).exists()
    except OSError:  # no file can have that name: who spills is told
        return False


def _mark(settings: Settings) -> str:
    """What tells the engine of these settings from others: where it is, however it is reached."""
    told = f"{_where(settings)}\n{settings.namespace}"
    return hashlib.sha256(os.fsencode(told)).hexdigest()[:8]


def _where(settings: Settings) -> str:
    """Without what a deploy may change: who is let in, whether TLS is used, how the path of a file is written."""
    found = place(settings)
    if settings.url.lower().startswith("sqlite:"):
        return os.path.relpath(found, Path(settings.outbox).absolute().parent if settings.outbox else None)
    server, _, options = found.partition("://")[2].rpartition("@")[2].partition("?")
    return "&".join([server, *sorted(one for one in options.split("&") if one.startswith(_PLACES))])


class Outbox:
    """The outbox of one app in one process.

    Args:
        through: what its messages are brought through, as long as that is there.

    Attributes:
        pid: the process that it was opened in. settings: those of its app.
    """

    def __init__(self, settings: Settings, through: Through) -> None:
        from forebay.engine.sqlite.address import url_of  # few need SQLite, beside another engine

        self._path, self._mark = path_of(settings), _mark(settings) + "."
        url = url_of(self._path.absolute())
        made = Settings(url=url, durability=settings.durability, max_size=settings.outbox_size)
        self._engine: Whole = build(made, SystemClock())
        self.settings, self._through = settings, ref(through)
        self._aside, self._guard = Aside(), threading.Lock()
        self._taken: dict[str, int] = {}  # queues that may have something in it: how often it was given to them
        self._runs = self._opened = False
        self._stuck: set[str] = set()  # what nobody will ever have room for
        self._sizes: dict[str, int | None] = {}  # the largest message that each queue takes, as it has said last
        self.pid = os.getpid()

    def holds(self, queue: str) -> bool:
        """Whether something may be in it for a queue: what comes later has to stand behind that."""
        return queue in self._taken

    def fits(self, one: Message) -> bool:
        """Whether its queue may ever have room for it, as far as is known: otherwise the queue is to say so itself."""
        return len(one.body) <= (self._sizes.get(one.queue) or len(one.body))

    def learn(self, receipts: Sequence[Receipt]) -> None:
        """What queues have said where they refused something."""
        self._sizes |= {one.full.queue: one.full.size for one in receipts if one.full is not None}

    async def begin(self) -> None:
        """Have what was left in it brought where it belongs."""
        await self._aside.ask(self._note, ())

    async def take(self, messages: Sequence[Message]) -> list[Receipt]:
        """Take messages in, durably; a receipt each.

        Raises:
            QueueFull: it is full as well.
        """
        queues = {message.queue for message in messages}
        await self._aside.ask(self._note, queues)
        spilled = [
            Message(id=one.id, queue=self._mark + one.queue, body=_pack(_timed(one)), headers=None) for one in messages
        ]
        try:
            receipts = await self._engine.publish(spilled)
        except EngineFull as error:
            raise self._full(messages, [one.id for one in messages]) from error
        finally:
            await self._aside.ask(self._note, queues)
        if missing := [one.id for one in receipts if one.fate is Fate.FULL]:
            raise self._full(messages, missing)
        return [Receipt(one.id) for one in receipts]

    def _full(self, messages: Sequence[Message], ids: Sequence[str]) -> QueueFull:
        error = QueueFull(
            f"queue {messages[0].queue} has no room, and neither has the outbox {self._path} for {len(ids)} of "
            f"{len(messages)} messages: let workers catch up, or raise outbox_size"
        )
        error.queue, error.ids = messages[0].queue, tuple(ids)
        return error

    # --- aside, where nobody is struck ---

    def _note(self, queues: Sequence[str] | set[str]) -> None:
        """Open it, and see to it that a thread empties it."""
        if not self._opened:
            drive(self._engine.open())
            self._opened = True
            names = [depth.queue for depth in drive(self._engine.depth()) if depth.queue.startswith(self._mark)]
            queues = {*queues, *(name.removeprefix(self._mark) for name in names)}
        with self._guard:
            for queue in queues:
                self._taken[queue] = self._taken.get(queue, 0) + 1
            if self._taken and not self._runs:
                self._runs = True
                own.start("forebay-outbox", self._run)

    # --- in the thread ---

    def _run(self) -> None:
        trouble = Trouble(_logger)
        try:
            while self._turn(trouble):
                pass
        except BaseException:  # a flaw of ours
            _logger.exception("%s: it is not emptied any more by this process", self._path)
        finally:
            with self._guard:
                self._runs = False

    def _turn(self, trouble: Trouble) -> bool:
        """Empty it, if this process is to; whether to go on. Trouble, of the file or of the engine, is waited out."""
        what = f"{self._path}: what is in it cannot be brought"
        try:
            if not self._go_on():
                return False
            with contextlib.ExitStack() as held:
                if self._is_first(held):
                    self._empty(lambda: trouble.over(what))
                else:
                    time.sleep(PAUSE)
            return True
        except EngineClosed:  # the app was closed: it goes on when that is used again
            return False
        except (EngineError, OSError) as error:
            trouble.tell(what, error, advice="it stays there, and is tried again")
            return self._waited()

    def _waited(self) -> bool:
        """A pause; whether the app is still open then."""
        time.sleep(PAUSE)
        through = self._through()
        try:
            if through is not None:
                drive(through.store.watch([], 0.0))
        except EngineClosed:
            return False
        except EngineError:
            pass  # it is open, and in trouble itself
        return through is not None

    def _go_on(self) -> bool:
        """Whether something is left; otherwise the thread ends."""
        before = dict(self._taken)
        left = {one.queue for one in drive(self._engine.depth()) if one.ready + one.scheduled + one.running + one.dead}
        with self._guard:
            for queue, n in before.items():
                if self._mark + queue not in left and self._taken.get(queue) == n:
                    del self._taken[queue]
            self._runs = bool(self._taken) and self._through() is not None
            return self._runs

    def _is_first(self, held: contextlib.ExitStack) -> bool:
        """Whether no other process empties it; the lock goes with whoever dies."""
        lock = os.open(f"{self._path}-drain", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        held.callback(os.close, lock)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return False
        return True

    def _empty(self, works: Callable[[], None]) -> None:
        """As long as there is something, and this process is the one; `works` is told when something was brought.

        Raises:
            EngineError: it cannot go on now.
        """
        worker = new_id()
        before = [row.worker for row in drive(self._engine.workers())]  # who has the lock is the only one that lives
        drive(self._engine.recover(before))
        drive(self._engine.redrive(Choice()))  # what was on its way whenever somebody was killed
        while self._go_on():
            drive(self._engine.extend([Beat(worker=worker, lease=LEASE)]))
            try:
                moved = sum(self._bring(worker, queue) for queue in list(self._taken))
            except LeaseLost:
                return
            works()
            if not moved:
                self._rest()

    def _bring(self, worker: str, queue: str) -> int:
        """The first of what is there for a queue, in order; how many found room."""
        through = self._through()
        leased = drive(self._engine.lease(Want(worker, [self._mark + queue], BITE))).deliveries
        receipts: Sequence[Receipt] = ()
        try:
            if leased and through is not None:
                receipts = drive(through.engine.publish([_unpack(one.body) for one in leased]))
        finally:
            there = {one.id for one, receipt in zip(leased, receipts, strict=False) if receipt.fate is not Fate.FULL}
            fates: list[Any] = [Ack(keep=0.0) if one.id in there else Release() for one in leased]
            drive(self._engine.settle(worker, [Settlement(*pair) for pair in zip(leased, fates, strict=True)]))
        self.learn(receipts)
        self._tell(queue, receipts)
        return len(there)

    def _tell(self, queue: str, receipts: Sequence[Receipt]) -> None:
        """Of those that will never have room, once; what comes after them is brought all the same."""
        for one in receipts:
            if one.full is not None and one.full.never and one.id not in self._stuck:
                self._stuck.add(one.id)
                _logger.error(
                    "%s: message %s stays there until the limit of queue %s is raised: %s",
                    self._path, one.id, queue, one.full.why,
                )  # fmt: skip

    def _rest(self) -> None:
        """Until there may be room."""
        through = self._through()
        if through is None:
            return
        with contextlib.suppress(EngineError):
            topics = [room(queue) for queue in self._taken]
            drive(through.store.watch(topics, PAUSE, drive(through.store.watch(topics, 0.0))))


def _timed(message: Message) -> Message:
    """A message whose delay begins now, and not when it is brought."""
    if message.delay <= 0 or message.due is not None:
        return message
    return replace(message, delay=0.0, due=time.time() + message.delay)
