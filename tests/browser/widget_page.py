"""A widget's page code alone in Chromium, with a model of our own in place of a kernel."""

from __future__ import annotations

import base64
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from playwright.sync_api import Page

from msgflux_nb.widgets._base import View, _assets

_HARNESS = (Path(__file__).parent / "fake_model.js").read_text(encoding="utf-8")


class WidgetPage:
    """One widget in an empty page."""

    def __init__(self, page: Page, widget: type[View], state: dict[str, Any], *, url: str = "") -> None:
        """Open ``widget`` in an empty page; at ``url``, or where no network is needed."""
        self.page = page
        stems = (*widget.parts, widget.stem)
        if not url:
            url = "http://widget.test/"
            page.route(url, lambda route: route.fulfill(body="<body></body>", content_type="text/html"))
        page.goto(url)
        page.add_style_tag(content=_assets(stems, ".css"))
        page.add_script_tag(content=_HARNESS)
        page.evaluate("([esm, state]) => openWidget(esm, state)", [_assets(stems, ".js"), state])

    def deliver(self, *messages: dict[str, Any], buffers: list[bytes] | None = None) -> None:
        """Let custom messages arrive from the kernel, all before the next frame is drawn."""
        encoded = [base64.b64encode(data).decode() for data in buffers or []]
        script = "([messages, buffers]) => messages.forEach((message) => model.deliver(message, buffers))"
        self.page.evaluate(script, [list(messages), encoded])

    def receive(self, **state: Any) -> None:
        """Let traits change in the kernel."""
        self.page.evaluate("(state) => model.receive(state)", state)

    def sent(self, kind: str) -> list[dict[str, Any]]:
        """The custom messages of one type that the page has sent."""
        found: list[dict[str, Any]] = self.page.evaluate("(kind) => model.sent.filter((m) => m.type === kind)", kind)
        return found

    def errors(self) -> list[str]:
        """What went wrong in the page's code."""
        found: list[str] = self.page.evaluate("errors")
        return found

    def settle(self) -> None:
        """Wait until what is due has been drawn."""
        self.page.evaluate("() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")


def until(condition: Callable[[], Any], *, seconds: float = 5, what: str = "the condition") -> Any:
    """Return the first true value of ``condition``; fail when the time is over."""
    end = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < end, f"{what} did not come true within {seconds} s"
        time.sleep(0.01)
    return value
