"""A key typed or pasted into a field of any widget is removed at once: from the field, the page and the kernel."""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Locator, Page

import msgflux_nb as mf
from msgflux_nb.widgets.base.typed_keys import KEY_REMOVED, without_keys
from msgflux_nb.widgets.base.view import View
from tests.widgets.test_typed import CANARY, KEYS, WORDS

from .bridge import Bridge

pytestmark = pytest.mark.browser

FIELDS = "textarea, input:not([type=file], [type=range], [type=checkbox])"


def add(a: int, b: int = 1) -> int:
    """Add."""
    return a + b


def waiting() -> mf.ToolCallView:
    """A view of a call that waits for a decision."""
    view = mf.ToolCallView([(0, 0, "call_7", "add", '{"a": 1}')], tools=[add])
    threading.Thread(target=lambda: _ask(view), daemon=True).start()
    return view


def _ask(view: mf.ToolCallView) -> None:
    with contextlib.suppress(mf.MsgfluxError):  # the view was closed
        view.ask(view.value[0])


def open_all(page: Page) -> None:
    """Unfold what is folded."""
    page.evaluate("for (const fold of document.querySelectorAll('details')) fold.open = true")


def editing(page: Page) -> None:
    open_all(page)
    page.get_by_role("button", name="edit").first.press("Enter")


def building(page: Page) -> None:
    page.get_by_role("button", name="Build one by form").first.press("Enter")
    open_all(page)


# By name: the widget, what opens its fields, and how many it has then at least.
CASES: dict[str, tuple[Callable[[], View], Callable[[Page], None], int]] = {
    "builder": (lambda: mf.MessageBuilder([{"role": "user", "content": "Hi {{a}}"}]), open_all, 2),
    "builder, a turn": (lambda: mf.MessageBuilder([{"role": "user", "content": "Hi {{a}}"}]), editing, 3),
    "editor": (mf.PrefillEditor, open_all, 1),
    "picker": (mf.SchemaPicker, building, 2),
    "calls": (waiting, editing, 1),
}


@pytest.fixture(params=CASES)
def bridge(request: pytest.FixtureRequest, page: Page) -> Iterator[tuple[Bridge, int]]:
    make, unfold, count = CASES[request.param]
    view = make()
    bridge = Bridge(page, view)
    bridge.exchange()
    bridge.exchange()
    unfold(page)
    bridge.exchange()
    yield bridge, count
    assert bridge.page.errors() == []
    view.close()


def everywhere(bridge: Bridge) -> str:
    """Return everything that is kept or was sent on either side, and everything visible."""
    view = bridge.widget
    own = {name: value for name, value in vars(view).items() if isinstance(value, str | dict | list)}
    kernel = [bridge.told, view.get_state(), view._drawn(), own, repr(view.trait_values())]
    page = bridge.page.page.evaluate(
        "() => [model.state, model.saved, model.sent, document.body.textContent,"
        " ...[...document.querySelectorAll('input, textarea')].map((field) => field.value)]"
    )
    return json.dumps([kernel, page], default=str)


def fields(page: Page) -> list[Locator]:
    return [field for field in page.locator(FIELDS).all() if field.is_visible()]


def test_a_pasted_key_is_gone_from_every_field(bridge: tuple[Bridge, int]) -> None:
    bridge, count = bridge
    page = bridge.page.page
    assert len(fields(page)) >= count
    for number, field in enumerate(fields(page)):
        field.focus()
        page.keyboard.press("End")
        page.keyboard.insert_text(f" {CANARY} ")
        assert "CANARY" not in field.input_value(), number
        assert "[key]" in field.input_value(), number
        note = page.locator(".mf-key-note")
        assert KEY_REMOVED in note.inner_text(), number
        note.get_by_role("button").click()
        assert note.count() == 0
        page.wait_for_timeout(350)  # as long as any field waits before it tells the kernel
        bridge.exchange()
        assert "CANARY" not in everywhere(bridge), number


def test_no_letter_stays_of_a_key_that_is_typed_letter_by_letter(page: Page) -> None:
    editor = mf.PrefillEditor()
    bridge = Bridge(page, editor)
    page.locator("textarea").press_sequentially(f"So {CANARY} goes on", delay=2)
    assert page.locator("textarea").input_value() == "So [key] goes on"
    bridge.until(lambda: editor.value == "So [key] goes on")
    editor.close()


def test_a_key_that_passes_the_page_is_stopped_by_the_kernel_with_a_notice(page: Page) -> None:
    editor = mf.PrefillEditor()
    bridge = Bridge(page, editor)
    editor.set_state({"value": CANARY})
    bridge.exchange()
    assert editor.value == page.locator("textarea").input_value() == "[key]"
    assert KEY_REMOVED in page.locator(".mf-notice").inner_text()
    editor.close()


@pytest.mark.parametrize("text", [*KEYS, *(word for word in WORDS if not word.startswith("data:"))])
def test_the_page_and_the_kernel_agree_what_a_key_is(page: Page, text: str) -> None:
    editor = mf.PrefillEditor()
    bridge = Bridge(page, editor)
    page.locator("textarea").fill(f"a {text} b")
    assert page.locator("textarea").input_value() == without_keys(f"a {text} b")
    assert bridge.page.errors() == []
    editor.close()
