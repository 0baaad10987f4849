"""Raw messages as a consumer sees them."""

from typing import Any

import msgspec

from forebay.model.delivery import Delivery
from forebay.model.sealed import Part
from forebay.produce.codec import decode_value
from forebay.produce.seal import Seal


class Message(msgspec.Struct, frozen=True, kw_only=True):
    """One raw message of a batch.

    Attributes:
        value: what was published.
        attempt: 1 for the first attempt.
        created: when it was accepted, seconds since the epoch.
    """

    id: str
    queue: str
    value: Any
    key: str | None
    headers: dict[str, str]
    attempt: int
    created: float


def received(delivery: Delivery, seal: Seal | None = None) -> Message:
    """A delivery as a consumer's message.

    Raises:
        BadArguments: its body is not MessagePack.
        BadSeal: its body cannot be trusted.
    """
    body = delivery.body if seal is None else seal.open(Part.BODY, delivery, delivery.body)
    return Message(
        id=delivery.id,
        queue=delivery.queue,
        value=decode_value(body),
        key=delivery.key,
        headers=delivery.headers or {},
        attempt=delivery.attempt,
        created=delivery.created,
    )
