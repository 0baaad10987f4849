"""Sealing payloads: compressed, then encrypted or signed, each bound to the one message that it was made for.

Nobody without a key can make a payload that opens, change one, or put it into another message or queue. Does not hide
that there is a message: id, queue, task, key, headers, times, causes and tracebacks stay readable.
"""

import hmac
import os
from typing import Any

from forebay.config import Settings
from forebay.model.errors import BadSeal, ConfigError
from forebay.model.keys import Key, Keys, Ring
from forebay.model.sealed import Addressed, Kind, Part, compressed, envelope, keyed, kind, rest_of
from forebay.produce.zstd import Zstd

_MAC, _NONCE = 32, 12


class Seal:
    """Closes and opens payloads as the settings say.

    With encryption keys, payloads are encrypted: AES-GCM authenticates as well, so a signature beside it would only
    cost. What is signed with a known key is still accepted then, so that an app can go from the one to the other.
    """

    def __init__(self, settings: Settings, keys: Keys) -> None:
        self._signing, self._encryption = keys.signing, keys.encryption
        self._lenient = settings.accept_unsealed or not (keys.signing or keys.encryption)
        self._from = settings.compress_from
        self._zstd = _zstd(settings, keys)
        self._aes = _aes() if keys.encryption else None

    def close(self, part: Part, message: Addressed, blob: bytes) -> bytes:
        """Seal a payload for `message`."""
        if self._zstd is not None and len(blob) >= self._from:
            smaller = compressed(self._zstd.deflate(blob))
            blob = smaller if len(smaller) < len(blob) else blob
        if (key := self._encryption.first) is not None:
            nonce = os.urandom(_NONCE)
            binding = envelope(part, Kind.ENCRYPTED, key.name, message)
            return keyed(Kind.ENCRYPTED, key.name, nonce + self._cipher(key, binding).encrypt(nonce, blob, binding))
        if (key := self._signing.first) is not None:
            binding = envelope(part, Kind.SIGNED, key.name, message)
            return keyed(Kind.SIGNED, key.name, _mac(key, binding + blob) + blob)
        return blob

    def open(self, part: Part, message: Addressed, blob: bytes) -> bytes:
        """The payload that was sealed for `message`.

        Raises:
            BadSeal: it was changed, moved, cut, sealed with a key that is not known here, or not sealed at all.
        """
        how = kind(blob)
        if how is Kind.ENCRYPTED:
            blob = self._decrypted(part, message, *rest_of(how, blob))
        elif how is Kind.SIGNED:
            blob = self._verified(part, message, *rest_of(how, blob))
        elif not self._lenient:
            raise BadSeal("not sealed, and this app takes only sealed payloads (accept_unsealed lets others in)")
        return self._inflated(blob)  # only what was found genuine is inflated

    def glimpse(self, part: Part, message: Addressed, blob: bytes) -> bytes:
        """The payload for looking at; as it is, if it cannot be opened."""
        try:
            return self.open(part, message, blob)
        except BadSeal:
            return blob

    def _decrypted(self, part: Part, message: Addressed, name: str, rest: bytes) -> bytes:
        key = _known(self._encryption, name, "encrypted", "encryption_keys")
        binding = envelope(part, Kind.ENCRYPTED, name, message)
        try:
            plain: bytes = self._cipher(key, binding).decrypt(rest[:_NONCE], rest[_NONCE:], binding)
        except Exception:  # noqa: BLE001 - InvalidTag, or ValueError for one cut short: nothing in it can be trusted
            raise _forged(name) from None
        return plain

    def _verified(self, part: Part, message: Addressed, name: str, rest: bytes) -> bytes:
        key = _known(self._signing, name, "signed", "signing_keys")
        mac, blob = rest[:_MAC], rest[_MAC:]
        if not hmac.compare_digest(mac, _mac(key, envelope(part, Kind.SIGNED, name, message) + blob)):
            raise _forged(name)
        return blob

    def _inflated(self, blob: bytes) -> bytes:
        how = kind(blob)
        if how is None:
            return blob
        if how is not Kind.COMPRESSED:
            raise BadSeal("sealed twice: only a compressed payload may be inside")
        if self._zstd is None:
            raise BadSeal("compressed, and this app has no compression set: set compression='zstd'")
        return self._zstd.inflate(rest_of(how, blob)[1])

    def _cipher(self, key: Key, binding: bytes) -> Any:
        # A key per envelope, made from ours: random 96-bit nonces are good for some billions of messages under one key
        # (NIST SP 800-38D §8.3), which a busy queue would use up.
        assert self._aes is not None
        return self._aes(_mac(key, binding))


def make_seal(settings: Settings, keys: Keys) -> Seal | None:
    """The seal that the settings ask for; None if they ask for none.

    Raises:
        ConfigError: an extra is missing, or the settings contradict one another.
    """
    return Seal(settings, keys) if settings.compression or keys.signing or keys.encryption else None


def _mac(key: Key, text: bytes) -> bytes:
    return hmac.digest(key.secret, text, "sha256")


def _known(ring: Ring, name: str, how: str, setting: str) -> Key:
    key = ring.get(name)
    if key is None:
        raise BadSeal(f"{how} with key {name!r}, which this app does not have: add it to {setting}, then redrive")
    return key


def _forged(name: str) -> BadSeal:
    return BadSeal(
        f"does not fit key {name!r}: it was changed, or was sealed for another message or queue, or another secret has "
        "that name"
    )


def _zstd(settings: Settings, keys: Keys) -> Zstd | None:
    if not settings.compression:
        return None
    if keys.encryption and settings.compression == "zstd":
        raise ConfigError(
            "compression before encryption lets the length of a message say something about what is in it: "
            "if that is no secret, set compression='zstd-then-encrypt'"
        )
    return Zstd(settings.payload_limit)


def _aes() -> Any:
    try:
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM
    except ImportError as error:
        raise ConfigError(f"encryption_keys need more: pip install 'forebay[crypto]' ({error})") from error
    return AESGCM
