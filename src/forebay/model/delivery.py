"""A message under lease, as the engine hands it to a worker."""

import msgspec


class Delivery(msgspec.Struct, frozen=True, gc=False):
    """One lease of one message.

    Attributes:
        receipt: the engine's own handle (a row number, an entry id, an offset); opaque to everybody else.
        fence: grows with every lease of this message; a settle that carries an older one is refused.
        attempt: 1 for the first attempt; already counted durably.
        lost: how many workers died holding it.
        created: when it was accepted, by the store's clock, seconds since the epoch.
        expires: after this time it is not worth starting, seconds since the epoch.
        unknown_since: since when it has been handed back because no worker knew its task, seconds since the epoch.
    """

    receipt: int
    id: str
    queue: str
    task: str
    body: bytes
    fence: int
    attempt: int
    lost: int = 0
    created: float = 0.0
    expires: float | None = None
    priority: int = 0
    lane: str = ""
    key: str | None = None
    headers: dict[str, str] | None = None
    unknown_since: float | None = None
