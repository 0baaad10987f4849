"""Leases: who may run what, and which workers are lost."""

import os
from collections.abc import Sequence
from typing import Any

from forebay.engine.contract import Beat, Leased, Recovered, Want
from forebay.engine.redis import forms
from forebay.engine.redis.forms import Routes
from forebay.engine.redis.mark import Mark
from forebay.engine.redis.settling import Settling
from forebay.engine.redis.talk import Batch, Call, Reading, Talk
from forebay.engine.redis.times import Times
from forebay.engine.turns import MESSAGES
from forebay.model.delivery import Delivery
from forebay.model.errors import LeaseLost
from forebay.model.lifecycle import Move
from forebay.model.outcome import Lose, Settlement
from forebay.model.ruling import EXPIRED, SILENT, Standing

#: Messages that one lease makes ready, or expires, on its way.
SWEEP = 1_000
#: Lanes that share a lease while all have enough.
VISITS = 16
#: Sets of queues of which it is remembered when they were leased from.
FEEDS = 1_000
#: Buried workers that are remembered.
BURIED = 10_000

_EXPIRED = forms.tail(EXPIRED)


class Leasing:
    """Leases, beats and burials; `keep` is how many seconds ends are kept.

    Attributes:
        looked: when the last lease from these queues was, by the server's time: who waits has seen what was there then.
    """

    def __init__(self, mark: Mark, times: Times, settling: Settling, keep: float) -> None:
        self._mark, self._times, self._settling, self._keep = mark, times, settling, keep
        self._routes = Routes()
        self._turn = 0
        self.looked: dict[tuple[str, ...], float] = {}

    def lease(self, batch: Batch, want: Want) -> Reading[Leased]:
        """See `Engine.lease`."""
        limit, queues = min(want.limit, MESSAGES), want.queues if want.limit > 0 else ()
        call = batch.call(
            "lease", want.worker, os.urandom(8), limit, self._turn, VISITS, SWEEP, forms.pack(dict(want.caps)),
            _EXPIRED, self._keep, *queues,
        )  # fmt: skip
        known = self._mark.known
        return lambda: self._leased(want, (batch.news, known), call)

    def _leased(self, want: Want, before: tuple[int, int], call: Call) -> Leased:
        reply = call.answer
        if reply == 0:
            raise LeaseLost(f"worker {want.worker} has no lease: it never beat, or was declared lost")
        now, seq, turn, asked, *columns = reply
        news, known = before
        self._mark.see(int(seq), known)
        self._times.see(float(now))
        if want.limit > 0:
            self._looked(tuple(want.queues), float(now))
        self._turn = max(self._turn, int(turn)) % 2**40
        return Leased(self._routes.deliveries(columns), [forms.text(one) for one in asked], news, float(now))

    def _looked(self, queues: tuple[str, ...], now: float) -> None:
        self.looked.pop(queues, None)
        self.looked[queues] = now
        while len(self.looked) > FEEDS:
            del self.looked[next(iter(self.looked))]

    def extend(self, batch: Batch, beats: Sequence[Beat]) -> Reading[list[bool]]:
        """See `Engine.extend`."""
        args: list[Any] = []
        for beat in beats:
            args += (beat.worker, beat.lease, forms.pack(beat))
        call, known = batch.call("extend", *args), self._mark.known
        return lambda: self._extended(call, known)

    def _extended(self, call: Call, known: int) -> list[bool]:
        answers, born, fell, seq = call.answer
        anew = self._mark.named(born.decode(), fell.decode())
        self._mark.see(int(seq), known)
        if anew:  # the script took them for new ones, and what they held and have put there at their start is gone
            return [False] * len(answers)
        return [bool(one) for one in answers]

    async def recover(self, talk: Talk, lost: Sequence[str]) -> Recovered:
        """See `Engine.recover`."""
        names, *entries = await talk.carry(_bury, lost)
        moves: list[tuple[Move | None, str]] = []
        others = set[bytes]()
        for worker in dict.fromkeys(entry[0] for entry in entries):
            mine = [entry for entry in entries if entry[0] == worker]
            done = await self._settling.carry_out(talk, forms.text(worker), *_losses(mine), dead=True)
            moves += zip(done, (forms.text(entry[1]) for entry in mine), strict=True)
            if not any(done):
                others.add(worker)  # somebody else who had seen it lost has made all of that ready meanwhile
        return Recovered.of([forms.text(name) for name in names if name not in others], moves)


def held(batch: Batch, worker: str) -> Reading[list[Delivery]]:
    """See `Inspects.held`: in order of acceptance."""
    call = batch.call("held", worker)

    def read() -> list[Delivery]:
        return sorted(Routes().deliveries(call.answer), key=lambda delivery: delivery.receipt)

    return read


def _bury(batch: Batch, lost: Sequence[str]) -> Reading[Any]:
    call = batch.call("recover", BURIED, *lost)
    return lambda: call.answer


def _losses(entries: Sequence[Sequence[Any]]) -> tuple[list[Settlement], list[Standing]]:
    """What becomes of what a buried worker held, and how each stands as far as is known."""
    settlements: list[Settlement] = []
    standings: list[Standing] = []
    for _, id_, lease, queue, lost, asked in entries:
        fence, attempt, _, _ = forms.lease_of(lease)
        delivery = Delivery(0, forms.text(id_), forms.text(queue), "", b"", fence, attempt, lost=lost)
        settlements.append(Settlement(delivery, Lose(SILENT)))
        standings.append(Standing(bool(asked), lost))
    return settlements, standings
