"""Compression with zstd: from Python's own library (3.14 and later) or its backport, the extra `zstd`.

Inflating stops at a limit, in size and in memory, however small the frame is that asks for more.
"""

import sys
from typing import Any

from forebay.model.errors import BadSeal, ConfigError


class Zstd:
    """Compresses, and inflates up to `limit` bytes.

    Raises:
        ConfigError: the extra is not installed.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._zstd = zstd = _library()
        # A frame names the memory that it wants to be inflated in; a window larger than the limit is never needed.
        self._options = {zstd.DecompressionParameter.window_log_max: min(31, max(10, limit.bit_length()))}

    def deflate(self, blob: bytes) -> bytes:
        """A frame."""
        frame: bytes = self._zstd.compress(blob)
        return frame

    def inflate(self, frame: bytes) -> bytes:
        """What is in a frame.

        Raises:
            BadSeal: it is broken, or larger than the limit.
        """
        inflating = self._zstd.ZstdDecompressor(options=self._options)
        try:
            blob: bytes = inflating.decompress(frame, self._limit + 1)
        except self._zstd.ZstdError as error:
            raise BadSeal(f"compressed, but cannot be inflated within {self._limit:,} bytes: {error}") from None
        if len(blob) > self._limit:
            raise BadSeal(f"inflates to more than payload_limit, {self._limit:,} bytes: no more of it was read")
        if not inflating.eof or inflating.unused_data:
            raise BadSeal("compressed, but cut short or with something behind it: it cannot be trusted")
        return blob


def _library() -> Any:
    try:
        if sys.version_info >= (3, 14):
            from compression import zstd
        else:
            from backports import zstd
    except ImportError as error:
        raise ConfigError(f"compression needs more: pip install 'forebay[zstd]' ({error})") from error
    return zstd
