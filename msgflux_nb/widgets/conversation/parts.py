"""A content part as a page shows it: its kind, its size and its estimated tokens, without pixels."""

from __future__ import annotations

import base64
import binascii
import contextlib
import hashlib
from typing import Any

import msgspec

from ...content.container import sniff
from ...content.picture import READABLE, size_of
from ...content.picture import thumbnail as small_picture
from ...content.sound import seconds
from ...content.tokens import audio_tokens, image_tokens, text_tokens
from ...errors import MediaError

__all__ = [
    "LONGEST",
    "Card",
    "Facts",
    "Medium",
    "embedded",
    "file_bytes",
    "json_text",
    "medium",
    "part_card",
    "pixels_text",
    "thumbnail",
]

Card = dict[str, Any]

_THUMBNAIL_EDGE = 192  # twice the displayed 96 pixels, for dense screens
LONGEST = 200_000  # characters of a text that a page gets, as many as it can send
_SHOWN = 2_000  # characters that are shown of content that cannot be edited
_SOUNDS = {"audio/wav": "WAV", "audio/mpeg": "MP3"}


class Facts(msgspec.Struct, frozen=True):
    """Facts about a part that it does not contain.

    Attributes:
        name: the name of its file, shown only as text.
        notes: how it was converted.
        before: its size before the conversion, in words.
        size_before: width and height in pixels before the conversion.
    """

    name: str = ""
    notes: str = ""
    before: str = ""
    size_before: tuple[int, int] | None = None


class Medium(msgspec.Struct, frozen=True):
    """A file that is embedded in a part.

    Attributes:
        digest: the hash of the file, by which a page asks for its picture or sound.
        type: its media type, recognised by its bytes; empty if unknown.
        bytes: its length in bytes.
        size: width and height of an image in pixels.
        seconds: the length of a sound.
    """

    digest: str
    type: str = ""
    bytes: int = 0
    size: tuple[int, int] | None = None
    seconds: float | None = None


def embedded(part: Any) -> str | None:
    """Return a part's embedded file, a data URL or base64; None without a file."""
    if not isinstance(part, dict):
        return None
    match part:
        case {"type": "image_url", "image_url": {"url": str(url)} | str(url)} if url[:5].lower() == "data:":
            return url
        case {"type": "input_audio", "input_audio": {"data": str(data)}}:
            return data
        case {"type": "file", "file": {"file_data": str(data)}}:
            return data
    return None


def medium(part: Any) -> Medium | None:
    """Measure the file embedded in a part; None without a file."""
    text = embedded(part)
    if text is None:
        return None
    digest = hashlib.blake2s(text.encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()
    data = _decoded(text)
    if data is None:
        return Medium(digest)
    type_ = sniff(data) or ""
    size = None
    if type_ in READABLE:
        with contextlib.suppress(MediaError):  # a damaged file is shown without a size, and kept
            size = size_of(data, type_, "image")
    return Medium(digest, type_, len(data), size, seconds(data) if type_ in _SOUNDS else None)


def file_bytes(part: Any) -> bytes:
    """Return the bytes of the file embedded in a part; empty without a file, or if it is damaged."""
    return _decoded(embedded(part) or "") or b""


def _decoded(text: str) -> bytes | None:
    payload = text.partition(",")[2] if text[:5].lower() == "data:" else text
    try:
        return base64.b64decode(payload, validate=False)
    except (binascii.Error, ValueError):
        return None


def thumbnail(part: Any) -> bytes | None:
    """Return a PNG whose longer edge has at most 192 pixels, or None if no picture can be drawn."""
    data = file_bytes(part)
    kind = sniff(data)
    if kind not in READABLE:
        return None
    try:
        return small_picture(data, kind, _THUMBNAIL_EDGE)
    except MediaError:
        return None


def part_card(part: Any, *, model: str = "", facts: Facts | None = None, measured: Medium | None = None) -> Card:
    """Describe a content part.

    Args:
        part: the part, of any shape.
        model: the name of the model whose rule counts tokens.
        facts: further facts about it.
        measured: its file, if already measured.
    """
    match part:
        case {"type": "text", "text": str(text)}:
            return {"kind": "text", "text": text, "tokens": text_tokens(text)}
        case {"type": "refusal", "refusal": str(text)}:
            return {"kind": "refusal", "text": text, "tokens": text_tokens(text)}
        case {"type": "thinking" | "reasoning"}:
            return {"kind": "reasoning", "text": _thought(part), "tokens": None}
        case {"type": "image_url", "image_url": {"url": str(url)} | str(url)} if embedded(part) is None:
            return {"kind": "address", "name": "image", "text": url[:_SHOWN], "tokens": None}
        case {"type": "video_url", "video_url": {"url": str(url)} | str(url)}:
            return {"kind": "address", "name": "video", "text": url[:_SHOWN], "tokens": None}
    measured = measured or medium(part)
    if measured is None:
        name = str(part.get("type", "")) if isinstance(part, dict) else type(part).__name__
        return {"kind": "other", "name": name, "text": json_text(part), "tokens": None}
    return _medium_card(part, measured, facts or Facts(), model)


def _medium_card(part: Any, measured: Medium, facts: Facts, model: str) -> Card:
    card: Card = {"name": facts.name, "notes": facts.notes, "before": facts.before, "media": measured.digest}
    weight = f"{measured.bytes / 1000:,.1f} kB"
    match part["type"]:
        case "image_url":
            look = part["image_url"].get("detail") if isinstance(part["image_url"], dict) else None
            size, before = measured.size, facts.size_before
            card |= {
                "kind": "image",
                "detail": f"{pixels_text(size)}, {weight}" if size else weight,
                "tokens": image_tokens(size, model, detail=look) if size else None,
                "tokens_before": image_tokens(before, model, detail=look) if before and before != size else None,
            }
        case "input_audio":
            words = [_SOUNDS.get(measured.type, "sound"), _seconds_text(measured.seconds), weight]
            card |= {
                "kind": "audio",
                "detail": ", ".join(filter(None, words)),
                "tokens": audio_tokens(measured.seconds, model),
            }
        case _:
            kind = "PDF" if measured.type == "application/pdf" else "file"
            named = part["file"].get("filename")
            card |= {"kind": "file", "detail": f"{kind}, {weight}", "tokens": None}
            card["name"] = facts.name or (named if isinstance(named, str) else "")
    card["name"] = card["name"] or {"image": "image", "audio": "sound", "file": "file"}[card["kind"]]
    return card


def pixels_text(size: tuple[int, int]) -> str:
    """Return a size in words, such as ``1,568 × 1,045 px``."""
    return f"{size[0]:,} × {size[1]:,} px"


def _seconds_text(length: float | None) -> str:
    return "" if length is None else f"{length:,.1f} s"


def _thought(part: dict[str, Any]) -> str:
    for name in ("thinking", "reasoning", "text"):
        value = part.get(name)
        if isinstance(value, str):
            return value
        if isinstance(value, list):
            return "".join(str(item.get("text", "")) for item in value if isinstance(item, dict))
    return json_text(part)


def json_text(value: Any) -> str:
    """Return a value as JSON, cut if it is long."""
    try:
        text = msgspec.json.encode(value).decode()
    except (TypeError, ValueError, RecursionError):
        text = str(value)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"
