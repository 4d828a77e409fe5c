"""A filter of the keys that a store may know: a key that is surely new need not be looked up."""

from __future__ import annotations

import threading
from collections.abc import Iterable

__all__ = ["KnownKeys"]

_FEWEST_BITS = 2**24  # 2 MB: one key in 60 is looked up for nothing among 130,000 rows
_BITS_A_KEY = 64


class KnownKeys:
    """A Bloom filter (Bloom 1970) with one function: the keys are hashes already, so some of their bits will do.

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
        with self._lock:  # setting a bit is two steps, and a bit that is lost is an answer that is lost
            for key in keys:
                place = int.from_bytes(key[:8], "little") & mask
                bits[place >> 3] |= 1 << (place & 7)

    def __contains__(self, key: bytes) -> bool:
        place = int.from_bytes(key[:8], "little") & self._mask
        return bool(self._bits[place >> 3] & 1 << (place & 7))
