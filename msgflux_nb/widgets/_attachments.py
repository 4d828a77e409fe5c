"""Images on their way from the page to a message: pieces, the whole, and a small picture for the page."""

from __future__ import annotations

import base64
import io
import os
import threading
from typing import Any

import msgspec

from ..content.media import load_image
from ..content.source import Source
from ..errors import MediaError

__all__ = ["Attachment", "Uploads", "attachment"]

_UPLOAD_LIMIT = 64_000_000
_THUMBNAIL_EDGE = 192  # twice the 96 pixels shown, for dense screens


class Attachment(msgspec.Struct, frozen=True):
    """An image that belongs to the message being written.

    Attributes:
        id: what the page calls it.
        name: its file name, to be shown as text only.
        part: the content part that is sent.
        detail: its size as it is sent: ``640 × 480 px, 12.3 kB``.
        notes: what was done to it on the way, for a reader who wonders.
    """

    id: str
    name: str
    part: dict[str, Any]
    detail: str
    notes: str

    @property
    def card(self) -> dict[str, str]:
        """What the page is told: no pixels, since widget state may be saved in the notebook."""
        return {"id": self.id, "name": self.name, "detail": self.detail, "notes": self.notes}

    def thumbnail(self) -> bytes:
        """A PNG of at most 192 pixels along its longer edge."""
        from PIL import Image

        data = base64.b64decode(self.part["image_url"]["url"].partition(",")[2])
        with Image.open(io.BytesIO(data)) as image:
            image.thumbnail((_THUMBNAIL_EDGE, _THUMBNAIL_EDGE))
            small = io.BytesIO()
            image.save(small, format="png")
        return small.getvalue()


def attachment(id_: str, source: Any, name: str | None = None) -> Attachment:
    """Make an image ready to be sent.

    Args:
        id_: what the page calls it.
        source: whatever ``ChatBlock.image`` takes, except a URL.
        name: its file name; by default a path's own.

    Raises:
        MediaError: it is no image that can be sent; the message says why.
    """
    name = name or _name_of(source)
    if isinstance(source, bytes):
        source = Source(data=source, name=name)  # so that errors speak of the file and not of some bytes
    loaded = load_image(source)
    report = loaded.report
    width, height = report.sent_size
    return Attachment(
        id=id_,
        name=name,
        part={"type": "image_url", "image_url": {"url": loaded.url}},
        detail=f"{width:,} × {height:,} px, {report.sent_bytes / 1000:,.1f} kB",
        notes=str(report),
    )


def _name_of(source: Any) -> str:
    if isinstance(source, str | os.PathLike) and not str(source).startswith("data:"):
        return os.path.basename(os.fspath(source))
    return "image"


class Uploads:
    """Puts files together that arrive in pieces, in any order; one message above 10 MiB would silently be lost."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._pieces: dict[str, dict[int, bytes]] = {}

    def add(self, id_: str, index: int, count: int, data: bytes | memoryview) -> bytes | None:
        """Take piece ``index`` of ``count``; return the file when it is whole.

        Raises:
            MediaError: the file is larger than 64 MB; its pieces are dropped.
        """
        with self._lock:
            pieces = self._pieces.setdefault(id_, {})
            pieces[index] = bytes(data)
            if sum(map(len, pieces.values())) > _UPLOAD_LIMIT:
                del self._pieces[id_]
                raise MediaError(
                    f"the file is larger than {_UPLOAD_LIMIT // 1_000_000} MB. Make the image smaller first."
                )
            if len(pieces) < count:
                return None
            del self._pieces[id_]
        return b"".join(pieces[position] for position in range(count))
