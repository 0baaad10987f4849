"""A message on its way from one store to another, with all that is known of it: what is written down and what travels.

Times are seconds since the epoch, as the clock of the store has them that it comes from.
"""

import msgspec

#: Bytes of bodies that travel together at the most, unless a single one is larger.
MOST = 8 * 2**20


class Passage(msgspec.Struct, frozen=True, kw_only=True, gc=False, omit_defaults=True):
    """One message that has left its queue, and has to come into one.

    Attributes:
        headers: MessagePack of a map of texts, b"" for none; failure: MessagePack of the newest `Failure`, likewise.
        lane: the one that it was put into; meters, cost: see `Message`.
        scheduled: it waits for its time. due: that time; else since when it is ready, None for since its acceptance.
        first: it has started in an ordered queue, and nobody of its key passes it while it waits again.
        unknown: since when no worker knew its task.
        cause: why it waits, or why it is dead.
        progress: MessagePack, b"" for none.
        died: when it became a dead letter; None if it is none.
        started, worker: of its last run, if it is dead.
    """

    id: str
    queue: str
    task: str = ""
    body: bytes = b""
    headers: bytes = b""
    key: str | None = None
    unique: str | None = None
    priority: int = 0
    lane: str = ""
    meters: tuple[str, ...] = ()
    cost: float = 1.0
    created: float = 0.0
    scheduled: bool = False
    due: float | None = None
    first: bool = False
    expires: float | None = None
    attempt: int = 0
    lost: int = 0
    unknown: float | None = None
    cause: str = ""
    failure: bytes = b""
    progress: bytes = b""
    died: float | None = None
    started: float | None = None
    worker: str | None = None


packed = msgspec.msgpack.Encoder().encode
unpacked = msgspec.msgpack.Decoder(Passage).decode
