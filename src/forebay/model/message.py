"""A message as its producer makes it. Durations are relative: the store's clock turns them into times."""

import msgspec


class Message(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """One unit of work or data.

    Attributes:
        id: chosen by the producer, so that a retried publish is a duplicate and not a second message; see `model.ids`.
        queue: the queue it waits in.
        task: the task it names, or `""` for a raw message to a consumer.
        body: MessagePack.
        headers: short strings that travel along (lineage, tracing).
        key: the tenant or entity it belongs to.
        priority: higher runs first; 0 is usual.
        lane: the part of the queue it waits in, `""` for the main one.
        delay: seconds from acceptance until it is due.
        due: a fixed time to be due (seconds since the epoch); wins over `delay`.
        ttl: seconds from acceptance after which it is no longer worth starting.
        unique: while a message with this key waits or runs, another one is a duplicate.
    """

    id: str
    queue: str
    task: str = ""
    body: bytes = b""
    headers: dict[str, str] | None = None
    key: str | None = None
    priority: int = 0
    lane: str = ""
    delay: float = 0.0
    due: float | None = None
    ttl: float | None = None
    unique: str | None = None


class Failure(msgspec.Struct, frozen=True, gc=False):
    """An exception as data: never rebuilt into a live exception from stored text."""

    type: str
    message: str
    traceback: str = ""

    def __str__(self) -> str:
        return f"{self.type}: {self.message}" if self.message else self.type
