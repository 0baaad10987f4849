"""What a log says of itself, and whether it is the log of the file that it lies beside.

A checkpoint brings pages of the log into the database, among them the first. So the first page of a database is, for
as long as one log lasts, either what it was when that log began, or one that is in the log. A copy that was laid over
the file, under whatever name and inode, is neither. Reads what it is given; opens and closes nothing of its own.
"""

import os
import sys
import zlib
from typing import NamedTuple

#: Bytes of a log's own header, of a frame's, and of the first page that tell its states apart.
LOG_HEADER, FRAME_HEADER, FIRST = 32, 24, 100
#: Bytes of the -shm that are read: the head of the index, and how much of the log is worked off.
_INDEX = 100


class Index(NamedTuple):
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
    head = os.pread(shm, _INDEX, 0)
    if len(head) < _INDEX or not head[12]:
        return None
    page = int.from_bytes(head[14:16], sys.byteorder)
    frames, done = (int.from_bytes(head[at : at + 4], sys.byteorder) for at in (16, 96))
    return Index(head[32:40], frames, (page & 0xFE00) + ((page & 1) << 16), done)


def salts_of(log: int) -> bytes:
    """The name of an open log; empty if it holds nothing."""
    return os.pread(log, LOG_HEADER, 0)[16:24]


def print_of(header: bytes) -> int:
    """A number that stands for a first page; never 0, which stands for one that nobody knows."""
    return (zlib.crc32(header) << 32 | zlib.adler32(header)) or 1


def belongs(header: bytes, log: int, began: int) -> bool:
    """Whether a database whose first page begins like `header` may be the one of a log that began with `began`."""
    if print_of(header) == began:
        return True
    head = os.pread(log, LOG_HEADER, 0)
    page, at = int.from_bytes(head[8:12], "big"), LOG_HEADER
    while len(found := os.pread(log, FRAME_HEADER + FIRST, at)) == FRAME_HEADER + FIRST:
        if found[8:16] != head[16:24]:  # left over from the log before
            return False
        if found[:4] == b"\0\0\0\1" and found[FRAME_HEADER:] == header:
            return True
        at += FRAME_HEADER + page
    return False
