"""News between processes: one thread and one connection that tells and hears, by NOTIFY and LISTEN.

News is told after the commit that it is about, many at a time, so that no commit waits for the lock that NOTIFY takes.
It is a hint: whoever waits looks again by itself now and then (`Settings.poll`), for a pooler may hear nothing, a
connection may be lost, a process may die between commit and news. A lost connection is made again, and then everybody
looks. Ends are told only while somebody has said that they wait for one: the waiters say so, on the same channel.
"""

import contextlib
import math
import queue
import socket
import time
from collections.abc import Collection, Iterable, Sequence
from typing import Any

import psycopg

from forebay.engine import own
from forebay.engine.full import ROOM
from forebay.engine.native import readable
from forebay.engine.outage import Outage
from forebay.engine.postgres import errors
from forebay.engine.postgres.address import Address
from forebay.engine.postgres.topics import ENDED, HEARS, WATCH
from forebay.engine.postgres.wire import Wire
from forebay.engine.waiting import Signal

#: Bytes of one notification; PostgreSQL takes less than 8,000.
LONGEST = 7_000
#: Seconds between two calls: what is accepted one by one, many times a second, need not be told as often.
GAP = 0.003
#: Seconds after which others hear of slots that are free again where somebody here waits for them, and takes them: all
#: who hear of it look, one after another, and whoever could use them would stand behind those for whom nothing is left.
TAKEN = 0.05
#: Notifications of one call; more than that is "something has happened, look all of you".
MOST = 20
ALL = "*"
#: Seconds that somebody waits for an end without saying so again, and messages that are waited for one by one.
WATCHED, WATCHES = 30.0, 50_000
#: Seconds until the first look of somebody who has just said so; the next ones come after five times as long.
FIRST_LOOK = 0.01
#: Seconds between looks whether the connection still works, and until one that does not answer is given up.
LOOK, ANSWER = 10.0, 5.0
_PAUSE, _LONGEST = 0.05, 1.0


#: Wakes the thread to listen, and to end.
_LISTEN, _END = "listen", "end"


class Bells:
    """Tells and hears for one engine. Its connection is made with the first news, or for the first who waits.

    Who calls may be struck at any step, and takes no lock here.
    """

    def __init__(self, address: Address, signal: Signal, outage: Outage) -> None:
        self._address, self._signal, self._outage = address, signal, outage
        self._calls: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._wake, self._woken = socket.socketpair()
        for end in (self._wake, self._woken):
            end.setblocking(False)
        self._listening = self._listens = self._hears = self._closed = False
        self._first = True
        self._pending: set[str] = set()
        self._freed: queue.SimpleQueue[tuple[float, str]] = queue.SimpleQueue()
        self._later: dict[str, float] = {}
        self._watched: dict[str, float] = {}
        self._said: dict[str, tuple[float, int]] = {}
        self._any_until = 0.0
        self.rooms = False  # whether anybody, here or elsewhere, has ever waited for room in a queue
        self._thread = own.start("forebay-bells", self._run)

    # --- called from other threads ---

    def tell(self, topics: Collection[str], ended: Sequence[str], freed: Collection[str] = ()) -> None:
        """There is news, here and elsewhere.

        Args:
            freed: topics on which there is a slot more, and nothing else.
        """
        if freed := set(freed).difference(topics):
            here = {topic for topic in freed if self._signal.awaited(topic)}
            self._signal.notify(freed)
            at = time.monotonic() + TAKEN
            for topic in here:
                self._freed.put((at, topic))
            self._put(freed - here)  # wakes the thread in any case
        if not topics and not ended:
            return
        self._signal.notify({*topics, ENDED} if ended else topics)
        self._put({*topics, ENDED} if ended and self._waited_for(ended) else topics)

    def listen(self) -> bool:
        """Somebody waits for news from elsewhere; whether nothing was heard of it before."""
        if self._listening:
            return False
        self._put([_LISTEN])
        self._listening = True
        return True

    def watch(self, ids: Collection[str] | None) -> float:
        """Somebody waits for the end of these, of any if None; after how many seconds to look all the same.

        Soon at first: an end may have come before those elsewhere had heard that somebody waits for it.
        """
        self.listen()
        self.rooms = self.rooms or any(id_.startswith(ROOM) for id_ in ids or ())
        now = time.monotonic()
        about = "" if ids is None or len(ids) > WATCHES // 10 else ",".join(ids)
        said, looks = self._said.get(about, (0.0, 0))
        if now - said > WATCHED / 3:
            self._put([WATCH] if not about else [WATCH + id_ for id_ in ids or ()])
            said = now
            if len(self._said) > WATCHES // 10:
                self._said = {}
        self._said[about] = said, looks + 1
        return FIRST_LOOK * 5.0**looks if looks < 5 else math.inf

    def heeds(self, ended: Sequence[str]) -> bool:
        """Whether somebody may wait for the end of these, here or elsewhere."""
        heard = time.monotonic() - WATCHED
        return bool(ended) and (any(said > heard for said, _ in list(self._said.values())) or self._waited_for(ended))

    def close(self) -> None:
        """Tell what is left to tell, then end."""
        self._closed = True
        self._put([_END])
        self._thread.join(2 * ANSWER)

    def _waited_for(self, ended: Iterable[str]) -> bool:
        """Whether somebody elsewhere waits for one of these; as long as nobody could say so, somebody may."""
        if not self._hears or time.monotonic() < self._any_until:
            return True
        watched = self._watched
        return bool(watched) and any(id_ in watched for id_ in ended)

    def _put(self, topics: Iterable[str]) -> None:
        for topic in topics:
            self._calls.put(topic)
        with contextlib.suppress(OSError):  # full: it will wake; closed: nobody is there any more
            self._woken.send(b"!")

    # --- in the thread ---

    def _run(self) -> None:
        pause = _PAUSE
        readable([self._wake.fileno()])
        while not self._closed or self._take():
            wire = None
            try:
                wire = Wire(self._address, "news", time.monotonic() + ANSWER, prepare=False)
                pause = _PAUSE
                self._outage.back()
                self._serve(wire)
            except (psycopg.Error, OSError) as error:
                self._outage.lost(errors.said(error), None if wire is None else wire.made)
                time.sleep(0 if self._closed else pause)  # who waits looks by itself until this works again
                pause = min(2 * pause, _LONGEST)
            finally:
                self._hears = False
                if wire is not None:
                    wire.close()
            if self._closed:
                break
        self._wake.close()
        self._woken.close()

    def _serve(self, wire: Wire) -> None:
        """Until this engine is closed."""
        looked, told, listens = time.monotonic(), 0.0, False
        while True:
            wire.within(time.monotonic() + ANSWER)
            self._take()
            if self._listens and not listens:
                wire.rows(f'listen "{self._address.channel}"')
                listens = self._hears = True
                self._signal.notify([HEARS] if self._first else None)  # what came before is not known
                self._first = False
            if self._pending:
                self._send(wire)
                told = time.monotonic()
            self._hear(wire.raw)
            if self._closed and not self._pending:
                return
            self._rest(wire, told + GAP)
            ready = readable([self._wake.fileno(), wire.raw.fileno()], self._until_next())
            if wire.raw.fileno() in ready:
                wire.raw.pgconn.consume_input()
            elif time.monotonic() - looked > LOOK:
                looked = time.monotonic()
                wire.within(looked + ANSWER)
                wire.rows("select 1")

    def _rest(self, wire: Wire, until: float) -> None:
        """Hear, and tell nothing, until then: what comes meanwhile is told together."""
        while (left := until - time.monotonic()) > 0 and not self._closed:
            if readable([wire.raw.fileno()], left):
                wire.raw.pgconn.consume_input()
                self._hear(wire.raw)

    def _take(self) -> bool:
        """What was asked for meanwhile; whether there is something to tell."""
        with contextlib.suppress(BlockingIOError):
            self._wake.recv(4096)
        with contextlib.suppress(queue.Empty):
            while True:
                topic = self._calls.get_nowait()
                self._listens |= topic == _LISTEN
                if topic not in (_LISTEN, _END):
                    self._pending.add(topic)
        with contextlib.suppress(queue.Empty):
            while True:
                at, topic = self._freed.get_nowait()
                self._later.setdefault(topic, at)
        now = math.inf if self._closed else time.monotonic()
        for topic in [topic for topic, at in self._later.items() if at <= now]:
            del self._later[topic]
            self._pending.add(topic)
        if len(self._pending) > WATCHES:
            self._pending = {ALL, WATCH}
        return bool(self._pending)

    def _until_next(self) -> float:
        """Seconds until there is something to tell, or to look whether the connection works."""
        return max(0.0, min([LOOK, *(at - time.monotonic() for at in self._later.values())]))

    def _send(self, wire: Wire) -> None:
        told = (self._address.channel, payloads(self._pending))
        wire.rows("select pg_notify($1, payload) from unnest($2::text[]) as payload", told)
        self._pending = set()

    def _hear(self, raw: psycopg.Connection[Any]) -> None:
        own_pid, heard = raw.info.backend_pid, set[str]()
        while (news := raw.pgconn.notifies()) is not None:
            if news.be_pid != own_pid:
                heard.update(news.extra.decode("utf-8", "replace").split("\n"))
        for topic in [topic for topic in heard if topic.startswith(WATCH)]:
            heard.discard(topic)
            self._remember(topic.removeprefix(WATCH))
        if heard:
            self._signal.notify(None if ALL in heard else heard)

    def _remember(self, id_: str) -> None:
        """Somebody waits for the end of this one; for any, if it says none or they are too many."""
        now = time.monotonic()
        if id_ and len(self._watched) >= WATCHES:
            self._watched = {one: end for one, end in self._watched.items() if end > now}
        if id_ and len(self._watched) < WATCHES:
            self._watched[id_] = now + WATCHED
            self.rooms = self.rooms or id_.startswith(ROOM)
        else:
            self._any_until = now + WATCHED


def payloads(topics: Iterable[str]) -> list[str]:
    """Topics, a line each, in as few notifications as they fit in; for what fits in none: "look all of you"."""
    topics = list(topics)
    if not all(map(_can_be_told, topics)):
        return [ALL, WATCH]
    payloads: list[str] = []
    for topic in sorted(topics, key=lambda topic: (not topic.startswith(WATCH), topic)):
        kind = topic.startswith(WATCH)
        last = payloads[-1] if payloads else ""
        fits = last and last.startswith(WATCH) == kind and len(last.encode()) + len(topic.encode()) < LONGEST
        if fits:
            payloads[-1] = f"{last}\n{topic}"
        else:
            payloads.append(topic)
    return payloads if len(payloads) <= MOST else [ALL, WATCH]


def _can_be_told(topic: str) -> bool:
    """Whether PostgreSQL takes it as text, in one notification: somebody may have typed anything."""
    try:
        return "\0" not in topic and len(topic.encode()) < LONGEST
    except UnicodeEncodeError:
        return False
