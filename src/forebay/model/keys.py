"""Named keys, for signing and for encryption: the first of a ring writes, all of them read, so that keys can change
without a stop. A key never shows its secret: not in its repr, not in an error, and it refuses to be pickled.
"""

import re
from collections.abc import Iterable, Sequence
from typing import NoReturn, cast

from forebay.model.errors import ConfigError

#: Bytes of every secret: the block that HMAC-SHA256 and AES-256 are at home with.
SIZE = 32
_NAME = re.compile(r"[A-Za-z0-9_.-]{1,32}")
_FORM = "a key is written NAME:SECRET, where SECRET is 64 hex digits (openssl rand -hex 32 makes one)"


class Key:
    """A name, which travels in the open, and 32 secret bytes."""

    __slots__ = ("name", "secret")

    def __init__(self, name: str, secret: bytes) -> None:
        self.name, self.secret = name, secret

    def __repr__(self) -> str:
        return f"<Key {self.name}>"

    def __reduce__(self) -> NoReturn:
        raise TypeError(f"key {self.name} does not leave its process: configure it where it is needed")


class Ring:
    """Some keys by name; `first` is the one that writes, None if there are none."""

    __slots__ = ("_keys", "first")

    def __init__(self, keys: Iterable[Key] = ()) -> None:
        self._keys = {key.name: key for key in keys}
        self.first = next(iter(self._keys.values()), None)

    def __bool__(self) -> bool:
        return bool(self._keys)

    def __repr__(self) -> str:
        return f"<Ring {', '.join(self._keys)}>"

    @property
    def names(self) -> tuple[str, ...]:
        """The names, in order."""
        return tuple(self._keys)

    def get(self, name: str) -> Key | None:
        """The key of that name."""
        return self._keys.get(name)


class Keys:
    """The two rings of an app."""

    __slots__ = ("encryption", "signing")

    def __init__(self, signing: Ring, encryption: Ring) -> None:
        self.signing, self.encryption = signing, encryption


def ring(given: object) -> Ring:
    """A ring from `"name:hex,name:hex"`, or from a list of such words.

    Raises:
        ConfigError: a word is no key, or a name comes twice. The message never quotes what was given.
    """
    if not isinstance(given, str | list | tuple):
        raise ConfigError(f"not a list of keys: {_FORM}")
    words = given.split(",") if isinstance(given, str) else cast("Sequence[object]", given)
    keys = [_key(word) for word in words if word != ""]
    result = Ring(keys)
    if len(result.names) != len(keys):
        raise ConfigError("two keys have the same name: give each its own, for the name says which to use")
    return result


def _key(word: object) -> Key:
    name, colon, secret = word.strip().partition(":") if isinstance(word, str) else ("", "", "")
    if not (colon and _NAME.fullmatch(name)):  # not quoted: it may be the secret, given alone or in the wrong place
        raise ConfigError(f"a key without a usable name (1 to 32 letters, digits, - _ .): {_FORM}")
    try:
        raw = bytes.fromhex(secret)
    except ValueError:
        raise ConfigError(f"key {name}: its secret is not hexadecimal: {_FORM}") from None
    if len(raw) != SIZE:
        raise ConfigError(f"key {name}: its secret has {len(raw)} bytes instead of {SIZE}: {_FORM}")
    return Key(name, raw)
