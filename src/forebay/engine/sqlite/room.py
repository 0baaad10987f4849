"""Room: new messages are refused while there is still enough of it to settle the old ones.

Two limits, both for publishing alone: `max_size` for the file, and a reserve that stays free on the disk. Settling,
leasing, heartbeats and dead letters may use the reserve and let the file grow over `max_size`; docs/adr/0002 tells why.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Concatenate, ParamSpec, TypeVar

import apsw

from forebay.engine.sqlite import place
from forebay.engine.sqlite.writer import Transaction
from forebay.model.errors import EngineFull

P = ParamSpec("P")
R = TypeVar("R")

#: Seconds between looks at a disk that has ample room: this many times what is kept free. Otherwise each time.
LOOK, AMPLE = 0.05, 10
_UNLIMITED = 0xFFFFFFFE


class Room:
    """The limits of one database."""

    def __init__(self, path: Path, max_size: int) -> None:
        self._path, self._max_size = path, max_size
        self._next = 0.0

    def within(
        self, tx: Transaction, operation: Callable[Concatenate[Transaction, P], R], *args: P.args, **kwargs: P.kwargs
    ) -> R:
        """Do an operation that adds messages.

        Raises:
            EngineFull: there is no room for them; nothing was changed.
        """
        if tx.mono >= self._next and self._look():
            self._next = tx.mono + LOOK
        if not self._max_size:
            return operation(tx, *args, **kwargs)
        page = int(tx.value("pragma page_size"))
        tx.db.execute(f"pragma max_page_count = {max(1, self._max_size // page)}")
        try:
            return operation(tx, *args, **kwargs)
        except apsw.FullError as error:
            self._look()  # or is it the disk?
            raise EngineFull(
                f"{self._path} has reached max_size = {self._max_size:,} bytes: let the workers catch up, delete what "
                f"is not needed, or raise max_size; accepted messages are safe and still run"
            ) from error
        finally:
            tx.db.execute(f"pragma max_page_count = {_UNLIMITED}")

    def _look(self) -> bool:
        """Whether there is ample room."""
        free, reserve, _ = place.disk(self._path)
        if free < reserve:
            raise EngineFull(
                f"the disk of {self._path} has {free:,} bytes free, and the last {reserve:,} are kept to settle what "
                f"is there: free some space; accepted messages are safe and still run"
            )
        return free > reserve * AMPLE
