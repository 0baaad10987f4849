"""The form of sealed payloads on the wire, and the envelope that a seal binds them to. No secret is needed here.

A sealed payload begins with the one byte that MessagePack never uses, then its kind:

    C1 "z" zstd frame                                      compressed
    C1 "s" length name  mac (32)         payload           signed
    C1 "e" length name  nonce (12)       ciphertext, tag   encrypted

Signed and encrypted ones hold a payload, which may be a compressed one; nothing is nested deeper.
"""

from enum import Enum, StrEnum
from typing import Protocol

import msgspec

from forebay.model.errors import BadSeal

_MARK = 0xC1
#: The header of a message that a schedule fired; its value is the schedule's name.
FIRED_BY = "forebay-schedule"
#: Header of a debounced message: its unique key. Whichever of them waits takes the body of the newest.
DEBOUNCED = "forebay-debounced"
#: Header of one that went to another queue: the queues that it was in before, the first of them first, by commas.
REROUTED = "forebay-rerouted"
#: The most bytes that a seal adds.
OVERHEAD = 3 + 32 + 32
_pack = msgspec.msgpack.Encoder().encode


class Part(StrEnum):
    """What of a message a payload is: a result cannot stand for a body."""

    BODY = "body"
    RESULT = "result"
    PROGRESS = "progress"


class Kind(Enum):
    """How a payload is sealed."""

    COMPRESSED = ord("z")
    SIGNED = ord("s")
    ENCRYPTED = ord("e")


class Addressed(Protocol):
    """What a message, a delivery and a found message have in common: who it is and where it belongs."""

    @property
    def id(self) -> str: ...
    @property
    def queue(self) -> str: ...
    @property
    def task(self) -> str: ...
    @property
    def key(self) -> str | None: ...
    @property
    def headers(self) -> dict[str, str] | None: ...


def kind(blob: bytes) -> Kind | None:
    """How a payload is sealed; None if it is not.

    Raises:
        BadSeal: it begins like a sealed one, but is of no kind that is known here.
    """
    if not blob or blob[0] != _MARK:
        return None
    try:
        return Kind(blob[1])
    except (ValueError, IndexError):
        raise BadSeal("sealed in a form that this Forebay does not know: was it written by a newer one?") from None


def envelope(part: Part, how: Kind, key: str, message: Addressed) -> bytes:
    """All that a seal binds a payload to, in one canonical form: MessagePack of a list, which no other can begin like.

    The body of a message that a schedule fired is bound to the schedule: whoever fires it has no key to seal each tick.
    That of a debounced one is bound to its unique key, for it takes the place of another message.
    What else the body comes with is bound to it too; a result outlives all that. Of one that went to another queue, all
    is bound to the queue that it was enqueued to: who reroutes it has no key either.
    """
    headers = dict(message.headers or {})
    queue = headers.pop(REROUTED, message.queue).partition(",")[0]
    place = [1, how.value, key, part, queue, message.task]
    if part is not Part.BODY:
        return _pack([*place, message.id])
    if DEBOUNCED in headers:
        return _pack([*place, f"debounced:{headers[DEBOUNCED]}", None, sorted(headers.items())])
    id_ = f"schedule:{headers[FIRED_BY]}" if FIRED_BY in headers else message.id
    return _pack([*place, id_, message.key, sorted(headers.items())])


def compressed(frame: bytes) -> bytes:
    """A payload that holds a zstd frame."""
    return bytes((_MARK, Kind.COMPRESSED.value)) + frame


def keyed(how: Kind, name: str, rest: bytes) -> bytes:
    """A payload that was sealed with a key."""
    return bytes((_MARK, how.value, len(name))) + name.encode("ascii") + rest


def rest_of(how: Kind, blob: bytes) -> tuple[str, bytes]:
    """The name of the key ("" for a compressed one), and what follows it.

    Raises:
        BadSeal: it was cut short.
    """
    if how is Kind.COMPRESSED:
        return "", blob[2:]
    end = 3 + blob[2] if len(blob) > 2 else 3
    if len(blob) < end:
        raise BadSeal("sealed, but cut short: it cannot be opened")
    return blob[3:end].decode("ascii", "replace"), blob[end:]


def locked(blob: bytes) -> str | None:
    """Why an app that seals nothing cannot read a payload, if that is because it is sealed."""
    how = describe(blob)
    if how is None:
        return None
    return f"{how}, and this app has no keys and no compression set: set them, then ask again or redrive"


def describe(blob: bytes) -> str | None:
    """How a payload is sealed, in words; None if it is not. Never fails."""
    try:
        how = kind(blob)
        if how is None:
            return None
        name, _ = rest_of(how, blob)
    except BadSeal as error:
        return str(error)
    return how.name.lower() + (f" with key {name!r}" if name else "")
