"""A view that takes files from the page, from the notebook's variables, and from the web as addresses only."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ...errors import MediaError
from ..base.messages import Buffers, PageMessage
from ..base.notebook import notebook_namespace
from ..base.run import start_thread
from ..base.view import View
from . import messages as page
from .attachments import Attachment, Tray, Uploads, attachment, pictures_in
from .parts import embedded, file_bytes, thumbnail

__all__ = ["Intake"]

_NAME_LIMIT = 120  # characters
_AT_ONCE = 1_000  # files in one message


class Intake(View):
    """Reads files into its ``tray`` on threads, and tells the page the result of each.

    A ``loose`` file is for a turn that is being edited: its card is sent to the page, and ``_took`` is not called.
    """

    def __init__(self, **state: Any) -> None:
        self.tray = Tray()
        self._uploads = Uploads()
        super().__init__(**state)

    def _took(self) -> None:
        """Called when the tray has changed."""
        raise NotImplementedError  # abstract: as in View

    def _media_part(self, digest: str) -> Any:
        """Return the shown part with this file, or None."""
        raise NotImplementedError  # abstract: as in View

    def _card_of(self, item: Attachment) -> dict[str, Any]:
        """Return the card of a file for the page."""
        raise NotImplementedError  # abstract: as in View

    def _take(self, id_: str, find: Callable[[], Attachment], *, loose: bool) -> None:
        """Start reading a file; its place in the message is reserved now."""
        self.tray.keep_place(id_, loose=loose)
        start_thread(lambda: self._read(id_, find, loose), f"msgflux-file-{id_}")

    def _read(self, id_: str, find: Callable[[], Attachment], loose: bool) -> None:
        try:
            item = find()
        except MediaError as error:
            self._refuse(id_, str(error))
        except Exception as error:
            # The page waits for this file, so it has to get any error.
            self._refuse(id_, f"{type(error).__name__}: {error}")
        else:
            if not self.tray.put(item):
                return  # removed while it was read
            if loose:
                self.send({"type": "attached", "card": self._card_of(item)})
            else:
                self._took()

    def _refuse(self, id_: str, message: str) -> None:
        self._uploads.drop(id_)
        self.tray.drop(id_)
        self.send({"type": "refused", "id": id_, "message": message})

    # -- messages from the page ---------------------------------------------------------------------------------------

    def _on_piece(self, message: page.Piece, buffers: Buffers) -> None:
        id_, name = message.id, message.name[:_NAME_LIMIT]
        try:
            data = self._uploads.add(id_, message.index, message.count, buffers[0])
        except MediaError as error:
            self._refuse(id_, f"{name}: {error}")
            return
        if data is not None:
            self._take(id_, lambda: attachment(id_, data, name), loose=message.loose)

    def _on_address(self, message: page.Address, _buffers: Buffers) -> None:
        """Add an image on the web by its address, without fetching it."""
        id_, url = message.id, message.url.strip()
        self._take(id_, lambda: _from_address(id_, url), loose=message.loose)

    def _on_pictures(self, _message: PageMessage, _buffers: Buffers) -> None:
        """Send the list of pictures in the notebook, because a person is about to pick one."""
        self.send({"type": "pictures", "items": pictures_in(notebook_namespace())})

    def _on_pick(self, message: page.Pick, _buffers: Buffers) -> None:
        id_, name = message.id, message.name
        self._take(id_, lambda: _from_notebook(id_, name), loose=message.loose)

    def _on_remove(self, message: page.Remove, _buffers: Buffers) -> None:
        ids = message.ids[:_AT_ONCE]
        for id_ in ids:
            self._uploads.drop(id_)
        self.tray.drop(*ids)
        self._took()

    def _on_thumbnails(self, message: page.Thumbnails, _buffers: Buffers) -> None:
        """Send thumbnails that a page lacks."""
        digests = message.media[:_AT_ONCE]
        start_thread(lambda: self._send_thumbnails(digests), "msgflux-thumbnails")

    def _send_thumbnails(self, digests: list[str]) -> None:
        for digest in digests:
            pixels = thumbnail(self._media_part(digest))
            self.send({"type": "thumbnail", "media": digest}, [] if pixels is None else [pixels])

    def _on_sound(self, message: page.Sound, _buffers: Buffers) -> None:
        """Send a sound that a person wants to hear."""
        digest = message.media
        part = self._media_part(digest)
        if embedded(part) is not None:
            self.send({"type": "sound", "media": digest}, [file_bytes(part)])


def _from_address(id_: str, url: str) -> Attachment:
    if url[:5].lower() != "data:" and not url.lower().startswith(("https://", "http://")):
        raise MediaError(f"{url[:_NAME_LIMIT]!r} is not an address of an image, which begins with https:// or data:")
    return attachment(id_, url, "image" if url[:5].lower() == "data:" else None)


def _from_notebook(id_: str, name: str) -> Attachment:
    namespace = notebook_namespace()
    if name not in namespace:
        raise MediaError(f"there is no variable {name!r} any more")
    return attachment(id_, namespace[name], name)
