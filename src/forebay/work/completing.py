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
from forebay.model.errors import EngineClosed, EngineError, LeaseLost, text_of
from forebay.model.outcome import Ack, Settlement
from forebay.produce.context import Context
from forebay.produce.producer import Within

_logger = logging.getLogger("forebay.worker")
#: Seconds between looks at a transaction that is still open, at first and at the most; and until that is told.
_PAUSE, _LONGEST, _TELL = 0.02, 1.0, 5.0
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
    """

    def __init__(
        self, worker: Callable[[], str], done: Callable[[Context, Any], Ack], begun: Callable[[], object] = bool
    ) -> None:
        self._worker, self._done, self._begun = worker, done, begun

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

    async def standing(self, context: Context) -> Completed:
        """What has become of the transaction in which a run that has ended was to be done; waits until it is decided.

        Raises:
            EngineClosed: nobody can be asked any more.
        """
        delivery, pause, since = context.delivery, _PAUSE, time.monotonic()
        while True:
            try:
                (standing,) = await _within(context).completed(self.worker, [delivery])
            except EngineClosed:
                raise
            except EngineError as error:
                _logger.error(
                    "whether %s %s is done cannot be asked now: %s", delivery.task, delivery.id, text_of(error)
                )
            else:
                if standing is not Completed.OPEN:
                    return standing
                if time.monotonic() - since > _TELL:
                    since = float("inf")
                    _logger.warning("%s %s has ended, and its transaction is still open", delivery.task, delivery.id)
            await asyncio.sleep(pause)
            pause = min(_LONGEST, 2 * pause)


def _within(context: Context) -> Within:
    """Raises ConfigError if there is nothing to do it with."""
    assert context.producer is not None
    return context.producer.within(f"task {context.delivery.task}", "ctx.complete_in()")
