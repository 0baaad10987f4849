"""A connection that comes back: carries out acts on it, makes it anew when it is lost, and gives up at a deadline.

What an act did may have been committed when its connection broke: it is told so when it is tried again. Used by one
thread at a time; the deadline holds however the server is silent.
"""

import time
from collections.abc import Callable
from typing import TypeVar

import psycopg

from forebay.engine.patience import Patience
from forebay.engine.postgres import errors
from forebay.engine.postgres.address import Address
from forebay.engine.postgres.wire import Wire
from forebay.model.errors import EngineClosed

T = TypeVar("T")


class Link:
    """One connection at a time, made when it is needed."""

    def __init__(self, address: Address, purpose: str, *, durability: str = "") -> None:
        self._address, self._purpose, self._durability = address, purpose, durability
        self._wire: Wire | None = None
        self._prepare, self._closed = True, False
        self._patience = Patience()

    def run(self, act: Callable[[Wire, bool], T], patience: float | None = None) -> T:
        """`act(wire, again)`; with `again`, an earlier attempt of the same may have been committed.

        Raises:
            EngineUnreachable: no connection in time (`patience` seconds if given); nothing has happened.
            OutcomeUnknown: likewise, but it may have.
            EngineError: the server refused what it was told, or whatever `act` raises.
        """
        until = self._patience.begin() if patience is None else time.monotonic() + patience
        again = False
        while True:
            try:
                answer = self._try(act, until, again)
                self._patience.answered()
                return answer
            except (psycopg.Error, OSError) as error:
                again = self._judge(error) or again
                left = self._patience.left(until)
                if left <= 0 or self._closed or (errors.away(error) and errors.for_good(error)):
                    raise self._given_up(error, again) from error
                time.sleep(min(left, self._patience.pause()))

    def _try(self, act: Callable[[Wire, bool], T], until: float, again: bool) -> T:
        if self._closed:
            raise EngineClosed("this engine is closed: open the app again before using it")
        if self._wire is None or not self._wire.alive:
            self._wire = Wire(self._address, self._purpose, until, prepare=self._prepare, durability=self._durability)
        self._wire.within(until)
        return act(self._wire, again)

    def _judge(self, error: BaseException) -> bool:
        """Whether it may have happened all the same; raises what no second attempt would change."""
        wire, self._wire = self._wire, None
        if wire is None:
            if not errors.away(error):
                raise error
            return False
        if errors.away(error):
            wire.close()
            return wire.open_end
        try:
            wire.rollback()
            wire.open_end = False
            self._wire = wire
        except psycopg.Error:
            wire.close()
        if errors.unprepared(error):
            self._prepare = False
            self.drop()
        elif not errors.aside(error):
            raise error
        return False

    def _given_up(self, error: BaseException, again: bool) -> BaseException:
        return (errors.unknown if again else errors.unreachable)(self._address.shown, error)

    def drop(self) -> None:
        """Throw the connection away; the next act makes another."""
        wire, self._wire = self._wire, None
        if wire is not None:
            wire.close()

    def close(self) -> None:
        """No more of it; called by the thread that uses it, or when that is done."""
        self._closed = True
        self.drop()
