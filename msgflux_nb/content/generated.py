"""Images and sound that a model made; a notebook displays them.

They are untrusted data: an image that is not embedded is never fetched, and bytes become markup only if they are of
the type that they claim.
"""

from __future__ import annotations

import base64
import html
import io
import urllib.parse
from pathlib import Path
from typing import Any

import msgspec

from ..errors import MediaError, printable
from .container import sniff
from .picture import READABLE, decode
from .source import read

__all__ = ["Audio", "Image"]

_SHOWN = frozenset(("image/png", "image/jpeg", "image/webp", "image/gif", "image/avif"))
_PCM_RATE = 24_000  # of OpenAI's pcm16: one channel, 16 bits, little-endian
_SOUND = frozenset(("audio/wav", "audio/mpeg", "audio/flac", "audio/ogg", "audio/mp4"))


class Image(msgspec.Struct, frozen=True):
    """An image that a model made.

    Attributes:
        url: as received: a data URL that holds the image, or a web address, which is never fetched here.
    """

    url: str

    @property
    def data(self) -> bytes | None:
        """The bytes of the image file; None if only its address came.

        Raises:
            MediaError: the data URL is damaged.
        """
        if self.url[:5].lower() != "data:":
            return None
        try:
            return read(self.url).data
        except UnicodeError as error:  # an incomplete character
            raise MediaError(f"the model's image is damaged: {error}.") from None

    @property
    def media_type(self) -> str | None:
        """The type of the bytes, such as ``"image/png"``; None if there are no bytes or their type is unknown."""
        data = self._data_or_none()
        return None if data is None else sniff(data)

    def described(self) -> dict[str, Any]:
        """Return ``media_type``, ``data`` and ``url``; ``url`` is None for a data URL, which holds the image."""
        is_held = self.url[:5].lower() == "data:"
        return {"media_type": self.media_type, "data": self._data_or_none(), "url": None if is_held else self.url}

    def save(self, path: str | Path) -> Path:
        """Write the image file unchanged, and return its path.

        Raises:
            MediaError: only the image's address came.
        """
        target = Path(path)
        target.write_bytes(self._held())
        return target

    def to_pillow(self) -> Any:
        """Return the image as a Pillow image, upright, in mode L, RGB, LA or RGBA.

        Raises:
            MediaError: only its address came, or it is not a picture, is damaged, or is larger than 80 megapixels.
        """
        data = self._held()
        kind = sniff(data)
        if kind not in READABLE:
            raise MediaError(
                f"the model's image is {kind or 'of an unknown kind'}, which cannot be opened as a picture."
            )
        return decode(data, kind, "the model's image").image

    def html(self) -> str:
        """Return markup that shows the image; a remote image is not loaded, and only its host is named."""
        data, kind = self._data_or_none(), self.media_type
        if data is not None and kind in _SHOWN:
            source = f"data:{kind};base64,{base64.b64encode(data).decode()}"
            return f'<img alt="image made by the model" style="max-width: 100%; height: auto" src="{source}">'
        return f"<span>[{html.escape(self._described())}]</span>"

    def _repr_mimebundle_(self, **_: Any) -> dict[str, str]:
        return {"text/html": self.html(), "text/plain": repr(self)}

    def __repr__(self) -> str:
        return f"Image({self._described()})"

    def _described(self) -> str:
        data = self._data_or_none()
        if data is not None:
            return f"{sniff(data) or 'unknown kind'}, {len(data) / 1000:,.1f} kB"
        if self.url[:5].lower() == "data:":
            return "damaged image"
        try:
            host = urllib.parse.urlsplit(self.url).hostname
        except ValueError:
            host = None
        return f"image: {host or 'unknown host'}"

    def _data_or_none(self) -> bytes | None:
        try:
            return self.data
        except MediaError:
            return None

    def _held(self) -> bytes:
        data = self.data
        if data is None:
            raise MediaError(
                f"expected the image's data, got only its address, which this package never fetches: {self.url[:200]}"
            )
        return data


class Audio(msgspec.Struct, frozen=True):
    """Sound that a model made; a notebook plays it.

    Attributes:
        data: the sound; empty while only its transcript has come.
        transcript: the spoken words.
        format: the format that was asked for, such as ``"wav"`` or ``"pcm16"``; None when unknown.
        id: the provider's id, by which a later message can refer to this sound.
        expires_at: until when the id is valid, in seconds since the epoch.
    """

    data: bytes
    transcript: str = ""
    format: str | None = None
    id: str | None = None
    expires_at: int | None = None

    def file(self) -> tuple[bytes, str | None]:
        """Return the sound as a file that players open, and its media type, or None if that is unknown.

        Raw samples (``pcm16``) get a WAV header: 24 kHz, one channel.
        """
        kind = sniff(self.data)
        if kind in _SOUND:
            return self.data, kind
        if self.format in ("pcm16", "pcm"):
            return _with_wav_header(self.data), "audio/wav"
        return self.data, None

    def save(self, path: str | Path) -> Path:
        """Write the sound as a file that players open, and return its path."""
        target = Path(path)
        target.write_bytes(self.file()[0])
        return target

    def html(self) -> str:
        """Return a player with the transcript below it."""
        data, kind = self.file()
        words = f'<div style="opacity: 0.75">{html.escape(self.transcript)}</div>' if self.transcript else ""
        if kind is None or not data:
            return f"<span>[{html.escape(self._described())}]</span>{words}"
        source = f"data:{kind};base64,{base64.b64encode(data).decode()}"
        return f'<audio controls preload="metadata" src="{source}"></audio>{words}'

    def _repr_mimebundle_(self, **_: Any) -> dict[str, str]:
        words = f"{self!r}\n{self.transcript}" if self.transcript else repr(self)
        return {"text/html": self.html(), "text/plain": printable(words)}

    def __repr__(self) -> str:
        return f"Audio({self._described()})"

    def _described(self) -> str:
        words = f", {self.transcript[:60]!r}" if self.transcript else ""
        return f"{self.format or sniff(self.data) or 'unknown format'}, {len(self.data) / 1000:,.1f} kB{words}"


def _with_wav_header(samples: bytes) -> bytes:
    import wave

    out = io.BytesIO()
    with wave.open(out, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(_PCM_RATE)
        file.writeframes(samples[: len(samples) // 2 * 2])
    return out.getvalue()
