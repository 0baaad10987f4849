"""A connection that the caller brings, for statements of ours in the transaction that is open on it.

Each driver has its own words for a statement and its rows; here they are one. What an asynchronous one is asked is
carried out on its own loop, while a thread of ours waits. Begins and commits nothing: that is the caller's.
"""

import asyncio
import copy
import re
import sys
import weakref
from abc import ABC, abstractmethod
from collections.abc import Callable, Coroutine, Sequence
from concurrent.futures import Future
from functools import cache
from typing import Any, TypeVar

import psycopg
from psycopg.rows import tuple_row

from forebay.engine import own
from forebay.engine.postgres.wire import Row

T = TypeVar("T")


class Borrowed(ABC):
    """The connection of a driver.

    Attributes:
        asynchronous: it belongs to a loop.
    """

    asynchronous = False

    def __init__(self, driver: Any) -> None:
        self.driver = driver

    @abstractmethod
    def rows(self, text: str, parameters: Sequence[Any] = ()) -> list[Row]:
        """All rows of a statement, whose parameters are `$1` and so on."""

    def weakly(self) -> "Callable[[], Borrowed | None]":
        """It, for as long as its owner keeps the connection: who drops one ends what is open on it."""
        driver, again = weakref.ref(self.driver), copy.copy(self)
        again.driver = None

        def found() -> Borrowed | None:
            there = copy.copy(again)
            there.driver = driver()
            return None if there.driver is None else there

        return found

    def begin(self) -> None:  # noqa: B027 - not ours to do
        """Its owner has."""

    def commit(self) -> None:  # noqa: B027 - likewise
        """Its owner will."""

    async def within(self, act: Callable[[], T]) -> T:
        """`act()`, which asks for rows."""
        return act()


class OfPsycopg(Borrowed):
    """psycopg 3, whatever rows and cursors its owner has chosen for it."""

    def rows(self, text: str, parameters: Sequence[Any] = ()) -> list[Row]:
        """See `Borrowed.rows`."""
        with psycopg.RawCursor(self.driver, row_factory=tuple_row) as cursor:
            cursor.execute(text.encode(), parameters)
            return cursor.fetchall() if cursor.description is not None else []


class OfPsycopg2(Borrowed):
    """psycopg2, which writes parameters into the text by itself."""

    def rows(self, text: str, parameters: Sequence[Any] = ()) -> list[Row]:
        """See `Borrowed.rows`."""
        plain = sys.modules["psycopg2.extensions"].cursor
        with self.driver.cursor(cursor_factory=plain) as cursor:
            try:
                cursor.execute(_named(text), {f"p{n}": value for n, value in enumerate(parameters, 1)})
            except ValueError as error:  # of a text that PostgreSQL cannot store
                raise psycopg.DataError(str(error)) from error
            return cursor.fetchall() if cursor.description is not None else []


@cache
def _named(text: str) -> str:
    return re.sub(r"\$(\d+)", r"%(p\1)s", text.replace("%", "%%"))


class _OnLoop(Borrowed):
    """One of a loop. `within` has a thread carry out what asks, and the loop goes on meanwhile."""

    asynchronous = True

    def __init__(self, driver: Any) -> None:
        super().__init__(driver)
        self._loop = asyncio.get_running_loop()
        self._asked: Future[list[Row]] | None = None

    def rows(self, text: str, parameters: Sequence[Any] = ()) -> list[Row]:
        """See `Borrowed.rows`; in the thread."""
        self._asked = asyncio.run_coroutine_threadsafe(self._rows(text, parameters), self._loop)
        return self._asked.result()

    @abstractmethod
    def _rows(self, text: str, parameters: Sequence[Any]) -> Coroutine[Any, Any, list[Row]]: ...

    async def within(self, act: Callable[[], T]) -> T:
        """See `Borrowed.within`. Who is cancelled leaves when the connection is its owner's again, and not before."""
        done: Future[T] = Future()
        own.start("forebay-transaction", lambda: _fulfil(done, act))
        ended = asyncio.wrap_future(done)
        struck: asyncio.CancelledError | None = None
        while not ended.done():
            try:
                await asyncio.wait([ended])
            except asyncio.CancelledError as error:
                struck = error
                if self._asked is not None:
                    self._asked.cancel()
        if struck is not None:
            ended.exception()  # looked at, so that nobody complains
            raise struck
        return ended.result()


def _fulfil(done: "Future[T]", act: Callable[[], T]) -> None:
    try:
        answer = act()
    except BaseException as error:  # noqa: BLE001 - handed to whoever waits
        done.set_exception(error)
    else:
        done.set_result(answer)


class OfAsyncPsycopg(_OnLoop):
    """psycopg 3, asynchronous."""

    async def _rows(self, text: str, parameters: Sequence[Any]) -> list[Row]:
        async with psycopg.AsyncRawCursor(self.driver, row_factory=tuple_row) as cursor:
            await cursor.execute(text.encode(), parameters)
            return await cursor.fetchall() if cursor.description is not None else []


class OfAsyncpg(_OnLoop):
    """asyncpg."""

    async def _rows(self, text: str, parameters: Sequence[Any]) -> list[Row]:
        return [tuple(row) for row in await self.driver.fetch(text, *parameters)]
