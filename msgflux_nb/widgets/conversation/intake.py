"""A view that takes files: from the page, from the notebook's variables, and from the web by their address alone."""

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
_AT_ONCE = 1_000  # files that one message is about


class Intake(View):
    """Brings files into its ``tray``, off the thread that handles messages, and tells the page what became of each.

    A file is ``loose`` when it is for a turn that is being edited: its card is sent to the page and not to ``_took``.
    """

    def __init__(self, **state: Any) -> None:
        self.tray = Tray()
        self._uploads = Uploads()
        super().__init__(**state)

    def _took(self) -> None:
        """Take note that the tray has changed."""
        raise NotImplementedError  # abstract: as in View

    def _media_part(self, digest: str) -> Any:
        """Return the part with this file among all that are shown, or None."""
        raise NotImplementedError  # abstract: as in View

    def _card_of(self, item: Attachment) -> dict[str, Any]:
        """Return what the page is told of a file."""
        raise NotImplementedError  # abstract: as in View

    def _take(self, id_: str, find: Callable[[], Attachment], *, loose: bool) -> None:
        """Begin to read a file; its place in the message is the one it has now."""
        self.tray.keep_place(id_, loose=loose)
        start_thread(lambda: self._read(id_, find, loose), f"msgflux-file-{id_}")

    def _read(self, id_: str, find: Callable[[], Attachment], loose: bool) -> None:
        try:
            item = find()
        except MediaError as error:
            self._refuse(id_, str(error))
        except Exception as error:
            # The page waits for this file and has to be told of any error.
            self._refuse(id_, f"{type(error).__name__}: {error}")
        else:
            if not self.tray.put(item):
                return  # taken back while it was read
            if loose:
                self.send({"type": "attached", "card": self._card_of(item)})
            else:
                self._took()

    def _refuse(self, id_: str, message: str) -> None:
        self._uploads.drop(id_)
        self.tray.drop(id_)
        self.send({"type": "refused", "id": id_, "message": message})

    # -- what the page asks ---------------------------------------------------------------------------------------

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
        """An image on the web: passed on by its address, and fetched by nobody here."""
        id_, url = message.id, message.url.strip()
        self._take(id_, lambda: _from_address(id_, url), loose=message.loose)

    def _on_pictures(self, _message: PageMessage, _buffers: Buffers) -> None:
        """Somebody is about to pick a variable of the notebook."""
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
        """A page has no pixels for some images."""
        digests = message.media[:_AT_ONCE]
        start_thread(lambda: self._send_thumbnails(digests), "msgflux-thumbnails")

    def _send_thumbnails(self, digests: list[str]) -> None:
        for digest in digests:
            pixels = thumbnail(self._media_part(digest))
            self.send({"type": "thumbnail", "media": digest}, [] if pixels is None else [pixels])

    def _on_sound(self, message: page.Sound, _buffers: Buffers) -> None:
        """Somebody wants to listen."""
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
