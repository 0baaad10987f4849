"""The scripts: one file each in `lua/`, put together with the parts that its first line names. Knows no server."""

import re
from functools import cache
from hashlib import sha1
from typing import NamedTuple

from forebay.engine.texts import texts

_USES = "--#use "
#: How a script runs a command.
_RUNS = re.compile(rb"\b(?:p?call|many)\('([A-Z]+)'")
#: What is run beside the scripts, by who listens.
_BESIDE = b"SUBSCRIBE"


class Script(NamedTuple):
    """One operation: its text, and the digest that a server knows it by."""

    text: bytes
    digest: bytes


@cache
def scripts() -> dict[str, Script]:
    """All of them by name, read at once: a package may be replaced under a live process."""
    parts = {name: text.rstrip() for name, text in texts(__name__, "lua/lib", ".lua").items()}
    return {name: _made(text, parts) for name, text in texts(__name__, "lua", ".lua").items()}


@cache
def commands() -> tuple[bytes, ...]:
    """All that a user of the server has to have the right to run."""
    found = {name for script in scripts().values() for name in _RUNS.findall(script.text)}
    return tuple(sorted(found | {_BESIDE}))


def _made(text: str, parts: dict[str, str]) -> Script:
    first, _, rest = text.partition("\n")
    used = first.removeprefix(_USES).split()
    whole = "\n".join([*(parts[name] for name in used), rest]).encode()
    return Script(whole, sha1(whole, usedforsecurity=False).hexdigest().encode())
