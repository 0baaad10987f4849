"""One value's way through bytes and back: encoded, decoded as its receiver will, compared, or refused with the reason.

The plainest form that arrives whole is taken: what MessagePack has itself, then with extension types for what only
Python has, then with the fields of models that nobody set. A receiver reads all of them alike.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

import msgspec

from forebay.model.errors import text_of
from forebay.model.wire import exactly, extension, unpack
from forebay.produce.kinds import ANYTHING, Kind, Kinds, Trust
from forebay.produce.plain import plainly
from forebay.produce.same import Comparison

_whole = partial(plainly, whole=True)
_pack = msgspec.msgpack.Encoder(enc_hook=plainly).encode
_pack_whole = msgspec.msgpack.Encoder(enc_hook=_whole).encode
_TIME = 255  # a byte of the form of each time of a zone
_EXTENSION = "got `ext`"  # what a decoder says that met an extension type where it expected something else


class Watch(NamedTuple):
    """A part of a value that may change on its way: how to reach it, its trust, its name in messages."""

    reach: Callable[[Any], Any]
    trust: int
    path: str


_EQUAL, _PLAIN = int(Trust.EQUAL), int(Trust.PLAIN)  # members of an enum are slow to reach


class Way:
    """Values of one form.

    Args:
        form: what is decoded into.
        watched: its parts that may change on the way.
        plain: an instance of a class that no annotation names arrives in its plain form, instead of being refused.

    Attributes:
        encode: from a value to its bytes. Raises whatever tells best why it would not arrive, or not as it is.
        native: from the plainest form of its bytes to a value, for who is in a hurry; `decode` reads them all.

    Raises:
        TypeError: the form cannot be decoded into.
    """

    def __init__(self, form: Any, kinds: Kinds, watched: Sequence[Watch], *, plain: bool = False) -> None:
        self._form, self._kinds, self._watched = form, kinds, watched
        self.native = self._native = msgspec.msgpack.Decoder(form, dec_hook=kinds.make, ext_hook=extension).decode
        self._as_native = Comparison(kinds.trusted, exact=False, plain=plain, rivals=kinds.rivals)
        self._as_exact = Comparison(kinds.trusted, exact=True, plain=plain, rivals=kinds.rivals)
        self.encode = self._encoder(Trust(max((watch.trust for watch in watched), default=0)))

    def _encoder(self, trust: Trust) -> Callable[[Any], bytes]:
        """The quickest function that is sure: this is what every enqueue pays for."""
        native, compared = self._native, self._compared
        pack = _pack_whole if self._form is Any else _pack  # no class is there that knows the defaults
        conclusive = trust is Trust.EQUAL

        def safe(value: Any) -> bytes:
            body = pack(value)
            native(body)
            return body

        def equal(value: Any) -> bytes:
            body = pack(value)
            try:
                if native(body) == value and (conclusive or _TIME not in body):
                    return body
            except Exception:  # noqa: BLE001, S110 - what is wrong with this form is told when no other one does
                pass
            return compared(value, body)

        def looking(value: Any) -> bytes:
            return compared(value, pack(value))

        return safe if trust is Trust.SAFE else looking if trust is Trust.LOOK else equal

    def decode(self, body: bytes) -> Any:
        """A value from its bytes.

        Raises:
            Exception: they do not fit; says why.
        """
        try:
            return self._native(body)
        except Exception as error:  # noqa: BLE001 - hooks may do anything
            first = error
        try:
            return msgspec.convert(unpack(body), self._form, dec_hook=self._kinds.make)
        except Exception as error:  # noqa: BLE001 - as above
            raise (error if _EXTENSION in text_of(first) else first) from None

    def _compared(self, value: Any, body: bytes) -> bytes:
        """The plainest form that arrives whole."""
        try:
            self._compare(value, self._native(body), body, self._as_native)
            return body
        except Exception:  # noqa: BLE001, S110 - whatever is wrong with this form, another one may do
            pass
        try:
            return self._exact(value, plainly)
        except Exception as error:  # noqa: BLE001 - as above
            first = error
        try:
            return self._exact(value, _whole)
        except Exception:  # noqa: BLE001 - what was wrong before is closer to what was given
            raise first from None

    def _exact(self, value: Any, plain: Callable[[Any], Any]) -> bytes:
        body = _pack(exactly(value, plain))
        self._compare(value, self.decode(body), body, self._as_exact)
        return body

    def _compare(self, sent: Any, arrived: Any, body: bytes, comparison: Comparison) -> None:
        told = _EQUAL if _TIME in body else _PLAIN
        for reach, trust, path in self._watched:
            there, here = reach(sent), reach(arrived)
            if trust > told or not _equal(there, here):
                comparison.look(there, here, path)


def _equal(there: Any, here: Any) -> bool:
    try:
        return (there == here) is True
    except Exception:  # noqa: BLE001 - a comparison of theirs may do anything
        return False


def _itself(value: Any) -> Any:
    return value


def single(kind: Kind, kinds: Kinds, path: str = "$", *, plain: bool = True) -> Way:
    """The way of a value that stands alone: a result, a raw message, progress, a default."""
    return Way(kind.form, kinds, [Watch(_itself, kind.trust, path)] if kind.trust else [], plain=plain)


#: The way of a value that no annotation says anything about.
ANY_WAY = single(ANYTHING, Kinds())
