"""Tasks that are done in a transaction of their own: `ctx.complete_in`, and whether that was committed.

What the engine holds is the truth: it is asked about a run that has ended, which is settled as any other if its
transaction was undone. Knows nothing of slots.
"""

import asyncio
import logging
import time
from collections.abc import Callable
from typing import Any

from forebay.engine.backend import Completed
from forebay.engine.trouble import Trouble
from forebay.model.errors import EngineClosed, EngineError, LeaseLost
from forebay.model.outcome import Ack, Settlement
from forebay.produce.context import Context
from forebay.produce.producer import Within

_logger = logging.getLogger("forebay.worker")
#: Seconds between looks at a transaction that is still open, at first and at the most; and until that is told.
_PAUSE, _LONGEST, _TELL = 0.02, 1.0, 5.0
#: Seconds that a transaction may stay open after its task has ended. Its message, and the slots and the key that it
#: takes, are kept from everybody meanwhile.
LEFT_OPEN = 30.0
_LOST = (
    "the lease of this message is lost, and it may run elsewhere already: let this error out, so that the transaction "
    "is rolled back"
)
_TWICE = "this message is done already, by an earlier complete_in: once is enough"


class Completing:
    """For the runs of one worker.

    Args:
        worker: tells its id.
        done: the end of a run of a message with a result; see `Executor.done`.
        begun: called before a message is done in a transaction.

    Attributes:
        retire: ends the process of a `cpu=True` task that has left its transaction open, by the message's id.
    """

    def __init__(
        self, worker: Callable[[], str], done: Callable[[Context, Any], Ack], begun: Callable[[], object] = bool
    ) -> None:
        self._worker, self._done, self._begun = worker, done, begun
        self._patience = LEFT_OPEN
        self.retire: Callable[[str], bool] = _nowhere

    @property
    def worker(self) -> str:
        """See `Completes.worker`."""
        return self._worker()

    async def complete(self, context: Context, connection: Any, value: Any) -> None:
        """See `Context.complete_in`."""
        again, within = context.completing, _within(context)
        end = self._done(context, value)
        self._begun()
        context.completing, context.given = True, value
        settlement = Settlement(context.delivery, end, max(0.0, time.monotonic() - context.began))
        if not await within.complete_in(connection, self.worker, settlement):
            raise LeaseLost(_TWICE if again else _LOST)

    def hurry(self) -> None:
        """This worker leaves: what is left open now is undone at the next look."""
        self._patience = 0.0

    async def standing(self, context: Context) -> Completed:
        """What has become of the transaction in which a run that has ended was to be done; waits until it is decided.

        One that stays open is undone after `LEFT_OPEN` seconds.

        Raises:
            EngineClosed: nobody can be asked any more.
        """
        delivery, pause, since = context.delivery, _PAUSE, time.monotonic()
        what, trouble, undone = f"{delivery.task} {delivery.id}", Trouble(_logger), False
        while True:
            standing = await self._asked(context, what, trouble)
            if standing is not Completed.OPEN:
                return standing
            open_for = time.monotonic() - since
            if open_for > self._patience and not undone:
                undone = await self._undo(context, what, trouble)
            elif open_for > _TELL and not undone:
                trouble.tell(what, "it has ended, and its transaction is still open")
            await asyncio.sleep(pause)
            pause = min(_LONGEST, 2 * pause)

    async def _asked(self, context: Context, what: str, trouble: Trouble) -> Completed:
        """How it stands; open, if nobody can say it now."""
        try:
            (standing,) = await _within(context).completed(self.worker, [context.delivery])
        except EngineClosed:
            raise
        except EngineError as error:
            trouble.tell(f"whether {what} is done", error)
            return Completed.OPEN
        return standing

    async def _undo(self, context: Context, what: str, trouble: Trouble) -> bool:
        """End a transaction that nobody ends; whether that was done."""
        try:
            undone = await _within(context).undo(context.delivery)
        except Exception as error:  # noqa: BLE001 - of a driver of theirs
            trouble.tell(f"the open transaction of {what}", error, advice=f"it is tried again every {_LONGEST:g} s")
            return False
        if not undone and self.retire(context.delivery.id):
            _logger.error("%s: it has ended, and its transaction was left open: the process that it ran in ends", what)
            return True
        if undone:
            _logger.error(
                "%s: it has ended, and its transaction was left open: undone, and the attempt has failed", what
            )
        else:
            trouble.tell(
                what, "it has ended, and its transaction is open on a connection that is not known here: end it"
            )
        return undone


def _nowhere(_: str) -> bool:
    """It did not run in a process of its own."""
    return False


def _within(context: Context) -> Within:
    """Raises ConfigError if there is nothing to do it with."""
    assert context.producer is not None
    return context.producer.within(f"task {context.delivery.task}", "ctx.complete_in()")
