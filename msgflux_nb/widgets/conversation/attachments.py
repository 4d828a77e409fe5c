"""Files for a message: uploads from the page and variables of the notebook → content parts."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec

from ...content.generated import Image
from ...content.media import MediaReport, prepare
from ...content.notebook import resolve
from ...content.picture import MAX_PIXELS
from ...content.source import Source, is_url
from ...errors import MediaError
from .parts import Card, Facts, Medium, medium, part_card, pixels_text

__all__ = ["Attachment", "Tray", "Uploads", "attachment", "pictures_in"]

_UPLOAD_LIMIT = 64_000_000
_LISTED = 200  # variables
_EDGE = 8  # pixels; a smaller array is a table of numbers


class Attachment(msgspec.Struct, frozen=True):
    """A part of the message being written.

    Attributes:
        id: its id on the page.
        part: the content part that is sent.
        facts: further facts about it.
        measured: its file, if one is embedded.
    """

    id: str
    part: dict[str, Any]
    facts: Facts
    measured: Medium | None

    def card(self, model: str = "") -> Card:
        """Return its card for the page, with tokens by a model's rule; no pixels, since widget state may be saved."""
        return {"id": self.id, **part_card(self.part, model=model, facts=self.facts, measured=self.measured)}


def attachment(id_: str, source: Any, name: str | None = None) -> Attachment:
    """Make a content part from a source: an image, a sound or a PDF, recognised by its bytes; or a text.

    Args:
        id_: its id on the page.
        source: a source for ``ChatBlock.image``, ``.audio`` or ``.file``; a content part is used unchanged.
        name: its file name; by default a path's own.

    Raises:
        MediaError: it cannot be sent; the message says why.
    """
    if isinstance(source, dict) and isinstance(source.get("type"), str) and "content" not in source:  # uploads have it
        return Attachment(id_, dict(source), Facts(name=name or ""), medium(source))
    source = resolve(source)
    name = name or _name_of(source)
    # Named after its file, so that errors name the file.
    ready = prepare(source, name=name)
    if is_url(source):
        return Attachment(id_, ready.part, Facts(name=name), None)
    if ready.report is None:
        return Attachment(id_, ready.part, Facts(name=name), medium(ready.part))
    return _image(id_, ready.part, ready.report, name or "image")


def _image(id_: str, part: dict[str, Any], report: MediaReport, name: str) -> Attachment:
    weight = "" if report.source_bytes is None else f", {report.source_bytes / 1000:,.1f} kB"
    changed = report.source_size != report.sent_size or report.source_bytes not in (None, report.sent_bytes)
    before = f"{pixels_text(report.source_size)}{weight}" if changed else ""
    return Attachment(id_, part, Facts(name, str(report), before, report.source_size), medium(part))


def _name_of(source: Any) -> str:
    if isinstance(source, str | os.PathLike) and not is_url(source) and str(source)[:5].lower() != "data:":
        return Path(source).name
    if isinstance(source, Source):
        return source.file_name or ""
    given = getattr(source, "name", None)
    return Path(given).name if isinstance(given, str) and hasattr(source, "read") else ""


class Uploads:
    """Joins files that arrive in pieces, in any order; a message above 10 MiB would be lost silently."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._pieces: dict[str, dict[int, bytes]] = {}

    def add(self, id_: str, index: int, count: int, data: bytes | memoryview) -> bytes | None:
        """Add piece ``index`` of ``count``; return the file when it is complete.

        Raises:
            MediaError: the file is larger than 64 MB; its pieces are dropped.
        """
        with self._lock:
            pieces = self._pieces.setdefault(id_, {})
            pieces[index] = bytes(data)
            if sum(map(len, pieces.values())) > _UPLOAD_LIMIT:
                del self._pieces[id_]
                raise MediaError(f"the file is larger than {_UPLOAD_LIMIT // 1_000_000} MB. Make it smaller first.")
            if len(pieces) < count:
                return None
            del self._pieces[id_]
        return b"".join(pieces[position] for position in range(count))

    def drop(self, id_: str) -> None:
        """Drop the pieces of a file that will not be completed."""
        with self._lock:
            self._pieces.pop(id_, None)


class Tray:
    """Files of a page: those of the message being written, in order, and loose ones for a turn that is being edited.

    A file keeps its place while it is being read, so that a large one does not fall behind a small one.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._places: dict[str, Attachment | None] = {}
        self._loose: dict[str, Attachment | None] = {}

    @property
    def attachments(self) -> list[Attachment]:
        """The files of the message being written."""
        with self._lock:
            return [item for item in self._places.values() if item is not None]

    @property
    def loose(self) -> dict[str, Attachment]:
        """Files for a turn that is being edited, by id."""
        with self._lock:
            return {id_: item for id_, item in self._loose.items() if item is not None}

    def keep_place(self, id_: str, *, loose: bool = False) -> None:
        """Reserve a place at the end."""
        with self._lock:
            (self._loose if loose else self._places).setdefault(id_, None)

    def put(self, item: Attachment) -> bool:
        """Put a file into its reserved place; return False if the place was dropped meanwhile."""
        with self._lock:
            for held in (self._places, self._loose):
                if item.id in held:
                    held[item.id] = item
                    return True
        return False

    def drop(self, *ids: str) -> None:
        """Remove files and their reserved places."""
        with self._lock:
            for id_ in ids:
                self._places.pop(id_, None)
                self._loose.pop(id_, None)

    def arrange(self, ids: Iterable[str], texts: Mapping[str, str]) -> None:
        """Order the files of the message; files that are not named come last.

        A page names only the files that it knows, and another may have been read since: only ``drop`` removes a file.

        Args:
            ids: the ids of the files, in order.
            texts: text parts by id, new ones included.
        """
        with self._lock:
            held = self._places
            new = {id_: attachment(id_, {"type": "text", "text": text}) for id_, text in texts.items()}
            known = {**held, **new}
            self._places = {id_: known[id_] for id_ in ids if id_ in known}
            self._places |= {id_: item for id_, item in held.items() if id_ not in self._places}


def pictures_in(namespace: Mapping[str, Any]) -> list[dict[str, str]]:
    """List variables that hold a picture: PIL images, images of a model, figures, and arrays with an image's shape.

    Args:
        namespace: where to look; names that begin with an underscore are private.

    Returns:
        ``{"name", "kind", "detail"}`` for each, the last defined first; at most 200.
    """
    found = []
    for name, value in reversed(list(namespace.items())):  # a copy: a cell may define names while a thread looks
        described = None if name.startswith("_") else next(_described(value), None)
        if described is not None:
            found.append({"name": name, "kind": described[0], "detail": described[1]})
    return found[:_LISTED]


def _described(value: Any) -> Iterator[tuple[str, str]]:
    """Yield the kind of picture and its size, if a value is a picture."""
    # A module that another thread is importing lacks them.
    pillow = getattr(sys.modules.get("PIL.Image"), "Image", None)
    array = getattr(sys.modules.get("numpy"), "ndarray", None)
    if pillow is not None and isinstance(value, pillow):
        yield "image", f"{pixels_text(value.size)}, {value.mode}"
    elif array is not None and isinstance(value, array):
        if _is_picture(value):
            yield "array", f"{pixels_text((value.shape[1], value.shape[0]))}, {value.dtype}"
    elif isinstance(value, Image):
        yield "image", "made by a model"
    elif callable(getattr(type(value), "savefig", None)):  # on the class, since the module pyplot has a savefig too
        yield "figure", ""


def _is_picture(array: Any) -> bool:
    shape = array.shape
    flat = len(shape) == 2 or (len(shape) == 3 and shape[2] in (1, 3, 4))
    return flat and array.dtype.kind in "buif" and min(shape[:2]) >= _EDGE and shape[0] * shape[1] <= MAX_PIXELS
