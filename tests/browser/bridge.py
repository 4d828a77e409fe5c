"""Connects a widget and its page in Chromium directly, without a server or a notebook."""

from __future__ import annotations

import base64
import threading
import time
from collections.abc import Callable
from typing import Any

from playwright.sync_api import Page

from msgflux_nb.widgets.base.view import View

from .widget_page import WidgetPage

_LIMIT_SECONDS = 20


class Bridge:
    """Carries the messages of a page to its widget and those of the widget to the page, each in order.

    Attributes:
        widget: the kernel's side.
        page: the page's side.
        told: the messages of the kernel, as they go over the comm.
    """

    def __init__(self, page: Page, widget: View, *, url: str = "") -> None:
        from ipywidgets import DOMWidget

        self.widget = widget
        self.told: list[dict[str, Any]] = []
        self._outgoing: list[tuple[dict[str, Any], list[Any]]] = []
        self._heard = 0
        widget._send = lambda message, buffers=None: self._outgoing.append((message, list(buffers or [])))
        own = type(widget).class_traits(sync=True).keys() - DOMWidget.class_traits(sync=True).keys()
        state = {name: value for name, value in widget.get_state().items() if name in own}
        self.page = WidgetPage(page, type(widget), state, url=url)

    def exchange(self) -> None:
        """Carry all messages over, until both sides send nothing."""
        silent = 0
        end = time.monotonic() + _LIMIT_SECONDS
        while silent < 3:
            silent = 0 if self._carry() or _reading() else silent + 1
            assert time.monotonic() < end, f"neither side was silent within {_LIMIT_SECONDS} s"
            time.sleep(0.02)
        self.page.settle()

    def until(self, condition: Callable[[], Any], *, seconds: float = 30) -> Any:
        """Carry messages over until the condition is true; return its value."""
        end = time.monotonic() + seconds
        while not (found := condition()):
            assert time.monotonic() < end, f"the condition did not come true within {seconds} s"
            self.exchange()
        self.exchange()
        return found

    def _carry(self) -> bool:
        state = self.page.page.evaluate("() => { const saved = model.saved; model.saved = {}; return saved; }")
        if state:
            self.widget.set_state(state)
        messages = self.page.page.evaluate("(from) => model.sent.slice(from)", self._heard)
        self._heard += len(messages)
        for message in messages:
            buffers = [memoryview(base64.b64decode(data)) for data in message.pop("buffers")]
            self.widget._receive(self.widget, message, buffers)
        outgoing, self._outgoing = self._outgoing, []
        for message, data in outgoing:
            self.told.append(message)
            if message["method"] == "custom":
                self.page.deliver(message["content"], buffers=[bytes(item) for item in data])
            elif message["method"] == "update":  # not an echo of what this page has set
                self.page.receive(**message["state"])
        return bool(state or messages or outgoing)


def _reading() -> bool:
    """Return whether the kernel still reads a file or makes a thumbnail."""
    return any(thread.name.startswith(("msgflux-file", "msgflux-thumbnails")) for thread in threading.enumerate())
