"""Ends: what becomes of what ran. `model/ruling.py` decides, before the script; the script writes it down if the
message stands as was thought, and else says how it stands, and it is judged again.
"""

from collections.abc import Callable, Sequence
from functools import partial
from itertools import groupby
from struct import pack
from typing import Any, NamedTuple, cast

from forebay.engine.redis import forms
from forebay.engine.redis.talk import Batch, Call, Reading, Talk
from forebay.model.lifecycle import FINAL, Move
from forebay.model.outcome import Ack, Outcome, Park, Settlement
from forebay.model.ruling import Ruling, Standing, rule

#: Settlements of one script.
BITE = 500
#: Times that a message is judged anew, because it stood otherwise than was thought.
JUDGED = 50


class _Run(NamedTuple):
    """Acks in a row that go in one call: of one queue, kept equally long, and with or without results."""

    queue: str
    keep: float | None
    plain: bool


class _Case(NamedTuple):
    """One settlement, at its place in the batch, as it was judged."""

    place: int
    settlement: Settlement
    standing: Standing
    ruling: Ruling


class Settling:
    """Carries out outcomes; `now` is the store's time, as far as is known; ends are kept `keep` seconds by default."""

    def __init__(self, keep: float, now: Callable[[], float]) -> None:
        self._keep, self._now = keep, now

    async def settle(
        self, talk: Talk, worker: str, settlements: Sequence[Settlement], *, again: bool = False
    ) -> list[bool]:
        """Whether each was carried out; `again` if an earlier call may have done it."""
        if not settlements:
            return []
        if all(_is_plain(one) for one in settlements):
            return await talk.carry(self._acks, worker, settlements, again)
        standings = [_likely(one) for one in settlements]
        moves = await self.carry_out(talk, worker, settlements, standings, again=again)
        return [move is not None for move in moves]

    async def carry_out(
        self, talk: Talk, worker: str, settlements: Sequence[Settlement], standings: Sequence[Standing],
        *, dead: bool = False, again: bool = False,
    ) -> list[Move | None]:  # fmt: skip
        """The move that each made; None for what it does not hold at that fence. `dead`: the worker need not live."""
        moves: list[Move | None] = [None] * len(settlements)
        left = [self._judged(place, *pair) for place, pair in enumerate(zip(settlements, standings, strict=True))]
        for _ in range(JUDGED):
            answers = await talk.carry(self._mixed, worker, left, dead, again)
            judged: list[_Case] = []
            for case, answer in zip(left, answers, strict=True):
                if isinstance(answer, Standing):
                    judged.append(self._judged(case.place, case.settlement, answer))
                elif answer:
                    moves[case.place] = case.ruling.move
            if not judged:
                break
            left = judged
        return moves

    def _judged(self, place: int, settlement: Settlement, standing: Standing) -> _Case:
        return _Case(place, settlement, standing, rule(settlement.outcome, standing, self._now()))

    def _acks(self, batch: Batch, worker: str, settlements: Sequence[Settlement], again: bool) -> Reading[list[bool]]:
        calls: list[tuple[Call, int]] = []
        for run, group in groupby(settlements, _run):
            acks = list(group)
            for at in range(0, len(acks), BITE):
                part = acks[at : at + BITE]
                calls.append((batch.call("ack", *self._ack(worker, run, part), sent=again), len(part)))

        def read() -> list[bool]:
            verdicts: list[bool] = []
            for call, size in calls:
                answer = call.answer
                verdicts += [answer == size] * size if isinstance(answer, int) else [bool(one) for one in answer]
            return verdicts

        return read

    def _ack(self, worker: str, run: _Run, acks: Sequence[Settlement]) -> list[Any]:
        took = [max(0.0, ack.took) for ack in acks]
        args: list[Any] = [
            worker, run.queue, "" if run.keep is None else run.keep, self._keep,
            forms.PLAIN if run.plain else b"", pack(f">{len(took)}d", *took) if any(took) else b"",
        ]  # fmt: skip
        for ack in acks:
            args += (ack.delivery.id, forms.fence(ack.delivery.fence))
            if not run.plain:
                args.append(forms.tail("", cast("Ack", ack.outcome).result))
        return args

    def _mixed(
        self, batch: Batch, worker: str, cases: Sequence[_Case], dead: bool, again: bool
    ) -> Reading[list[Standing | bool]]:
        runs: list[tuple[bool, list[_Case]]] = [
            (acks, list(group)) for acks, group in groupby(cases, lambda case: _is_plain(case.settlement))
        ]
        readings: list[Callable[[], Sequence[Any]]] = []
        for acks, run in runs:
            if acks:
                readings.append(self._acks(batch, worker, [case.settlement for case in run], again))
                continue
            for at in range(0, len(run), BITE):
                part = run[at : at + BITE]
                args = [value for case in part for value in self._written(case)]
                call = batch.call("settle", worker, "1" if dead else "", *args, sent=again)
                readings.append(partial(_answers, call, len(part)))
        return lambda: [answer for reading in readings for answer in reading()]

    def _written(self, case: _Case) -> tuple[Any, ...]:
        """See `settle.lua`."""
        (delivery, outcome, took), ruling = _parts(case.settlement), case.ruling
        standing, park = case.standing, isinstance(outcome, Park)
        keep = outcome.keep if isinstance(outcome, Ack) else None
        packed = forms.pack(
            (
                str(ruling.state), ruling.refund, ruling.lost, -1.0 if ruling.due is None else ruling.due,
                outcome.lane if isinstance(outcome, Park) else None, ruling.cause,
                -1 if ruling.known is None else int(ruling.known),
                "retried" if ruling.move is Move.RETRY else "", self._keep if keep is None else keep, max(0.0, took),
                int(standing.asked), standing.lost, standing.newer, int(standing.shut) if park else -1,
                outcome.until if isinstance(outcome, Park) and outcome.until is not None else -1.0,
                case.settlement.unspent, isinstance(outcome, Ack) and outcome.holds, keep is not None,
                ruling.queue is not None and ruling.queue[0],
            )
        )  # fmt: skip
        failure = b"" if ruling.failure is None else forms.pack(ruling.failure)
        return (
            delivery.id, forms.fence(delivery.fence), packed, failure,
            forms.tail(ruling.cause) if ruling.state in FINAL else _headers(ruling),
        )  # fmt: skip


def _headers(ruling: Ruling) -> bytes:
    """Of one that goes on in another queue."""
    return forms.pack(ruling.queue[1]) if ruling.queue is not None and ruling.queue[1] else b""


def _parts(settlement: Settlement) -> tuple[Any, Outcome, float]:
    return settlement.delivery, settlement.outcome, settlement.took


def _answers(call: Call, size: int) -> list[Any]:
    """A verdict for each, or how it stands."""
    answers: list[Any] = call.answer or [0] * size  # none at all if the worker does not live
    return [bool(one) if isinstance(one, int) else _standing(*one) for one in answers]


def _standing(asked: int, lost: int, newer: bytes, shut: int) -> Standing:
    return Standing(bool(asked), lost, forms.text(newer), shut == 1)


def _likely(settlement: Settlement) -> Standing:
    """How a message stands if nobody has touched it: who parks one has seen that its lane is closed."""
    return Standing(lost=settlement.delivery.lost, shut=isinstance(settlement.outcome, Park))


def _is_plain(settlement: Settlement) -> bool:
    """Whether it is an ack and no more, as most are."""
    return isinstance(settlement.outcome, Ack) and not settlement.outcome.holds


def _run(settlement: Settlement) -> _Run:
    ack = cast("Ack", settlement.outcome)
    return _Run(settlement.delivery.queue, ack.keep, ack.result is None)
