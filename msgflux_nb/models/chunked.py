"""The chunked coding of HTTP/1.1 taken off: https://www.rfc-editor.org/rfc/rfc9112#section-7.1."""

from __future__ import annotations

__all__ = ["ChunkedDecoder"]

_LINE_LIMIT = 16_384
_SIZES_KEPT = 4_096
_CR, _LF = b"\r\n"


class ChunkedDecoder:
    """Feed it what comes over the wire; it returns what was sent.

    Attributes:
        ended: whether the last chunk and its trailers have come.
        rest: what came after them.
    """

    def __init__(self) -> None:
        self.ended = False
        self.rest = b""
        self._held = b""  # an unfinished line
        self._left = 0  # bytes of the chunk that are still to come, its line end included
        self._trailers = False
        self._sizes: dict[bytes, int] = {}  # sizes that were read before: most come again and again

    def feed(self, data: bytes) -> bytes:
        """Return the content of these bytes.

        Raises:
            ValueError: they are not chunked.
        """
        if self._held:
            data, self._held = self._held + data, b""
        content: list[bytes] = []
        at, end = 0, len(data)
        while at < end and not self.ended:
            if self._left:
                at = self._inside(data, at, content)
            if not self._left and not self._trailers:
                at = self._whole_chunks(data, at, content)
            if at == end or self._left:
                break
            stop = data.find(b"\r\n", at)
            if stop < 0:
                if end - at > _LINE_LIMIT:
                    raise ValueError("the size of a chunk is missing")
                self._held = data[at:]
                break
            if self._trailers:
                self.ended = stop == at
                at = stop + 2
                continue
            size = _size(data[at:stop])
            self._trailers = not size
            at = stop + 2
            self._left = size + 2 if size else 0
        if self.ended:
            self.rest = data[at:]
        return b"".join(content)

    def _whole_chunks(self, data: bytes, at: int, content: list[bytes]) -> int:
        """Take the chunks that came whole, one after the other; return where they end.

        A server that streams sends an event a chunk, so this loop runs for each event.
        """
        end, find, take, sizes = len(data), data.find, content.append, self._sizes
        while True:
            stop = find(b"\r\n", at)
            line = data[at:stop]
            size = sizes.get(line) if stop > 0 else None
            if size is None:
                if stop < 0 or len(sizes) >= _SIZES_KEPT:
                    return at
                size = sizes[line] = _size(line)
            begin = stop + 2
            after = begin + size
            if not size or after + 2 > end or data[after] != _CR or data[after + 1] != _LF:
                return at
            take(data[begin:after])
            at = after + 2

    def _inside(self, data: bytes, at: int, content: list[bytes]) -> int:
        """Take more of a chunk that did not come whole, then its line end; return where to go on."""
        piece = data[at : at + self._left]
        body = piece[: max(0, self._left - 2)]
        mark = piece[len(body) :]
        if mark and not b"\r\n"[2 - self._left + len(body) :].startswith(mark):
            raise ValueError("a chunk is longer than its size says")
        content.append(body)
        self._left -= len(piece)
        return at + len(piece)


def _size(line: bytes) -> int:
    digits = line.partition(b";")[0].strip() if b";" in line else line
    try:
        size = int(digits, 16)
    except ValueError:
        raise ValueError(f"expected the size of a chunk, got {line[:20]!r}") from None
    if size < 0 or digits[:1] in b"+-" or b"_" in digits:
        raise ValueError(f"expected the size of a chunk, got {line[:20]!r}")
    return size
