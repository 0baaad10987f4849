"""What a log says of itself, and whether it is the log of the file that it lies beside.

A checkpoint brings pages of the log into the database, among them the first. So the first page of a database is, for
as long as one log lasts, either what it was when that log began, or one that is in the log. A copy that was laid over
the file, under whatever name and inode, is neither. Reads what it is given; opens and closes nothing of its own.
"""

import os
import struct
import zlib
from itertools import chain

import msgspec

#: Bytes of a log's own header, of a frame's, and of the first page that tell its states apart.
LOG_HEADER, FRAME_HEADER, FIRST = 32, 24, 100
#: What is read of the -shm: is it in use, bytes of a page, frames, salts, and how much of the log is worked off.
_INDEX = struct.Struct("=12x?xHI12x8s56xI")
#: Frames at the beginning of a log that are looked at first: its first transactions write the first page (`Turn.sign`).
_FIRST_FRAMES = 64


class Index(msgspec.Struct, frozen=True, gc=False):
    """The head of the -shm.

    Attributes:
        salts: the name of the log, new each time that it begins again.
        frames: how many it holds.
        page: bytes of a page.
        done: how many are worked off into the database.
    """

    salts: bytes
    frames: int
    page: int
    done: int

    def size(self) -> int:
        """Bytes that the log has at least."""
        return LOG_HEADER + self.frames * (FRAME_HEADER + self.page) if self.frames else 0

    def last(self) -> int:
        """Where the last frame begins."""
        return LOG_HEADER + (self.frames - 1) * (FRAME_HEADER + self.page)


def index(shm: int) -> Index | None:
    """What an open -shm says; None if it says nothing yet."""
    head = os.pread(shm, _INDEX.size, 0)
    if len(head) < _INDEX.size:
        return None
    in_use, page, frames, salts, done = _INDEX.unpack(head)
    return Index(salts, frames, (page & 0xFE00) + ((page & 1) << 16), done) if in_use else None


def salts_of(log: int) -> bytes:
    """The name of an open log; empty if it holds nothing."""
    return os.pread(log, LOG_HEADER, 0)[16:24]


def print_of(header: bytes) -> int:
    """A number that stands for a first page; never 0, which stands for one that nobody knows."""
    return (zlib.crc32(header) << 32 | zlib.adler32(header)) or 1


def belongs(header: bytes, log: int, began: int, frames: int | None = None) -> bool:
    """Whether a database whose first page begins like `header` may be the one of a log that began with `began`.

    `frames` is how many the log holds, if that is known. The first page is mostly among the first or among the last.
    """
    if print_of(header) == began:
        return True
    head = os.pread(log, LOG_HEADER, 0)
    length = FRAME_HEADER + int.from_bytes(head[8:12], "big")
    last = (os.fstat(log).st_size - LOG_HEADER) // length if frames is None else frames
    early = min(last, _FIRST_FRAMES)
    wanted = b"\0\0\0\1", head[16:24], header  # of the first page, of this log and not left over from the one before
    for frame in chain(range(early), range(last - 1, early - 1, -1)):
        found = os.pread(log, FRAME_HEADER + FIRST, LOG_HEADER + frame * length)
        if (found[:4], found[8:16], found[FRAME_HEADER:]) == wanted:
            return True
    return False
