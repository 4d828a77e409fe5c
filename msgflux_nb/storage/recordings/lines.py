"""Writes and reads the lines of a recording (header, models, exchanges), each with a checksum; pure."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import re
from collections.abc import Iterable
from typing import Any, Literal, TypedDict

import msgspec

from ...errors import RecordingError

__all__ = [
    "FORMAT",
    "Line",
    "ModelLine",
    "RecordedExchange",
    "RecordingHeader",
    "checksum_of_lines",
    "from_line",
    "piece_bytes",
    "piece_text",
    "to_line",
]

FORMAT = 1
_AGAIN = "Record it again, or copy the file again."
_CHECK = slice(-18, -2)  # the checksum in a line without its line end
_BEGINNINGS = {
    b"\xef\xbb\xbf": "A program put a byte order mark before it.",
    b"\x1f\x8b": "It is compressed: unpack it first.",
    b"PK": "It is compressed: unpack it first.",
    b"version https://git-lfs": "It is a pointer of Git LFS: fetch the file with git lfs pull.",
}
_SEALED = re.compile(rb'(\{.*),"check":"([0-9a-f]{16})"\}', re.S)


class RecordingHeader(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="recording", omit_defaults=True):
    """The first line of a recording.

    Attributes:
        format: the version of the format.
        id: a random id of this recording, which shows whether the file was replaced meanwhile.
        title: the recording's title.
        licence: the licence under which it may be shared.
        date: when the recording began, in UTC.
        models: the models that were asked.
        exchanges: how many exchanges follow; None while recording.
        lines: the checksum of all lines that follow, in order; None while recording, and in earlier recordings.
        cost: US dollars, as far as prices are known.
    """

    format: int = msgspec.field(default=0)
    id: str = ""
    title: str = ""
    licence: str = ""
    date: str = ""
    models: tuple[str, ...] = ()
    exchanges: int | None = None
    lines: str | None = None
    cost: float | None = None


class ModelLine(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="model", omit_defaults=True):
    """How a model was built, so that ``replay/`` can build it again.

    Attributes:
        name: the name that the user asked for.
        settings: the arguments that it was built with, without keys, headers and addresses.
    """

    name: str
    settings: dict[str, Any] = {}


class _Settings(TypedDict, total=False):
    """The types of a model's settings; later versions may have more."""

    options: dict[str, Any]
    profile: dict[str, Any]
    own_server: bool
    extra_body: dict[str, Any] | None
    prefill_mode: Literal["auto", "emulate"]
    wire: Literal["chat", "responses", "messages"] | None
    cache_prompt: bool


class RecordedExchange(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="exchange", omit_defaults=True):
    """One request and its answer.

    Attributes:
        date: when it was sent, in UTC.
        asked: the model's name that the user asked for.
        sample: the number of the answer, if several answers to one request were wanted.
        wire: the format of request and answer.
        method: the HTTP method of the request.
        path: the path of the request, without its host.
        body: the body of the request.
        hidden: whether a secret was replaced in the body.
        status: the HTTP status; None if no answer began.
        headers: the answer's headers that matter here, with lower-case names.
        chunks: pairs of milliseconds since the request was sent, and the bytes that came then.
        ms: milliseconds until the end.
        end: ``whole``, ``left`` by its reader, or the name of the error with which the connection ended.
        message: the message of that error.
        model: the model that answered, as the provider calls it.
        prompt_tokens: billed prompt tokens.
        completion_tokens: billed answer tokens.
        cost: US dollars, or None if the price is unknown.
        turn: in a ``.partial``, its place in the order of asking; a whole recording is in that order.
    """

    date: str
    asked: str
    sample: int = 0
    wire: str = "chat"
    method: str = "POST"
    path: str = ""
    body: Any = None
    hidden: bool = False
    status: int | None = None
    headers: dict[str, str] = {}
    chunks: tuple[tuple[int, str | dict[str, str]], ...] = ()
    ms: int = 0
    end: str = "whole"
    message: str = ""
    model: str | None = None
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    cost: float | None = None
    turn: int = 0


Line = RecordingHeader | ModelLine | RecordedExchange
_decoder = msgspec.json.Decoder(Line)


def to_line(line: Line) -> bytes:
    """Return a line as bytes, with its checksum and line end."""
    body = msgspec.json.encode(line)[:-1]
    return b'%b,"check":"%b"}\n' % (body, _checksum(body))


def from_line(data: bytes) -> Line:
    """Read a line; its line end may be missing.

    Raises:
        RecordingError: the line was changed after it was written, or is not a line of a recording.
    """
    _refuse_later(data)
    sealed = _SEALED.fullmatch(data.removesuffix(b"\n"))
    if sealed is None:
        why = f" {_reason(data)}".rstrip()
        shown = data[:60].decode("utf-8", "replace")
        raise RecordingError(f"expected a line of a recording, got {shown!r}.{why} {_AGAIN}")
    if _checksum(sealed[1]) != sealed[2]:
        raise RecordingError(f"its checksum does not match: the line was changed after it was recorded. {_AGAIN}")
    try:
        line: Line = _decoder.decode(data)
        if isinstance(line, ModelLine):
            msgspec.convert(line.settings, _Settings)
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise RecordingError(f"expected a line of a recording: {error}. {_AGAIN}") from None
    if isinstance(line, RecordingHeader) and line.format != FORMAT:
        raise RecordingError(f"expected a recording of format {FORMAT}, got {line.format}. {_AGAIN}")
    return line


def checksum_of_lines(lines: Iterable[bytes]) -> str:
    """Return one checksum of lines in their order, made of theirs."""
    return _checksum(b"".join(line.removesuffix(b"\n")[_CHECK] for line in lines)).decode()


def _reason(data: bytes) -> str:
    """Say what a program did to a line, or to the file that it begins; "" if that is not known."""
    if data.endswith((b"\r", b"\r\n")):
        return "A program changed its line ends to those of Windows; in git, the attribute -text prevents that."
    return next((said for beginning, said in _BEGINNINGS.items() if data.startswith(beginning)), "")


def _refuse_later(data: bytes) -> None:
    """Refuse a header of a later format; this comes before the checksum, which a later version may have changed."""
    if b'"recording"' not in data[:200] or b'"format":1,' in data[:200]:
        return
    with contextlib.suppress(ValueError, RecursionError):
        line = msgspec.json.decode(data)
        version = line.get("format", FORMAT) if isinstance(line, dict) and line.get("kind") == "recording" else FORMAT
        if not isinstance(version, int) or version > FORMAT:
            raise RecordingError(
                f"it was written by a later version of msgflux_nb: its format is {version!r}, and this version reads "
                f"up to {FORMAT}. Update msgflux_nb to read it."
            )


def _checksum(data: bytes) -> bytes:
    return hashlib.blake2b(data, digest_size=8).hexdigest().encode()


def piece_text(data: bytes) -> str | dict[str, str]:
    """Return bytes as text if they are UTF-8, else in base64, such as for half a character."""
    try:
        return data.decode()
    except UnicodeDecodeError:
        return {"base64": base64.b64encode(data).decode()}


def piece_bytes(piece: str | dict[str, str]) -> bytes:
    """Return the bytes of a piece."""
    return piece.encode() if isinstance(piece, str) else base64.b64decode(piece["base64"])
