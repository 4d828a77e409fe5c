"""A filter of known keys, so that keys that are surely new need no query."""

from __future__ import annotations

import threading
from collections.abc import Iterable

__all__ = ["KnownKeys"]

_FEWEST_BITS = 2**24  # 2 MB: among 130,000 rows, one new key in 60 is looked up in vain
_BITS_A_KEY = 64


class KnownKeys:
    """A Bloom filter (Bloom 1970) with one hash function: some bits of the keys, which are hashes themselves.

    Args:
        count: the expected number of keys.
    """

    def __init__(self, count: int = 0) -> None:
        bits = max(_FEWEST_BITS, 1 << (count * _BITS_A_KEY).bit_length())
        self._mask = bits - 1
        self._bits = bytearray(bits // 8)
        self._lock = threading.Lock()

    def add(self, keys: Iterable[bytes]) -> None:
        """Add keys."""
        mask, bits = self._mask, self._bits
        with self._lock:  # setting a bit is not atomic, and a lost bit means a lost answer
            for key in keys:
                place = int.from_bytes(key[:8], "little") & mask
                bits[place >> 3] |= 1 << (place & 7)

    def __contains__(self, key: bytes) -> bool:
        place = int.from_bytes(key[:8], "little") & self._mask
        return bool(self._bits[place >> 3] & 1 << (place & 7))
