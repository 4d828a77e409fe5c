"""A widget's page code in Chromium, with the tests' model in place of a kernel."""

from __future__ import annotations

import base64
import time
from collections.abc import Callable
from typing import Any

import msgspec
from playwright.sync_api import Page

from msgflux_nb.widgets.base.join import WIDGETS, join
from msgflux_nb.widgets.base.messages import message_type
from msgflux_nb.widgets.base.view import View, page_code, page_style

from .page_server import ADDRESS, HARNESS

Hear = Callable[[Any, Callable[..., Any]], None]
"""What calls a function at an event of a page: see ``conftest.hear``."""


class WidgetPage:
    """One widget in an empty page."""

    def __init__(
        self,
        page: Page,
        widget: type[View],
        state: dict[str, Any],
        *,
        url: str = "",
        children: dict[str, tuple[type[View], dict[str, Any]]] | None = None,
    ) -> None:
        """Open ``widget`` in an empty page.

        Args:
            page: the page.
            widget: its class.
            state: its traits.
            url: the page's address, if it is not that of ``page_server``.
            children: its inner widgets with their traits, by their references in the traits of ``widget``.
        """
        self.page = page
        self._widget = widget
        parts = children or {}
        stems = [kind.stem for kind in (widget, *(child for child, _ in parts.values()))]
        if url:
            page.goto(url)
            page.add_script_tag(content=HARNESS)
            for stem in stems:
                page.add_style_tag(content=page_style(stem))
            codes, sheets = [page_code(stem) for stem in stems], []
        else:
            page.goto(ADDRESS)
            codes, sheets = [f"/{stem}.js" for stem in stems], [f"/{stem}.css" for stem in stems]
        told = {name: [code, parts[name][1]] for name, code in zip(parts, codes[1:], strict=True)}
        page.evaluate("(args) => openWidget(...args)", [codes[0], {"kept": 0, "look": {}, **state}, told, sheets])

    def deliver(self, *messages: dict[str, Any], buffers: list[bytes] | None = None) -> None:
        """Deliver custom messages as from the kernel, all before the next frame is drawn."""
        encoded = [base64.b64encode(data).decode() for data in buffers or []]
        script = "([messages, buffers]) => messages.forEach((message) => model.deliver(message, buffers))"
        self.page.evaluate(script, [list(messages), encoded])

    def receive(self, **state: Any) -> None:
        """Change traits, as the kernel does."""
        self.page.evaluate("(state) => model.receive(state)", state)

    def sent(self, kind: str) -> list[dict[str, Any]]:
        """Return the custom messages of one type that the page has sent; check that the kernel takes their shape."""
        found: list[dict[str, Any]] = self.page.evaluate("(kind) => model.sent.filter((m) => m.type === kind)", kind)
        for message in found:
            msgspec.convert(message, message_type(getattr(self._widget, f"_on_{kind}")))
        return found

    def errors(self) -> list[str]:
        """Return the errors of the page's code."""
        found: list[str] = self.page.evaluate("errors")
        return found

    def settle(self) -> None:
        """Wait until the page has drawn all changes."""
        self.page.evaluate("() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")


def use_modules(page: Page, *stems: str) -> None:
    """Give a page the exports of some modules of ``widgets``, under their own names."""
    for stem in stems:
        joined = join(WIDGETS / f"{stem}.js")
        page.add_script_tag(content=f"(() => {{\n{joined.text}\nObject.assign(window, {joined.entry});\n}})();")


def until(condition: Callable[[], Any], *, seconds: float = 30, what: str = "the condition") -> Any:
    """Return the first true value of ``condition``; fail after the time limit."""
    end = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < end, f"{what} did not come true within {seconds} s"
        time.sleep(0.01)
    return value
