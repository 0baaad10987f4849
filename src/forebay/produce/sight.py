"""A message as the condition of a rule sees it: what stands on its outside, and in its body if that can be read here.

Nothing of the app's own is called: a body is looked at as plain MessagePack, with the keys of this app if it is sealed.
"""

from typing import Any, Protocol

import msgspec

from forebay.flow.condition import Unknown
from forebay.model.errors import BadSeal
from forebay.model.sealed import Addressed, Part, locked
from forebay.produce.seal import Seal

_decode = msgspec.msgpack.Decoder().decode


class Seen(Addressed, Protocol):
    """A delivery, or a message as it was found."""

    @property
    def body(self) -> bytes: ...
    @property
    def priority(self) -> int: ...


class Sight:
    """`flow.condition.Facts` of one message. Its body is decoded once, if anybody asks.

    Args:
        attempt: that it is in, or would be.
        age: seconds since it was accepted.
    """

    def __init__(self, message: Seen, seal: Seal | None, attempt: int, age: float) -> None:
        self._message, self._seal, self._attempt, self._age = message, seal, attempt, age
        self._read: Any = None
        self._opened = False

    def fact(self, name: str) -> Any:
        """See `flow.condition.Facts`."""
        message = self._message
        match name:
            case "args" | "kwargs" | "body":
                return self._body(name)
            case "headers":
                return message.headers or {}
            case "attempt":
                return self._attempt
            case "age":
                return self._age
            case _:
                return getattr(message, name)

    def _body(self, name: str) -> Any:
        if name != "body" and not self._message.task:
            raise Unknown("it is a raw message, which has no arguments: ask for its body")
        if not self._opened:
            self._read, self._opened = self._decoded(), True
        if isinstance(self._read, Unknown):
            raise self._read
        return self._read

    def _decoded(self) -> Any:
        message = self._message
        try:
            body = message.body if self._seal is None else self._seal.open(Part.BODY, message, message.body)
            if self._seal is None and (why := locked(body)) is not None:
                return Unknown(f"its body is sealed ({why})")
            return _decode(body)
        except BadSeal as error:
            return Unknown(f"its body cannot be opened: {error}")
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, ValueError, OverflowError):
            return Unknown("its body cannot be read")
