"""What a server's settings mean for the messages in it. Pure: from what it says of itself to words and judgements."""

from collections.abc import Mapping
from typing import NamedTuple

#: The one policy under which nothing that was accepted is thrown away.
KEEPS = "noeviction"


class Said(NamedTuple):
    """What a server says of itself. `config` is empty if this user may not ask, as on many hosted servers."""

    info: Mapping[str, str]
    config: Mapping[str, str]

    @property
    def version(self) -> str:
        """Redis or Valkey, and its version."""
        if "valkey_version" in self.info:
            return f"Valkey {self.info['valkey_version']}"
        return f"Redis {self.info.get('redis_version', '?')}"

    @property
    def policy(self) -> str:
        """What it does when its memory is full; "" if it does not tell."""
        return self.info.get("maxmemory_policy") or self.config.get("maxmemory-policy", "")

    @property
    def appends(self) -> bool:
        """Whether it keeps a log of changes. Without one a crash takes back everything since the last snapshot."""
        return self.info.get("aof_enabled", "0") == "1"

    @property
    def maxmemory(self) -> int:
        """Bytes at which it refuses what grows; 0 for no bound."""
        return int(self.info.get("maxmemory", "0") or 0)


def parse_info(text: str) -> dict[str, str]:
    """What INFO says, by name."""
    lines = [line.partition(":") for line in text.splitlines() if line and not line.startswith("#")]
    return {name: value for name, colon, value in lines if colon}


def evicts(said: Said) -> str:
    """Why a queue may not live there; "" if it may."""
    if said.policy in ("", KEEPS):
        return ""
    return (
        f"its maxmemory-policy is {said.policy}, so that it throws messages away when its memory is full: "
        f"set maxmemory-policy to {KEEPS} (CONFIG SET maxmemory-policy {KEEPS}, and in its configuration file)"
    )


#: Used memory, as a share of maxmemory, from which it is short.
SHORT = 0.75


def is_short(memory: object) -> bool:
    """Whether the server is near its maxmemory, by the answer to INFO memory; what is no answer says nothing."""
    if not isinstance(memory, bytes):
        return False
    said = parse_info(memory.decode("utf-8", "replace"))
    most = int(said.get("maxmemory", "0") or 0)
    return 0 < SHORT * most < int(said.get("used_memory", "0") or 0)


class Window(NamedTuple):
    """What a crash of the server, or its host, may take back: seconds (None: everything), and in words after "lose"."""

    seconds: float | None
    words: str


def window(said: Said) -> Window:
    """The loss window by the server's own persistence settings."""
    if said.appends:
        return _appending(said.config.get("appendfsync", ""))
    save = said.config.get("save")
    if save is None:
        return Window(None, "everything since its last snapshot, if it makes any (appendonly no)")
    if not save.strip():
        return Window(None, 'everything (appendonly no, save "")')
    longest = max(float(word) for word in save.split()[::2])
    return Window(longest, f'everything since its last snapshot (appendonly no, save "{save}")')


def _appending(fsync: str) -> Window:
    if fsync == "always":
        return Window(0.0, "nothing: each change is synced before it is answered (appendfsync always)")
    if fsync == "no":
        return Window(30.0, "what the system has not written yet, some 30 s (appendfsync no)")
    told = "appendfsync everysec" if fsync else "appendonly yes; it does not tell appendfsync, everysec is usual"
    return Window(2.0, f"about the last second, two if its disk is slow ({told})")
