"""Pastes and drops files in a page, as a person does."""

from __future__ import annotations

import base64

from playwright.sync_api import Page

# `reached` counts the events that reach the page around a widget.
_HAND = """([kind, name, type, data, selector]) => {
  const bytes = Uint8Array.from(atob(data), (letter) => letter.charCodeAt(0));
  const transfer = new DataTransfer();
  transfer.items.add(new File([bytes], name, { type }));
  const options = { bubbles: true, cancelable: true };
  window.reached = 0;
  document.body.addEventListener(kind, () => { window.reached += 1; });
  document.querySelector(selector).dispatchEvent(
    kind === "paste"
      ? new ClipboardEvent("paste", { ...options, clipboardData: transfer })
      : new DragEvent("drop", { ...options, dataTransfer: transfer }),
  );
}"""


def hand(page: Page, way: str, name: str, data: bytes, type_: str, to: str) -> None:
    """Paste or drop a file.

    Args:
        page: the page.
        way: ``paste`` or ``drop``.
        name: the name of the file.
        data: its content.
        type_: its MIME type.
        to: a selector of the element that gets it.
    """
    page.evaluate(_HAND, [way, name, type_, base64.b64encode(data).decode(), to])
