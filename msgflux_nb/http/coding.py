"""Decompresses bodies piece by piece, never more than asked for: gzip, deflate, br, zstd.

We do not ask for compression, but some servers and proxies compress anyway. br and zstd need a package.
"""

from __future__ import annotations

import importlib
import zlib
from collections.abc import Callable, Iterator
from typing import Any, Protocol

import httpx

from .bounds import Bounds, too_large

__all__ = ["Decoder", "decoder_of"]

_PIECE_BYTES = 256 * 1024
_MOST_CODINGS = 3
_PACKAGES = {"br": "brotli>=1.2", "zstd": "backports.zstd>=1.3"}


class _Coding(Protocol):
    """Decompresses one coding, in pieces of a limited size."""

    def feed(self, data: bytes) -> Iterator[bytes]: ...


class Decoder:
    """Decompresses a body with one or more codings, the last one first.

    Args:
        codings: the codings in the order in which they are removed.
        which: the name of the limit for the decompressed size, at each step.
        limits: the limits on size.
    """

    def __init__(self, codings: list[_Coding], which: str, limits: Bounds) -> None:
        self._codings, self._which, self._limits = codings, which, limits
        self._sums = [0] * len(codings)

    def feed(self, data: bytes) -> bytes:
        """Return the decompressed bytes.

        Raises:
            NotAnApiError: they exceed the limit.
            httpx.DecodingError: the bytes are damaged.
        """
        return b"".join(self.pieces(data))

    def pieces(self, data: bytes) -> Iterator[bytes]:
        """Like :meth:`feed`, but piece by piece, so that a decompression bomb can be left compressed."""
        return self._pieces(data, 0)

    def start(self, data: bytes, most: int) -> bytes:
        """Return the beginning of the decompressed body: ``most`` bytes or a few more."""
        found = b""
        for piece in self.pieces(data):
            found += piece
            if len(found) >= most:
                break
        return found

    def _pieces(self, data: bytes, step: int) -> Iterator[bytes]:
        if step == len(self._codings):
            yield data
            return
        for piece in self._codings[step].feed(data):
            self._sums[step] += len(piece)
            if self._sums[step] > getattr(self._limits, self._which):
                raise too_large(self._which, self._limits)
            yield from self._pieces(piece, step + 1)


def decoder_of(value: str, which: str, limits: Bounds) -> Decoder | None:
    """Return a decoder for a ``Content-Encoding``; None if there is nothing to decompress.

    Raises:
        httpx.DecodingError: a coding is unknown, or its package is missing.
    """
    names = [name.strip().lower() for name in value.split(",")]
    names = [name for name in names if name not in ("", "identity")]
    if not names:
        return None
    if len(names) > _MOST_CODINGS:
        raise httpx.DecodingError(f"expected at most {_MOST_CODINGS} codings of an answer, got {len(names)}")
    return Decoder([_coding(name) for name in reversed(names)], which, limits)


def _coding(name: str) -> _Coding:
    if name in ("gzip", "x-gzip"):
        return _Zlib(31)
    if name == "deflate":
        return _Zlib(15)
    if name == "br":
        return _Brotli(_package(name, "brotli"))
    if name == "zstd":
        return _Zstd(_package(name, "compression.zstd", "backports.zstd"))
    raise httpx.DecodingError(
        f"expected Content-Encoding identity, gzip, deflate, br or zstd, got {name[:40]!r}; turn compression off on "
        "the server or the proxy"
    )


def _package(name: str, *modules: str) -> Any:
    for module in modules:
        try:
            return importlib.import_module(module)
        except ImportError:
            continue
    raise httpx.DecodingError(
        f"the answer has Content-Encoding {name!r}, which needs one more package. Install it with: "
        f'pip install "{_PACKAGES[name]}"'
    )


class _Zlib:
    """gzip and deflate: https://www.rfc-editor.org/rfc/rfc1952, 1950 and, from some servers, 1951."""

    def __init__(self, bits: int) -> None:
        self._bits = bits
        self._inner = zlib.decompressobj(bits)
        self._seen: bytes | None = b"" if bits == 15 else None  # None once it is known whether there is a header

    def feed(self, data: bytes) -> Iterator[bytes]:
        while data:
            try:
                piece = self._inner.decompress(data, _PIECE_BYTES)
            except zlib.error as error:
                if self._seen is None:
                    raise httpx.DecodingError(str(error)) from None
                data, self._seen, self._bits = self._seen + data, None, -15
                self._inner = zlib.decompressobj(self._bits)
                continue
            if self._seen is not None:
                self._seen = None if piece else self._seen + data
            data = self._inner.unconsumed_tail
            if self._inner.eof:
                data = self._inner.unused_data if self._bits == 31 else b""
                if data.strip(b"\0"):
                    self._inner = zlib.decompressobj(self._bits)  # another member
                else:
                    data = b""
            if piece:
                yield piece


class _Brotli:
    """https://www.rfc-editor.org/rfc/rfc7932."""

    def __init__(self, package: Any) -> None:
        self._error: type[Exception] = package.error
        self._inner = package.Decompressor()
        if not hasattr(self._inner, "can_accept_more_data"):
            raise httpx.DecodingError(
                "the answer has Content-Encoding 'br', which needs a newer package. Install it with: "
                f'pip install "{_PACKAGES["br"]}"'
            )

    def feed(self, data: bytes) -> Iterator[bytes]:
        process: Callable[..., bytes] = self._inner.process
        try:
            while piece := process(data, output_buffer_limit=_PIECE_BYTES):
                yield piece
                data = b""
                if self._inner.is_finished():
                    return
        except self._error as error:
            raise httpx.DecodingError(f"br: {error or 'the data is damaged'}") from None


class _Zstd:
    """https://www.rfc-editor.org/rfc/rfc8878."""

    def __init__(self, package: Any) -> None:
        self._package = package
        self._inner = package.ZstdDecompressor()

    def feed(self, data: bytes) -> Iterator[bytes]:
        try:
            while True:
                piece = self._inner.decompress(data, max_length=_PIECE_BYTES)
                if piece:
                    yield piece
                data = b""
                if self._inner.eof:
                    data = self._inner.unused_data
                    if not data:
                        return
                    self._inner = self._package.ZstdDecompressor()  # another frame
                elif self._inner.needs_input:
                    return
        except self._package.ZstdError as error:
            raise httpx.DecodingError(f"zstd: {error}") from None
