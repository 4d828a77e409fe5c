"""Turns a path, bytes, picture, array or figure into a content part that every provider reads.

The type of a file is told from its bytes, never from its name.
"""

from __future__ import annotations

import base64
import sys
from typing import Any

import msgspec

from ..errors import MediaError, brief
from . import pdf, picture, sound
from .container import sniff
from .notebook import resolve
from .source import Source, check_url, has_bytes, is_url, read

__all__ = [
    "Loaded",
    "MediaReport",
    "Ready",
    "audio_part",
    "file_part",
    "image_part",
    "load_image",
    "media_part",
    "prepare",
    "video_part",
]

_MAX_PDF_BYTES = 32_000_000
_MAX_AUDIO_BYTES = 20_000_000

_AUDIO_FORMATS = {"audio/wav": "wav", "audio/mpeg": "mp3"}

_REFUSED = {
    "image/svg+xml": "is SVG, which holds drawing instructions and not pixels. Render it to PNG first.",
    "image/jxl": "is JPEG XL, which models do not read. Export it as JPEG or PNG.",
    "image/heic": "is HEIC, which models do not read. Export it as JPEG, or pass it opened with pillow-heif.",
    "image/vnd.adobe.photoshop": "is a Photoshop file. Export it as PNG or JPEG.",
    "text/html": "is an HTML page, whatever its name says. Download the picture itself.",
    "text/x-git-lfs-pointer": "is a Git LFS pointer, not the picture. Run `git lfs pull`.",
    "application/pdf": "is a PDF. Use ChatBlock.file for it.",
    "audio": "is sound. Use ChatBlock.audio for it.",
    "video": "is video. Put it on the web and use ChatBlock.video with its URL.",
}
_OTHER = "See ChatBlock.image and .audio."
_FORMATS = "Use PNG, JPEG, WebP, GIF, BMP, TIFF, AVIF, JPEG 2000, ICO or PNM."


class MediaReport(msgspec.Struct, frozen=True):
    """What was done to an image before it is sent.

    Attributes:
        source_type: media type told from the bytes, or ``"PIL image"``, ``"array"``.
        source_bytes: size of the source file; None when the source was pixels.
        source_size: pixels across and down, as stored.
        sent_type: media type that is sent.
        sent_bytes: size of what is sent, before base64.
        sent_size: pixels across and down that are sent.
        notes: each thing that was done, in order; empty if the bytes are sent unchanged.
    """

    source_type: str
    source_bytes: int | None
    source_size: tuple[int, int]
    sent_type: str
    sent_bytes: int
    sent_size: tuple[int, int]
    notes: tuple[str, ...]

    def __str__(self) -> str:
        before = _describe(self.source_type, self.source_size, self.source_bytes)
        after = _describe(self.sent_type, self.sent_size, self.sent_bytes)
        return f"{before} → {after}: {'; '.join(self.notes) or 'sent as it is'}"


def _describe(kind: str, size: tuple[int, int], length: int | None) -> str:
    weight = "" if length is None else f", {length / 1000:,.1f} kB"
    return f"{kind} {size[0]:,} × {size[1]:,} px{weight}"


class Loaded(msgspec.Struct, frozen=True):
    """An image ready to be sent.

    Attributes:
        data: the file's bytes.
        report: what was done to it.
    """

    data: bytes
    report: MediaReport

    @property
    def url(self) -> str:
        """The image as a data URL."""
        return _data_url(self.data, self.report.sent_type)


def _data_url(data: bytes, kind: str) -> str:
    return f"data:{kind};base64,{base64.b64encode(data).decode()}"


def load_image(src: object, *, limits: picture.PictureLimits | None = None) -> Loaded:
    """Convert an image to a form that every vision model takes.

    It is turned upright, stripped of metadata, converted to 8-bit grey or RGB, or to PNG with alpha, and shrunk until
    it fits; it is never enlarged. Bytes that already comply are kept. Of an animation the first frame is sent.

    Args:
        src: a path, bytes, an open binary file, a PIL image, a numpy array, a data URL, a figure, or anything else that
            a notebook shows as a picture.
        limits: the largest size; by default 1,568 pixels along the longer edge and 3,750,000 bytes.

    Raises:
        MediaError: the source cannot be sent as an image: SVG, HEIC, a damaged file, too many pixels, ...
    """
    return _load(resolve(src), limits or picture.PictureLimits())


def _load(src: object, limits: picture.PictureLimits) -> Loaded:
    pillow = getattr(sys.modules.get("PIL.Image"), "Image", None)  # missing while another thread imports it
    if pillow is not None and isinstance(src, pillow):
        name = "the PIL image"
        return _finish(picture.from_pillow(src, name), "PIL image", None, limits, name)
    if not has_bytes(src) and hasattr(src, "__array__"):  # numpy's strings have it too
        name = "the array"
        return _finish(picture.from_array(src, name), "array", None, limits, name)
    source = read(src)
    kind = sniff(source.data)
    if kind not in picture.READABLE:
        raise MediaError(f"{source.name} {_why_no_image(kind, source.data)}")
    pixels = picture.decode(source.data, kind, source.name, limits.long_edge)
    return _finish(pixels, kind, len(source.data), limits, source.name)


def _finish(pixels: picture.Pixels, kind: str, length: int | None, limits: picture.PictureLimits, name: str) -> Loaded:
    sent = picture.encode(pixels, limits, name)
    report = MediaReport(
        source_type=kind,
        source_bytes=length,
        source_size=pixels.size,
        sent_type=sent.kind,
        sent_bytes=len(sent.data),
        sent_size=sent.size,
        notes=sent.notes,
    )
    return Loaded(data=sent.data, report=report)


def _why_no_image(kind: str | None, data: bytes) -> str:
    kind = kind or ""
    known = _REFUSED.get(kind) or _REFUSED.get(kind.partition("/")[0])
    return known or f"is not an image that can be sent, but {_found(kind, data)}. {_FORMATS}"


def _found(kind: str | None, data: bytes) -> str:
    if not data:
        return "0 bytes"
    return kind or f"bytes that begin with {data[:8].hex(' ')}"


def image_part(src: object, *, detail: str | None = None) -> dict[str, Any]:
    """Build an ``image_url`` part; an https URL is passed on unchanged, everything else is embedded.

    Raises:
        MediaError: see ``load_image``; also a URL of another scheme or of a private address.
    """
    if detail not in (None, "auto", "low", "high"):
        raise MediaError(f'detail is "auto", "low" or "high", not {brief(detail, 80)}.')
    src = resolve(src)
    url = check_url(str(src)) if is_url(src) else load_image(src).url
    return _image_part(url, detail)


def _image_part(url: str, detail: str | None = None) -> dict[str, Any]:
    return {"type": "image_url", "image_url": {"url": url} if detail is None else {"url": url, "detail": detail}}


def audio_part(src: object) -> dict[str, Any]:
    """Build an ``input_audio`` part from WAV or MP3.

    Raises:
        MediaError: the sound is neither, or it is larger than 20,000,000 bytes.
    """
    source = _file_of(src, "sound")
    kind = sniff(source.data)
    form = _AUDIO_FORMATS.get(kind or "")
    if form is None:
        raise MediaError(
            f"{source.name} is {_found(kind, source.data)}; sound is sent as WAV or MP3. "
            "Convert it: ffmpeg -i INPUT output.mp3"
        )
    _check_length(source, _MAX_AUDIO_BYTES)
    wrong = sound.fault(source.data)
    if wrong is not None:
        raise MediaError(f"{source.name} {wrong}.")
    return {"type": "input_audio", "input_audio": {"data": base64.b64encode(source.data).decode(), "format": form}}


def _file_of(src: object, what: str) -> Source:
    src = resolve(src)
    if not has_bytes(src):
        raise MediaError(f"A {type(src).__name__} is not {what}; expected a path, bytes, an open file or a data URL.")
    return read(src)


def file_part(src: object, *, filename: str | None = None) -> dict[str, Any]:
    """Build a ``file`` part from a PDF.

    Args:
        src: a path, bytes, an open binary file or a data URL.
        filename: the name that the model is told; by default the file's own name without its folder, or
            ``document.pdf``.

    Raises:
        MediaError: the file is not a PDF, or it is larger than 32,000,000 bytes.
    """
    source = _file_of(src, "a file")
    kind = sniff(source.data)
    if kind != "application/pdf":
        other = "Send text as text: ChatBlock.text(path.read_text())." if kind == "text/plain" else _OTHER
        raise MediaError(f"{source.name} is {_found(kind, source.data)}; expected a PDF. {other}")
    _check_length(source, _MAX_PDF_BYTES)
    wrong = pdf.fault(source.data)
    if wrong is not None:
        raise MediaError(f"{source.name} {wrong}.")
    shown = filename or source.file_name or "document.pdf"
    return {"type": "file", "file": {"filename": shown, "file_data": _data_url(source.data, kind)}}


def _check_length(source: Source, limit: int) -> None:
    if len(source.data) > limit:
        raise MediaError(f"{source.name} has {len(source.data):,} bytes; at most {limit:,} are sent.")


def video_part(url: str) -> dict[str, Any]:
    """Build a ``video_url`` part; the URL is passed on, never fetched.

    Raises:
        MediaError: the URL is not an https URL of a public host.
    """
    if not is_url(url):
        raise MediaError(f"{brief(url, 80)} is not an https URL; a video is passed on by its URL only.")
    return {"type": "video_url", "video_url": {"url": check_url(url)}}


class Ready(msgspec.Struct, frozen=True):
    """A content part, and what was done to make it.

    Attributes:
        part: what is sent.
        report: what was done to an image; None for sound, a file or a URL.
    """

    part: dict[str, Any]
    report: MediaReport | None = None


def prepare(src: object, *, name: str | None = None) -> Ready:
    """Build the right part for a source: sound, a file for a PDF, an image for everything else.

    Args:
        src: anything that ``ChatBlock.image``, ``.audio`` or ``.file`` takes.
        name: the file name, for a PDF and for error messages; by default the source's own.

    Raises:
        MediaError: the source cannot be sent; the message says why.
    """
    src = resolve(src)
    if is_url(src):
        return Ready(image_part(src))
    if has_bytes(src):
        source = read(src)
        src = source if not name else msgspec.structs.replace(source, name=name)
        kind = sniff(source.data) or ""
        if kind.startswith("audio/"):
            return Ready(audio_part(src))
        if kind == "application/pdf":
            return Ready(file_part(src, filename=name))
    loaded = load_image(src)
    return Ready(_image_part(loaded.url), loaded.report)


def media_part(src: object) -> dict[str, Any]:
    """Build the right part for a source; see ``prepare``."""
    return prepare(src).part
