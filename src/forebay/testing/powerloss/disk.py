"""A model of what a disk may hold after the power goes: what was synced, and any part of what was not.

Owns files as durable bytes plus the writes since their last sync, and names as durable entries plus the changes since
their folder was last synced. Pure: it touches no real file, and chance is an argument.
"""

import random
from typing import NamedTuple

#: A disk writes a sector whole or not at all; anything longer can be torn.
SECTOR = 512


class Write(NamedTuple):
    """Bytes given to a file, not synced yet."""

    offset: int
    data: bytes


class Truncate(NamedTuple):
    """A file cut or extended to `size`, not synced yet."""

    size: int


class Inode:
    """One file: what is durable, and what came after."""

    __slots__ = ("durable", "pending")

    def __init__(self, durable: bytes = b"") -> None:
        self.durable = durable
        self.pending: list[Write | Truncate] = []

    def write(self, offset: int, data: bytes) -> None:
        """Bytes are given to the file."""
        self.pending.append(Write(offset, data))

    def truncate(self, size: int) -> None:
        """It is cut, or extended by zeros."""
        self.pending.append(Truncate(size))

    def sync(self) -> None:
        """Everything given so far is durable."""
        if self.pending:
            content = bytearray(self.durable)
            for change in self.pending:
                _apply(content, change)
            self.durable = bytes(content)
            self.pending.clear()

    def survive(self, chance: random.Random) -> bytes:
        """What a power loss may leave: each pending change whole, torn or not at all, whatever came of the others."""
        content = bytearray(self.durable)
        kept = chance.choice((0.0, 0.1, 0.5, 0.9, 1.0))
        torn = chance.choice((0.0, 0.2, 0.8))
        for change in self.pending:
            if isinstance(change, Truncate):
                if chance.random() < kept:
                    _apply(content, change)
            elif chance.random() < torn:
                _tear(content, change, chance)
            elif chance.random() < kept:
                _apply(content, change)
        return bytes(content)


def _apply(content: bytearray, change: Write | Truncate) -> None:
    if isinstance(change, Truncate):
        del content[change.size :]
        content.extend(bytes(change.size - len(content)))
        return
    content.extend(bytes(max(0, change.offset - len(content))))
    content[change.offset : change.offset + len(change.data)] = change.data


def _tear(content: bytearray, write: Write, chance: random.Random) -> None:
    """Some sectors arrive. A file that grew may show noise where its new sectors did not."""
    old, noisy = len(content), chance.random() < 0.5
    start, end = write.offset, write.offset + len(write.data)
    while start < end:
        stop = min(end, (start // SECTOR + 1) * SECTOR)
        piece = write.data[start - write.offset : stop - write.offset]
        if chance.random() < 0.5:
            _apply(content, Write(start, piece))
        elif noisy and start >= old:
            _apply(content, Write(start, chance.randbytes(len(piece))))
        start = stop


class Disk:
    """Files by path. `files` is what running programs see; `survive` is what the next start may see."""

    def __init__(self) -> None:
        self.files: dict[str, Inode] = {}
        self._durable: dict[str, Inode] = {}
        self._entries: list[tuple[str, Inode | None]] = []

    def load(self, path: str, content: bytes) -> Inode:
        """A file that was there, and durable, before anything was watched."""
        self.files[path] = self._durable[path] = Inode(content)
        return self.files[path]

    def create(self, path: str) -> Inode:
        """A new, empty file, whose name is not durable yet."""
        self.files[path] = Inode()
        self._entries.append((path, self.files[path]))
        return self.files[path]

    def delete(self, path: str) -> None:
        """Take a name away; that is not durable either."""
        self.files.pop(path, None)
        self._entries.append((path, None))

    def sync_folder(self) -> None:
        """All names are durable as they are now."""
        self._durable = dict(self.files)
        self._entries.clear()

    def survive(self, chance: random.Random) -> dict[str, bytes]:
        """Content by path after a power loss now."""
        names = dict(self._durable)
        for path in {path for path, _ in self._entries}:
            history = [self._durable.get(path), *(inode for name, inode in self._entries if name == path)]
            inode = chance.choice(history)
            names.pop(path, None)
            if inode is not None:
                names[path] = inode
        return {path: inode.survive(chance) for path, inode in sorted(names.items())}
