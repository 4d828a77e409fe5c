"""HTTP/1.1 as functions of bytes: a request's head, and the answer's head and body; no sockets, no clock.

https://www.rfc-editor.org/rfc/rfc9112. A server that streams sends each event as a chunk of its own, and a general
library spends more time on such a chunk than reading its text takes (``benchmarks/stream.py``, over httpx); hence this
module. It asks for no compression and knows no upgrade, no trailers of ours and no pipelining.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

import msgspec

__all__ = ["ChunkedDecoder", "Head", "ProtocolError", "ResponseReader", "plain_answer", "request_head"]

Headers = list[tuple[bytes, bytes]]

_HEAD_LIMIT = 256 * 1024
_LINE_LIMIT = 16_384
_SIZES_KEPT = 4_096
_LONGEST_LENGTH = 18  # digits
_QUOTED_BYTES = 1_000  # long enough that a key in it is whole, and can be told and hidden, before what is shown is cut
_CR, _LF = b"\r\n"
_HEAD_END = re.compile(rb"\r?\n\r?\n")
_STATUS_LINE = re.compile(rb"HTTP/1\.([01]) ([1-9][0-9]{2})(?: .*)?", re.S)
_SIZE = re.compile(rb"[ \t]*([0-9A-Fa-f]{1,15})[ \t]*(?:;.*)?", re.S)


class ProtocolError(Exception):
    """What came is no HTTP/1.1, or is not all of it.

    Attributes:
        content: the part of the body that came before what is wrong, where both came together.
    """

    content = b""


class Head(msgspec.Struct, frozen=True):
    """The head of an answer.

    Attributes:
        status: such as 200.
        headers: in their order, as they came.
        length: bytes of the body; None where it is chunked, or ends with the connection.
        chunked: whether the body is chunked.
        lasting: whether the connection can be used again.
    """

    status: int
    headers: Headers
    length: int | None
    chunked: bool
    lasting: bool


def request_head(method: str, target: bytes, headers: Iterable[tuple[bytes, bytes]]) -> bytes:
    """Return the head of a request.

    Raises:
        ProtocolError: a header holds a line end; the message does not show it.
    """
    lines = [b"%b %b HTTP/1.1" % (method.encode(), target)]
    for name, value in headers:
        if b"\n" in value or b"\r" in value or b"\0" in value:
            raise ProtocolError(f"the header {name.decode('latin-1')} holds a line end or a NUL")
        lines.append(b"%b: %b" % (name, value))
    return b"\r\n".join([*lines, b"", b""])


def plain_answer(data: bytes) -> tuple[bytes, bytes] | None:
    """Return the head, in lower case, and the body of the plainest answer: whole, with status 200, a length, no coding.

    None where it is another, or where bytes are missing or too many; then a :class:`ResponseReader` tells. With this
    one a connection can be used again.
    """
    end = data.find(b"\r\n\r\n")
    if end < 0 or not data.startswith(b"HTTP/1.1 200 "):
        return None
    head = data[: end + 2].lower()
    start = head.find(b"\r\ncontent-length:") + 17
    if start < 17 or head.count(b"content-length") != 1 or b"-encoding" in head:
        return None
    if head.count(b"\n") != head.count(b"\r\n") or b"\n " in head or b"\n\t" in head:
        return None
    if b"connection" in head and not _keeps_alive(head):
        return None
    length = head[start : head.find(b"\r", start)].strip()
    if not length.isdigit() or len(length) > _LONGEST_LENGTH or int(length) != len(data) - end - 4:
        return None
    return head, data[end + 4 :]


def _keeps_alive(head: bytes) -> bool:
    return head.count(b"connection") == head.count(b"\r\nconnection: keep-alive\r\n") == 1


class ResponseReader:
    """Feed it what comes over the wire; it returns what is body.

    Attributes:
        head: the answer's head, once it has come.
        ended: whether the answer is whole.
        surplus: whether bytes came behind it, so that the connection is of no more use.
        fault: what is wrong with the body behind what was returned of it, or None.
    """

    def __init__(self) -> None:
        self.head: Head | None = None
        self.ended = False
        self.surplus = False
        self.fault: ProtocolError | None = None
        self._held = b""
        self._left = 0
        self._chunks: ChunkedDecoder | None = None

    def feed(self, data: bytes) -> bytes:
        """Return the part of the body that these bytes hold; what is wrong in the body is in ``fault``.

        Raises:
            ProtocolError: they are no head of an answer.
        """
        if self._chunks is not None:
            return self._unchunked(self._chunks, data)
        if self.head is None:
            return self._begin(data)
        if self.head.length is None:
            return data
        body = data[: self._left]
        self._left -= len(body)
        self.ended = not self._left
        self.surplus = self.surplus or len(body) < len(data)
        return body

    def close(self) -> None:
        """Take the end of the connection.

        Raises:
            ProtocolError: the answer is not whole.
        """
        if self.head is None:
            raise ProtocolError("the connection was closed before an answer came")
        if self.fault is not None:
            raise self.fault
        if self._chunks is None and self.head.length is None:
            self.ended = True
        if not self.ended:
            missing = f": {self._left:,} bytes are missing" if self._left else ""
            raise ProtocolError(f"the connection was closed before the answer was whole{missing}")

    @property
    def reusable(self) -> bool:
        """Whether another request can follow on this connection."""
        return self.ended and not self.surplus and self.head is not None and self.head.lasting

    def _begin(self, data: bytes) -> bytes:
        """Read the head, and what comes with it of the body; heads that only say "wait" are passed over."""
        seen, held = len(self._held), self._held + data
        while True:
            end = _HEAD_END.search(held, max(0, seen - 3))
            if not b"HTTP/"[: len(held)] == held[:5]:
                raise ProtocolError(f"expected an HTTP answer, got {held[:_QUOTED_BYTES]!r}")
            if (len(held) if end is None else end.start()) > _HEAD_LIMIT:
                raise ProtocolError(f"the head of the answer is longer than {_HEAD_LIMIT:,} bytes")
            if end is None:
                self._held = held
                return b""
            head = _head(held[: end.start()])
            seen, held = 0, held[end.end() :]
            if head.status >= 200:
                break
        self.head, self._held = head, b""
        self._left = head.length or 0
        self._chunks = ChunkedDecoder() if head.chunked else None
        self.ended = head.length == 0
        self.surplus = self.ended and bool(held)
        return self.feed(held) if held and not self.ended else b""

    def _unchunked(self, chunks: ChunkedDecoder, data: bytes) -> bytes:
        try:
            body = chunks.feed(data)
        except ProtocolError as error:
            self.fault = error
            return error.content
        self.ended, self.surplus = chunks.ended, bool(chunks.rest)
        return body


def _head(data: bytes) -> Head:
    first, *lines = (line.rstrip(b"\r") for line in data.split(b"\n"))
    start = _STATUS_LINE.fullmatch(first)
    if start is None:
        raise ProtocolError(f"expected an HTTP/1.1 answer, got {first[:_QUOTED_BYTES]!r}")
    status = int(start[2])
    headers: Headers = []
    for line in lines:
        name, colon, value = line.partition(b":")
        if line[:1] in (b" ", b"\t") and headers:  # a folded line, which RFC 9112 lets a reader join
            headers[-1] = (headers[-1][0], headers[-1][1] + b" " + line.strip())
        elif colon and name.strip():
            headers.append((name.strip(), value.strip()))
        else:
            raise ProtocolError(f"expected a header, got {line[:_QUOTED_BYTES]!r}")
    known: dict[bytes, bytes] = {}
    for name, value in headers:
        lower = name.lower()
        known[lower] = known[lower] + b"," + value if lower in known else value
    options = {option.strip().lower() for option in known.get(b"connection", b"").split(b",")}
    lasting = b"close" not in options and (start[1] == b"1" or b"keep-alive" in options)
    if status in (204, 304):  # they have no body, whatever they say
        return Head(status, headers, 0, False, lasting)
    if _is_chunked(known.get(b"transfer-encoding", b"")):
        return Head(status, headers, None, True, lasting and b"content-length" not in known)
    length = _length(known.get(b"content-length"))
    return Head(status, headers, length, False, lasting and length is not None)


def _is_chunked(value: bytes) -> bool:
    codings = [coding for coding in value.lower().replace(b" ", b"").split(b",") if coding not in (b"", b"identity")]
    if codings in ([], [b"chunked"]):
        return bool(codings)
    raise ProtocolError(
        f"expected an answer that is chunked or nothing, got the transfer coding {value[:_QUOTED_BYTES]!r}"
    )


def _length(value: bytes | None) -> int | None:
    if value is None:
        return None
    values = {one.strip() for one in value.split(b",")}
    digits = values.pop()
    if values or not digits.isdigit() or len(digits) > _LONGEST_LENGTH:
        raise ProtocolError(f"expected the length of the answer, got {value[:_QUOTED_BYTES]!r}")
    return int(digits)


class ChunkedDecoder:
    """Takes the chunked coding off: https://www.rfc-editor.org/rfc/rfc9112#section-7.1.

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
            ProtocolError: they are not chunked.
        """
        content: list[bytes] = []
        try:
            self._take(data, content)
        except ProtocolError as error:
            error.content = b"".join(content)
            raise
        return b"".join(content)

    def _take(self, data: bytes, content: list[bytes]) -> None:
        if self._held:
            data, self._held = self._held + data, b""
        at, end = 0, len(data)
        while at < end and not self.ended:
            if self._left:
                at = self._inside(data, at, content)
            if not self._left and not self._trailers:
                at = self._whole_chunks(data, at, content)
            if at == end or self._left:
                break
            at = self._line(data, at)
            if at < 0:
                return
        if self.ended:
            self.rest += data[at:]

    def _line(self, data: bytes, at: int) -> int:
        """Read the line before a chunk, or behind the last; return where it ends, -1 where that is still to come."""
        stop = data.find(b"\r\n", at)
        if stop < 0:
            if len(data) - at > _LINE_LIMIT:
                raise ProtocolError("the size of a chunk is missing")
            self._held = data[at:]
            return -1
        if self._trailers:
            self.ended = stop == at
        else:
            size = _size(data[at:stop])
            self._trailers = not size
            self._left = size + 2 if size else 0
        return stop + 2

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
            raise ProtocolError("a chunk is longer than its size says")
        content.append(body)
        self._left -= len(piece)
        return at + len(piece)


def _size(line: bytes) -> int:
    digits = _SIZE.fullmatch(line)
    if digits is None:
        raise ProtocolError(f"expected the size of a chunk, got {line[:_QUOTED_BYTES]!r}")
    return int(digits[1], 16)
