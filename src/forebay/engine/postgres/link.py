"""A connection that comes back: carries out acts on it, makes it anew when it is lost, and gives up at a deadline.

What an act did may have been committed when its connection broke: it is told so when it is tried again. Used by one
thread at a time; the deadline holds however the server is silent.
"""

import math
import time
from collections.abc import Callable
from typing import TypeVar

import psycopg

from forebay.engine.outage import Outage
from forebay.engine.patience import Patience
from forebay.engine.postgres import errors
from forebay.engine.postgres.address import Address
from forebay.engine.postgres.wire import Wire
from forebay.model.errors import EngineClosed

T = TypeVar("T")


class Link:
    """One connection at a time, made when it is needed.

    Args:
        outage: where it is told that the server is lost, or back.

    Attributes:
        in_doubt: the last `run` failed, and what it was to do may have been committed all the same.
    """

    def __init__(self, address: Address, purpose: str, *, durability: str = "", outage: Outage | None = None) -> None:
        self._address, self._purpose, self._durability = address, purpose, durability
        self._wire: Wire | None = None
        self._prepare, self._closed = True, False
        self.in_doubt = False
        self._patience = Patience()
        self._vain: BaseException | None = None
        self._outage = Outage(address.shown) if outage is None else outage

    def run(
        self,
        act: Callable[[Wire, bool], T],
        patience: float | None = None,
        *,
        again: bool = False,
        asked: float = math.inf,
    ) -> T:
        """`act(wire, again)`; with `again`, an earlier attempt of the same may have been committed.

        Args:
            again: that is so from the beginning: an earlier `run` of it was `in_doubt`.
            asked: when somebody asked for it (monotonic), if it may have waited behind others.

        Raises:
            EngineUnreachable: no connection in time (`patience` seconds if given); nothing has happened.
            OutcomeUnknown: likewise, but it may have.
            EngineError: the server refused what it was told, or whatever `act` raises.
        """
        until = self._patience.begin() if patience is None else time.monotonic() + patience
        over = self._patience.over(until) if patience is None else until
        self.in_doubt = again
        if self._vain is not None and self._patience.in_vain(asked):
            raise self._given_up(self._vain)
        while True:
            try:
                answer = self._try(act, over, self.in_doubt)
                self._patience.answered()
                self._vain = None
                if self._outage.on:
                    self._outage.back(None if self._wire is None else self._wire.made)
                self.in_doubt = False
                return answer
            except (psycopg.Error, OSError) as error:
                made = None if self._wire is None else self._wire.made
                self.in_doubt = self._judge(error) or self.in_doubt
                if errors.away(error):
                    self._outage.lost(errors.said(error), made)
                left = self._patience.left(until)
                if left <= 0 or self._closed or (errors.away(error) and errors.for_good(error)):
                    self._vain = error
                    self._patience.given_up()
                    raise self._given_up(error) from error
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
            wire.abandon()
            return wire.open_end
        try:
            wire.rollback()
            wire.open_end = False
            self._wire = wire
        except psycopg.Error:
            wire.abandon()
        if errors.unprepared(error):
            self._prepare = False
            self.drop()
        elif not errors.aside(error):
            raise error
        return False

    def _given_up(self, error: BaseException) -> BaseException:
        return (errors.unknown if self.in_doubt else errors.unreachable)(self._address.shown, error)

    def drop(self) -> None:
        """Throw the connection away; the next act makes another."""
        wire, self._wire = self._wire, None
        if wire is not None:
            wire.close()

    def close(self) -> None:
        """No more of it; called by the thread that uses it, or when that is done."""
        self._closed = True
        self.drop()
