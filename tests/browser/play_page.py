"""The playground's page with the pages of its inner widgets, in Chromium without a kernel; and messages to it."""

from __future__ import annotations

from typing import Any

from ipywidgets import DOMWidget
from playwright.sync_api import Locator, Page

import msgflux_nb as mf
from msgflux_nb.widgets.base.view import View

from .widget_page import WidgetPage

PARTS = ("builder", "prefill", "picker", "calls", "plan")
ABOUT = {"side": 0, "number": 1, "prefill": "", "schema": "", "model": "scripted/one"}


class PlayPage(WidgetPage):
    """A playground in an empty page.

    Attributes:
        kernel: a real playground that does not run; its conversation makes the cards for the page.
        view: the first view in the page.
    """

    kernel: mf.Playground

    def __init__(
        self,
        page: Page,
        *,
        url: str = "",
        parts: dict[str, dict[str, Any]] | None = None,
        schema: Any = None,
        **state: Any,
    ) -> None:
        """Open the playground.

        Args:
            page: the page.
            url: the page's address.
            parts: changed traits of the inner widgets, by the names of the widgets.
            schema: a type that is offered and picked.
            state: changed traits of the playground.
        """
        model = mf.Model.chat_completion("scripted/one", base_url="http://127.0.0.1:9/v1")
        self.kernel = mf.Playground(model, schemas=None if schema is None else [schema])
        if schema is not None:
            self.kernel.schema = schema.__name__
        given = parts or {}
        inside = {name: getattr(self.kernel, name) for name in PARTS}
        children = {name: (type(part), {**_state(part), **given.get(name, {})}) for name, part in inside.items()}
        own = {**_state(self.kernel), **{name: name for name in PARTS}, **state}
        super().__init__(page, mf.Playground, own, url=url, children=children)
        self.view: Locator = page.locator(".msgflux-playground").first

    def add(self, *messages: Any) -> None:
        """Add turns to the conversation."""
        for message in messages:
            self.kernel.builder.add(message)
        self.show_turns()

    def show_turns(self) -> None:
        """Send the present conversation to the page."""
        self.receive_in("builder", turns=self.kernel.builder.turns, told=self.kernel.builder.told)

    def settled(self, text: str, seq: int, *, number: int = 1, **options: Any) -> dict[str, Any]:
        """Return the message that an answer, whose words the page has, is now a turn."""
        card = self.kernel.builder.settle(mf.ChatBlock.assistant(text), **options)
        return {"type": "settled", "side": 0, "number": number, "seq": seq, "card": card}

    def receive_in(self, part: str, **state: Any) -> None:
        """Change traits of an inner widget, as the kernel does."""
        self.page.evaluate("([part, state]) => children[part].model.receive(state)", [part, state])

    def deliver_in(self, part: str, *messages: dict[str, Any]) -> None:
        """Deliver messages to an inner widget."""
        script = "([part, messages]) => messages.forEach((one) => children[part].model.deliver(one))"
        self.page.evaluate(script, [part, list(messages)])

    def sent_in(self, part: str, kind: str) -> list[dict[str, Any]]:
        """Return the messages of one type that an inner widget has sent."""
        found: list[dict[str, Any]] = self.page.evaluate(
            "([part, kind]) => children[part].model.sent.filter((one) => one.type === kind)", [part, kind]
        )
        return found

    def open_panel(self) -> None:
        """Show the panel next to the conversation with the menu of the head."""
        open_panel(self.view)

    def words(self) -> str:
        """Return the text of the arriving answer."""
        self.settle()
        return self.view.locator(".mf-answers .mf-words").first.inner_text()

    def said(self) -> str:
        """Return the word for the state of the answer."""
        self.settle()
        return self.view.locator(".mf-state").inner_text()


def open_panel(view: Locator) -> None:
    """Show the panel next to the conversation, if it is not shown yet."""
    if not view.get_by_role("tablist").is_visible():
        view.get_by_role("button", name="more", exact=True).click()
        entry = view.get_by_role("menuitem", name="the panel")  # an answer may have shown it meanwhile
        if "Show" in entry.inner_text():
            entry.click()
        else:
            view.page.keyboard.press("Escape")


def more(view: Locator, name: str) -> None:
    """Pick an entry of the head's last menu."""
    view.get_by_role("button", name="more", exact=True).click()
    view.get_by_role("menuitem", name=name).click()


def answer_as(view: Locator, name: str) -> None:
    """Pick what the answer is read as."""
    view.get_by_role("button", name="answer as").click()
    view.get_by_role("menuitemradio", name=name).click()


def start_with(view: Locator, text: str) -> Locator:
    """Write the start of the answer; return its field."""
    field = view.get_by_role("textbox", name="the answer starts with")
    if not field.is_visible():
        view.get_by_role("button", name="start the answer", exact=True).click()
    field.fill(text)
    return field


def add_from(view: Locator, name: str) -> None:
    """Pick an entry of the composer's + menu."""
    view.locator(".mf-composer").get_by_role("button", name="add a picture").click()
    view.get_by_role("menuitem", name=name, exact=name.endswith("…")).click()


def pick_role(scope: Locator | Page, name: str) -> None:
    """Pick the role of the message being written, or of the turn being edited."""
    scope.get_by_role("button", name="role: ").last.click()
    scope.get_by_role("menuitemradio", name=name, exact=True).click()


def turn_menu(turn: Locator, name: str) -> None:
    """Pick an entry of a turn's menu."""
    turn.hover()
    turn.get_by_role("button", name="more for this turn").click()
    turn.get_by_role("menuitem", name=name).click()


def start(**about: Any) -> dict[str, Any]:
    """Return the message that an answer begins."""
    return {"type": "start", **ABOUT, **about}


def batch(seq: int, text: str = "", *, number: int = 1, side: int = 0, **more: Any) -> dict[str, Any]:
    """Return the message with a piece of the answer."""
    return {"type": "batch", "side": side, "number": number, "seq": seq, "text": text, **more}


def progress(seq: int, text: str, **more: Any) -> dict[str, Any]:
    """Return the message with the whole answer so far."""
    return {"type": "progress", **ABOUT, "seq": seq, "text": text, **more}


def ending(seq: int = 0, state: str = "complete", **more: Any) -> dict[str, Any]:
    """Return the end of an answer, as a message tells it."""
    empty: dict[str, Any] = {"error": None, "status": [], "rows": [], "tokens": False}
    return {**ABOUT, **empty, "seq": seq, "state": state, **more}


def end(seq: int = 0, state: str = "complete", **more: Any) -> dict[str, Any]:
    """Return the message that the answer ends."""
    return {"type": "end", **ending(seq, state, **more)}


def _state(widget: View) -> dict[str, Any]:
    own = type(widget).class_traits(sync=True).keys() - DOMWidget.class_traits(sync=True).keys()
    return {name: value for name, value in widget.get_state().items() if name in own and not name.startswith("_")}
