"""Publishing: builds messages, checks their size, and hands them to the engine. Opens the engine on first use."""

import math
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, TypedDict

import msgspec
from msgspec.structs import replace

from forebay.config import Settings
from forebay.engine.contract import Engine, Fate, Receipt
from forebay.model.duration import Duration, seconds
from forebay.model.errors import ConfigError, EngineFull, NoSuchMessage, OutcomeUnknown, PayloadTooLarge, encodable
from forebay.model.ids import check_id, new_id
from forebay.model.lifecycle import State
from forebay.model.message import Message
from forebay.model.queue import check_name
from forebay.model.sealed import Part
from forebay.produce.context import lineage
from forebay.produce.seal import Seal
from forebay.store.contract import Found, Store

#: Characters of a key or `unique`, and of all headers of a message together with these two.
_MAX_KEY, _MAX_WORDS = 512, 16_384


class Options(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How one message is to wait; see `Task.using`. `due` is seconds since the epoch."""

    queue: str
    id: str | None = None
    delay: float = 0.0
    due: float | None = None
    priority: int = 0
    key: str | None = None
    unique: str | None = None
    expires: float | None = None
    headers: dict[str, str] | None = None


class RawWays(TypedDict, total=False):
    """Ways for a message to wait.

    Keys:
        id: an id of your choice, for one message; publishing it again changes nothing, and its handle is of the first.
        delay: from acceptance until it is due.
        due: when it is due: seconds since the epoch, or an aware datetime; wins over `delay`.
        priority: higher runs first; 0 unless given.
        key: the tenant or entity it belongs to.
        unique: while a message with this key waits or runs, another enqueue returns a handle of that one.
        expires: after this time since acceptance it is not started any more.
        headers: short strings that travel along.
    """

    id: str
    delay: Duration
    due: datetime | float
    priority: int
    key: str
    unique: str
    expires: Duration
    headers: Mapping[str, str]


class Ways(RawWays, total=False):
    """Ways for a task's message to wait: those of `RawWays`, and a queue.

    Keys:
        queue: another queue than the task's own.
    """

    queue: str


def options(base: Options, chosen: RawWays) -> Options:
    """`base` with what was chosen, checked once.

    Raises:
        ConfigError: a value makes no sense.
    """
    values: dict[str, Any] = {name: value for name, value in chosen.items() if value is not None}
    for name in ("delay", "expires"):
        if name in values:
            values[name] = seconds(values[name], name)
    if isinstance(due := values.get("due"), datetime):
        if due.tzinfo is None:
            raise ConfigError("due needs a time zone: datetime.now(UTC) + timedelta(...), or seconds since the epoch")
        values["due"] = due.timestamp()
    try:
        result = msgspec.convert({**msgspec.structs.asdict(base), **values}, Options)
    except msgspec.ValidationError as error:
        raise ConfigError(f"using(): {error}; known are {', '.join(Ways.__annotations__)}") from error
    if result.id is not None:
        check_id(result.id)
    return _checked(result)


def _checked(chosen: Options) -> Options:
    check_name("queue", chosen.queue)
    for name, text in (("key", chosen.key), ("unique", chosen.unique)):
        if text is not None and not 0 < len(text) <= _MAX_KEY:
            raise ConfigError(f"{name} must have 1 to {_MAX_KEY} characters, not {len(text)}")
    words = (chosen.key or "", chosen.unique or "", *(word for pair in (chosen.headers or {}).items() for word in pair))
    for word in words:
        if encodable(word) != word:
            raise ConfigError(f"{word[:_MAX_KEY]!r} is no text that can be sent: it holds half of a surrogate pair")
    if (size := sum(map(len, words))) > _MAX_WORDS:
        raise ConfigError(f"headers of {size:,} characters are too long, {_MAX_WORDS:,} is the most: use the arguments")
    if not -(2**31) <= chosen.priority < 2**31:
        raise ConfigError(f"priority {chosen.priority} is out of range: use -2147483648 to 2147483647")
    if chosen.due is not None and not math.isfinite(chosen.due):
        raise ConfigError(f"due must be seconds since the epoch or an aware datetime, not {chosen.due}")
    return chosen


def _form(task: str, chosen: Options) -> Message:
    """What messages that are made together have in common."""
    headers = lineage()
    if chosen.headers:
        headers = {**(headers or {}), **chosen.headers}
    return Message(
        id="",
        queue=chosen.queue,
        task=task,
        headers=headers,
        key=chosen.key,
        priority=chosen.priority,
        delay=chosen.delay,
        due=chosen.due,
        ttl=chosen.expires,
        unique=chosen.unique,
    )


def _ids(chosen: Options, count: int) -> list[str]:
    if chosen.id is None:
        return new_id.many(count)
    if count > 1:
        raise ConfigError(f"id {chosen.id!r} is for one message, and {count} were given: publish them one by one")
    return [chosen.id] * count


class Producer:
    """Publishes through one engine.

    Args:
        seal: what closes and opens payloads; None if they travel as they are.
    """

    def __init__(self, engine: Engine, store: Store, settings: Settings, seal: Seal | None = None) -> None:
        self.engine, self.store, self.settings, self.seal = engine, store, settings, seal

    def messages(self, task: str, bodies: Sequence[bytes], chosen: Options) -> list[Message]:
        """Messages, not yet published.

        Raises:
            PayloadTooLarge: a body is over the limit.
            ConfigError: one id was chosen for more than one message.
        """
        limit = self.settings.payload_limit
        if bodies and (longest := max(map(len, bodies))) > limit:
            raise PayloadTooLarge(
                f"{task or chosen.queue}: {longest:,} bytes is over the limit of {limit:,}: "
                "store the data elsewhere and send its address, or raise payload_limit"
            )
        form, ids = _form(task, chosen), _ids(chosen, len(bodies))
        made = [replace(form, id=id_, body=body) for id_, body in zip(ids, bodies, strict=True)]
        if self.seal is None:
            return made
        return [replace(one, body=self.seal.close(Part.BODY, one, one.body)) for one in made]

    async def publish(self, messages: Sequence[Message]) -> list[Receipt]:
        """Publish; durable when this returns.

        Raises:
            EngineFull: the engine has no room for some of them.
            OutcomeUnknown: it was not confirmed; which messages it may have accepted is in it.
        """
        await self.engine.open()
        try:
            receipts = await self.engine.publish(messages) if messages else []
        except OutcomeUnknown as error:
            error.ids = tuple(message.id for message in messages)
            raise
        if refused := sum(receipt.fate is Fate.FULL for receipt in receipts):
            raise EngineFull(
                f"no room for {refused} of {len(receipts)} messages: the engine is full up to max_size; "
                "let workers catch up, purge dead letters, or raise max_size"
            )
        return receipts

    async def find(self, id_: str) -> Found | None:
        """What is known of a message."""
        await self.engine.open()
        return (await self.store.find([id_]))[0]

    def revealed(self, found: Found) -> Found:
        """A message to look at: with its payloads opened, as far as the keys of this app open them."""
        if self.seal is None:
            return found
        parts = {Part.BODY: found.body, Part.RESULT: found.result, Part.PROGRESS: found.progress}
        opened = {part.value: self.seal.glimpse(part, found, blob) for part, blob in parts.items() if blob}
        return replace(found, **opened)

    async def watch(self, id_: str, timeout: float, since: int | None) -> int:
        """Until a message may have ended or progressed; see `Results.watch`."""
        return await self.store.watch([id_], timeout, since)

    async def cancel(self, id_: str) -> State:
        """Cancel a message; its state after that."""
        await self.engine.open()
        state = (await self.store.cancel([id_]))[0]
        if state is None:
            raise NoSuchMessage(f"no message {id_}: never accepted here, or ended and past its result_ttl")
        return state
