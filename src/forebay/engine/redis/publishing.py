"""Accepting messages: what is alike in a batch goes once, and the crowd that publishes at the same time in one call."""

from collections.abc import Iterator, Sequence
from functools import partial
from itertools import chain, groupby
from typing import Any

from msgspec.structs import replace

from forebay.engine.contract import Fate, Receipt
from forebay.engine.redis import forms
from forebay.engine.redis.mark import Mark
from forebay.engine.redis.room import Room
from forebay.engine.redis.talk import Batch, Call, Reading
from forebay.model.errors import EngineFull
from forebay.model.message import Carried, Message

#: Messages of one script: it holds up all others for some milliseconds at the most.
BITE = 500
_NOTHING = Carried()
_FATES = {"d": Fate.DUPLICATE, "m": Fate.MERGED}


class Publishing:
    """Publishes; `mark` hears of the numbers that were given."""

    def __init__(self, mark: Mark, room: Room) -> None:
        self._mark, self._room = mark, room

    def publish_all(self, batch: Batch, crowd: Sequence[Sequence[Message]]) -> list[Reading[list[Receipt]]]:
        """`publish` for several callers at once: a reading each."""
        messages = list(chain.from_iterable(crowd))
        if self._room.full:
            return [partial(_full, part) for part in crowd]
        calls = [
            batch.call("publish", *arguments(messages[at : at + BITE]), publishes=True)
            for at in range(0, len(messages), BITE)
        ]
        whole = _Receipts(self._mark, calls, messages)
        return [partial(whole.part, start, size) for start, size in _parts(crowd)]


class _Receipts:
    """The receipts of some calls, read once."""

    def __init__(self, mark: Mark, calls: Sequence[Call], messages: Sequence[Message]) -> None:
        self._mark, self._calls, self._messages = mark, calls, messages
        self._made: list[Receipt] | None = None
        self._full: EngineFull | None = None

    def part(self, start: int, size: int) -> list[Receipt]:
        """Those of one caller.

        Raises:
            EngineFull: there was no room for any of them.
            OutcomeUnknown: nobody knows what became of some.
        """
        if self._made is None:
            self._made = [receipt for number, call in enumerate(self._calls) for receipt in self._read(number, call)]
        mine = self._made[start : start + size]
        if self._full is not None and all(receipt.fate is Fate.FULL for receipt in mine):
            raise self._full
        return mine

    def _read(self, number: int, call: Call) -> list[Receipt]:
        messages = self._messages[number * BITE : (number + 1) * BITE]
        try:
            last, answers = call.answer
        except EngineFull as error:
            self._full = error
            return _full(messages)
        self._mark.see(int(last))
        if not answers:
            return [Receipt(message.id) for message in messages]
        return [_receipt(message.id, answer) for message, answer in zip(messages, answers, strict=True)]


def _full(messages: Sequence[Message]) -> list[Receipt]:
    return [Receipt(message.id, Fate.FULL) for message in messages]


def _receipt(id_: str, answer: int | bytes) -> Receipt:
    if isinstance(answer, int):
        return Receipt(id_, Fate.DUPLICATE if answer else Fate.ACCEPTED)
    told = forms.text(answer)
    return Receipt(told[1:], _FATES[told[0]])


def _parts(crowd: Sequence[Sequence[Message]]) -> Iterator[tuple[int, int]]:
    start = 0
    for part in crowd:
        yield start, len(part)
        start += len(part)


def arguments(messages: Sequence[Message]) -> list[Any]:
    """As `lib/accept.lua` takes them: forms, each with the ids and bodies of the messages that have it."""
    args: list[Any] = []
    for form, run in groupby(messages, _form) if len(messages) > 1 else [(messages[0], messages)]:
        alike = list(run)
        args += _packed(form, len(alike))
        for message in alike:
            args += (message.id, message.body)
    return args


def _form(message: Message) -> Message:
    """What a message has in common with others of its batch: all but id and body."""
    return replace(message, id="", body=b"")


def _packed(form: Message, n: int) -> Iterator[bytes]:
    past = form.carried or _NOTHING
    yield forms.pack(
        (
            n, form.delay, _or_none(form.due), _or_none(form.ttl), form.debounce, _or_none(form.max_wait),
            past.attempt, past.lost, _or_none(past.created),
        )
    )  # fmt: skip
    yield forms.route(form)
    yield forms.pack(form.headers) if form.headers else b""
    yield forms.pack(past.failure) if past.failure is not None else b""


def _or_none(value: float | None) -> float:
    """None as Lua gets it; a time before the epoch is long past all the same."""
    return -1.0 if value is None else max(0.0, value)
