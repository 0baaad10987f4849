"""Hearing of news: one connection that listens, in a thread of its own, from the first one who waits.

Nothing is told that nobody waits for: a look that finds too little says so to the server, and so does whoever watches
an id (`lua/lib/place.lua`, `lua/lib/ends.lua`). What may have been missed while the connection was away counts as news
of everything.
"""

import threading
import time
from typing import Any

from redis.exceptions import RedisError

from forebay.engine import own
from forebay.engine.outage import Outage
from forebay.engine.patience import ANSWER, Patience
from forebay.engine.redis.address import Address, Wire
from forebay.engine.waiting import Signal

#: What waiters for cancellations wait for; no queue has this name.
CANCEL = ""
#: Seconds of silence after which the server is asked whether it is still there.
SILENCE = 5.0


class Bells:
    """Signals `work` by queue, and `ends` by id."""

    def __init__(self, address: Address, outage: Outage) -> None:
        self._address, self._outage = address, outage
        self.work, self.ends = Signal(), Signal()
        self._channels = {address.tag + "news": self._news, address.tag + "ended": self._ended}
        self._closed, self._listens = threading.Event(), threading.Event()
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()

    @property
    def started(self) -> bool:
        """Whether somebody has begun to listen."""
        return self._thread is not None

    @property
    def listens(self) -> bool:
        """Whether news is heard at this moment, as far as is known."""
        return self._listens.is_set()

    def start(self) -> bool:
        """Begin to listen, if nobody has; whether it began just now. Waits until it does, or a moment."""
        with self._lock:
            if self._thread is not None:
                return False
            self._closed.clear()
            self._thread = own.start("forebay-bells", self._run)
        self._listens.wait(ANSWER)
        return True

    def close(self) -> None:
        """Tell whoever waits, and end the thread."""
        with self._lock:
            thread, self._thread = self._thread, None
        self._closed.set()
        self._listens.clear()
        self.work.close()
        self.ends.close()
        if thread is not None:
            thread.join()

    def _run(self) -> None:
        patience, turn = Patience(), 0
        while not self._closed.is_set():
            connection, made = self._address.connection(self._address.node(turn)), time.monotonic()
            try:
                connection.connect()
                self._listen(connection, patience)
            except (RedisError, OSError, ValueError) as error:
                self._outage.lost(error, made if self._listens.is_set() else None)
                self._listens.clear()
                turn += 1
                self._closed.wait(patience.pause())
            finally:
                connection.disconnect()

    def _listen(self, connection: Wire, patience: Patience) -> None:
        """Until it breaks, or the end."""
        _send(connection, "SUBSCRIBE", *self._channels)
        heard = time.monotonic()
        while not self._closed.is_set():
            if connection.can_read(timeout=0.25):
                self._hear(connection.read_response(disable_decoding=True), patience)
                heard = time.monotonic()
            elif time.monotonic() - heard > SILENCE:
                _ask(connection)
                heard = time.monotonic()

    def _hear(self, said: Any, patience: Patience) -> None:
        kind, channel, payload = [*said, b"", b"", b""][:3]
        if kind == b"subscribe":
            patience.answered()
            self._outage.back()
            if payload == len(self._channels):
                self._listens.set()
                self.work.notify()
                self.ends.notify()
        elif kind == b"message" and (hear := self._channels.get(channel.decode())) is not None:
            hear(payload.decode("utf-8", "replace"))

    def _news(self, queue: str) -> None:
        self.work.notify([queue])

    def _ended(self, ids: str) -> None:
        self.ends.notify(ids.split(" "))


def _send(connection: Wire, *command: str) -> None:
    connection.send_packed_command(connection.pack_commands([command]), check_health=False)


def _ask(connection: Wire) -> None:
    """A server that is gone without a word, or does not read any more, is found out."""
    _send(connection, "PING")
    if not connection.can_read(timeout=ANSWER):
        raise TimeoutError("it does not answer any more")
