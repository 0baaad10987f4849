"""Accepting messages: what is alike in a batch goes once, and the crowd that publishes at the same time in one call."""

from collections.abc import Iterator, Sequence
from functools import partial
from itertools import chain, groupby
from typing import Any

import msgspec
from msgspec.structs import replace

from forebay.engine.contract import Fate, Receipt
from forebay.engine.full import Filled, child, exempt, refusal
from forebay.engine.redis import forms
from forebay.engine.redis.mark import Mark
from forebay.engine.redis.room import Room
from forebay.engine.redis.talk import Batch, Call, Reading
from forebay.flow.limit import Drain, Level
from forebay.model.errors import EngineFull
from forebay.model.message import Carried, Message
from forebay.model.queue import Limit, OnFull

#: Messages of one script: it holds up all others for some milliseconds at the most.
BITE = 500
#: Alike messages in a row that are worth a call of their own.
FEW = 8
_NOTHING = Carried()
#: A running task has made it; it has a history.
CHILD, EXEMPT = 1, 2
_LEVEL = tuple[
    float, float, float, OnFull, float, int, int, float, int, float, int, float, int, float, float, float, float, float,
    float, float,
]  # fmt: skip
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
        calls = [(_called(batch, script, part), part) for script, part in _segments(messages)]
        for call, _ in calls:
            call.since = self._mark.highest
        whole = _Receipts(self._mark, calls)
        return [partial(whole.part, start, size) for start, size in _parts(crowd)]


class _Receipts:
    """The receipts of some calls, read once."""

    def __init__(self, mark: Mark, calls: Sequence[tuple[Call, Sequence[Message]]]) -> None:
        self._mark, self._calls, self._known = mark, calls, mark.known
        self._made: list[Receipt] | None = None
        self._full: EngineFull | None = None

    def part(self, start: int, size: int) -> list[Receipt]:
        """Those of one caller.

        Raises:
            EngineFull: there was no room for any of them.
            OutcomeUnknown: nobody knows what became of some.
        """
        if self._made is None:
            self._made = [receipt for call, messages in self._calls for receipt in self._read(call, messages)]
        mine = self._made[start : start + size]
        if self._full is not None and all(receipt.fate is Fate.FULL for receipt in mine):
            raise self._full
        return mine

    def _read(self, call: Call, messages: Sequence[Message]) -> list[Receipt]:
        try:
            answer: Any = call.answer
        except EngineFull as error:
            self._full = error
            return _full(messages)
        if isinstance(answer, int):
            self._mark.see(answer, self._known)
            return [Receipt(message.id) for message in messages]
        last, answers = answer
        self._mark.see(last, self._known)
        return [_receipt(message, answer) for message, answer in zip(messages, answers, strict=True)]


def _full(messages: Sequence[Message]) -> list[Receipt]:
    return [Receipt(message.id, Fate.FULL) for message in messages]


def _receipt(message: Message, answer: int | bytes) -> Receipt:
    if isinstance(answer, int):
        return Receipt(message.id, Fate.DUPLICATE if answer else Fate.ACCEPTED)
    if answer.startswith(b"f"):
        return refusal(message, *_filled(answer[1:]))
    told = forms.text(answer)
    return Receipt(told[1:], _FATES[told[0]])


def _filled(told: bytes) -> tuple[Filled, int, int, int | None]:
    """As `lib/room.lua` tells it; what else `refusal` wants to know."""
    most, most_age, age, on_full, patience, waiting, drained, now, nth, *more = msgspec.msgpack.decode(
        told, type=_LEVEL
    )
    first, first_n, last, last_n, full, reserve, most_bytes, size, before, instead, opens = more
    limit = Limit(
        messages=int(most) if most >= 0 else None, size=int(most_bytes) if most_bytes >= 0 else None,
        age=most_age if most_age >= 0 else None, on_full=on_full, patience=patience, reserve=reserve,
    )  # fmt: skip
    known = Drain(first, int(first_n), last, int(last_n), full)
    return (
        Filled(limit, Level(waiting, drained, int(size), age), known, now, opens if opens >= 0 else None),
        nth,
        int(before),
        int(instead) if instead >= 0 else None,
    )


def _parts(crowd: Sequence[Sequence[Message]]) -> Iterator[tuple[int, int]]:
    start = 0
    for part in crowd:
        yield start, len(part)
        start += len(part)


def _segments(messages: Sequence[Message]) -> Iterator[tuple[str, Sequence[Message]]]:
    """Messages in the order given, by the script that takes them, a bite at a time."""
    if len(messages) == 1:
        yield ("put" if _is_plain(messages[0]) else "publish"), messages
        return
    mixed: list[Message] = []
    for form, run in groupby(messages, _form):
        alike = list(run)
        if len(alike) < min(FEW, len(messages)) or not _is_plain(form):
            mixed += alike
            continue
        yield from _bites("publish", mixed)
        mixed = []
        yield from _bites("put", alike)
    yield from _bites("publish", mixed)


def _bites(script: str, messages: Sequence[Message]) -> Iterator[tuple[str, Sequence[Message]]]:
    for at in range(0, len(messages), BITE):
        yield script, messages[at : at + BITE]


def _is_plain(form: Message) -> bool:
    """Whether it is due at once, and nothing else has to be looked at: as most are."""
    common = form.unique is None and form.due is None and form.carried is None and not form.meters
    return common and form.delay <= 0 and form.cost == 1.0


def _called(batch: Batch, script: str, messages: Sequence[Message]) -> Call:
    if script == "publish":
        return batch.call(script, *arguments(messages), publishes=True)
    call = batch.call(script, *_plain(messages), publishes=True)
    call.otherwise = lambda: ("publish", arguments(messages))
    return call


def _plain(messages: Sequence[Message]) -> list[Any]:
    """As `put.lua` takes them, all of one form."""
    form = messages[0]
    headers = forms.pack(form.headers) if form.headers else b""
    args: list[Any] = [form.queue, form.lane, -form.priority, _or_none(form.ttl), forms.route(form), headers]
    for message in messages:
        args += (message.id, message.body)
    return args


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
            past.attempt, past.lost, _or_none(past.created), *_flags(form),
        )
    )  # fmt: skip
    yield forms.route(form)
    yield forms.pack(form.headers) if form.headers else b""
    yield forms.pack(past.failure) if past.failure is not None else b""


def _flags(form: Message) -> tuple[int, ...]:
    """What a queue with a limit makes of it; see `lib/room.lua`."""
    flags = (CHILD if child(form) else 0) | (EXEMPT if exempt(form) else 0)
    return (flags,) if flags else ()


def _or_none(value: float | None) -> float:
    """None as Lua gets it; a time before the epoch is long past all the same."""
    return -1.0 if value is None else max(0.0, value)
