"""`…history.engine+…?history=FOLDER`: an engine whose every answer that matters is written down, whoever asks.

It changes nothing. Redrives and purges by an operator are not recorded; a history that has them cannot be judged.
"""

import time
from collections.abc import Sequence
from pathlib import Path

from forebay.config import Settings
from forebay.engine.backend import Backend, Whole
from forebay.engine.contract import Beat, Leased, Receipt, Recovered, Want
from forebay.engine.registry import backend as inner_backend
from forebay.model.clock import Clock
from forebay.model.message import Message
from forebay.model.outcome import Settlement
from forebay.testing import wrapping
from forebay.testing.history import events
from forebay.testing.history.record import Recorder, digest

WRAPPER, OPTION = __name__, "history"


def recorded(url: str, folder: Path) -> str:
    """`url`, recorded into `folder`."""
    return wrapping.wrap(url, WRAPPER, **{OPTION: str(folder)})


def folder_of(url: str) -> Path:
    """Where the history of a recorded URL is kept."""
    return Path(wrapping.option(url, OPTION))


def backend(settings: Settings, clock: Clock) -> Backend:
    """The engine under the wrapper, recorded."""
    recorder = Recorder(folder_of(settings.url))
    return wrapping.around(
        inner_backend(wrapping.peel(settings, OPTION), clock), lambda inner: Recorded(inner, recorder)
    )


class Recorded(wrapping.Wrapped):
    """The verbs by which messages move, each with its question and its answer."""

    def __init__(self, inner: Whole, recorder: Recorder) -> None:
        super().__init__(inner)
        self._recorder = recorder

    async def publish(self, messages: Sequence[Message]) -> list[Receipt]:
        """See `Engine.publish`."""
        call = self._ask_to_publish(messages)
        try:
            receipts = await self._inner.publish(messages)
        except BaseException as error:
            self._recorder.write(events.Unanswered, call=call, error=str(error) or type(error).__name__)
            raise
        self._accept(call, receipts)
        return receipts

    async def fire(
        self, name: str, tick: float, following: float, messages: Sequence[Message], last: float | None = None
    ) -> bool:
        """See `store.contract.Schedules.fire`: a publish by the clock."""
        call = self._ask_to_publish(messages)
        fired = await self._inner.fire(name, tick, following, messages, last)
        if fired:
            self._accept(call, [Receipt(message.id) for message in messages])
        return fired

    async def lease(self, want: Want) -> Leased:
        """See `Engine.lease`."""
        began = time.monotonic()
        leased = await self._inner.lease(want)
        if leased.deliveries:
            leases = [events.Lease(d.id, d.queue, d.fence, d.attempt, d.lost) for d in leased.deliveries]
            self._recorder.write(events.Leased, began=began, worker=want.worker, leases=leases)
        return leased

    async def settle(self, worker: str, settlements: Sequence[Settlement]) -> list[bool]:
        """See `Engine.settle`."""
        call = self._recorder.call()
        fates = [events.Fate.of(settlement) for settlement in settlements]
        self._recorder.write(events.Settling, call=call, worker=worker, fates=fates)
        try:
            verdicts = await self._inner.settle(worker, settlements)
        except BaseException as error:
            self._recorder.write(events.Unanswered, call=call, error=str(error) or type(error).__name__)
            raise
        self._recorder.write(events.Settled, call=call, verdicts=verdicts)
        return verdicts

    async def extend(self, beats: Sequence[Beat]) -> list[bool]:
        """See `Engine.extend`."""
        began = time.monotonic()
        answers = await self._inner.extend(beats)
        for beat, renewed in zip(beats, answers, strict=True):
            self._recorder.write(events.Extended, began=began, worker=beat.worker, lease=beat.lease, renewed=renewed)
        return answers

    async def recover(self, lost: Sequence[str] = ()) -> Recovered:
        """See `Engine.recover`."""
        began = time.monotonic()
        recovered = await self._inner.recover(lost)
        if recovered.workers:
            self._recorder.write(events.Recovered, began=began, named=lost, buried=recovered.workers)
        return recovered

    def _ask_to_publish(self, messages: Sequence[Message]) -> int:
        call = self._recorder.call()
        items = [events.Item(m.id, m.queue, m.key, digest(m.body)) for m in messages]
        self._recorder.write(events.Publishing, call=call, items=items)
        return call

    def _accept(self, call: int, receipts: Sequence[Receipt]) -> None:
        self._recorder.write(events.Published, call=call, receipts=[(r.id, str(r.fate)) for r in receipts])
