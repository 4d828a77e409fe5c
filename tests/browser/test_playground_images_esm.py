"""The playground's page alone in Chromium: images in, by hand."""

from __future__ import annotations

import base64
import random

import pytest
from playwright.sync_api import expect

from tests.content.pictures import to_bytes, two_halves

from .widget_page import WidgetPage, until

pytestmark = pytest.mark.browser

# Puts a file into the page the way a person does; [kind, name, base64].
_GIVE = """([kind, name, data]) => {
  const bytes = Uint8Array.from(atob(data), (letter) => letter.charCodeAt(0));
  const transfer = new DataTransfer();
  transfer.items.add(new File([bytes], name, { type: "image/png" }));
  const target = document.querySelector(".mf-prompt");
  const options = { bubbles: true, cancelable: true };
  window.reached = 0;
  document.body.addEventListener(kind, () => { window.reached += 1; });
  target.dispatchEvent(
    kind === "paste"
      ? new ClipboardEvent("paste", { ...options, clipboardData: transfer })
      : new DragEvent("drop", { ...options, dataTransfer: transfer }),
  );
}"""


def give(widget: WidgetPage, way: str, name: str, data: bytes) -> None:
    if way == "upload":
        file = {"name": name, "mimeType": "image/png", "buffer": data}
        widget.page.set_input_files("input[type=file]", file)
    else:
        widget.page.evaluate(_GIVE, [way, name, base64.b64encode(data).decode()])


def received(widget: WidgetPage) -> bytes:
    """Put the pieces together, as the kernel does."""
    count = until(lambda: widget.sent("piece"), what="a piece")[0]["count"]
    until(lambda: len(widget.sent("piece")) == count, what="all pieces")
    pieces = sorted(widget.sent("piece"), key=lambda piece: piece["index"])
    return b"".join(base64.b64decode(piece["buffers"][0]) for piece in pieces)


@pytest.mark.parametrize("way", ["paste", "drop", "upload"])
def test_every_way_in_delivers_the_same_bytes(playground_page: WidgetPage, way: str) -> None:
    data = to_bytes(two_halves())
    give(playground_page, way, "two halves.png", data)
    assert received(playground_page) == data
    assert playground_page.sent("piece")[0]["name"] == "two halves.png"


@pytest.mark.parametrize("way", ["paste", "drop"])
def test_a_pasted_or_dropped_image_does_not_reach_the_notebook(playground_page: WidgetPage, way: str) -> None:
    give(playground_page, way, "a.png", to_bytes(two_halves()))
    assert playground_page.page.evaluate("reached") == 0


def test_a_large_file_travels_in_pieces(playground_page: WidgetPage) -> None:
    data = random.Random(1).randbytes(2_500_000)
    give(playground_page, "upload", "noise.png", data)
    assert received(playground_page) == data
    assert len(playground_page.sent("piece")) == 3


def test_a_thumbnail_is_there_at_once_and_the_kernel_says_the_size(playground_page: WidgetPage) -> None:
    give(playground_page, "upload", "two.png", to_bytes(two_halves()))
    card = playground_page.page.locator(".mf-image")
    expect(card).to_contain_text("sending")
    id_ = until(lambda: playground_page.sent("piece"))[0]["id"]
    playground_page.receive(attachments=[{"id": id_, "name": "two.png", "detail": "40 × 20 px, 0.1 kB", "notes": ""}])
    expect(card).to_have_count(1)
    expect(card).to_contain_text("40 × 20 px, 0.1 kB")
    assert card.locator("img").evaluate("(image) => image.decode().then(() => image.naturalWidth)") == 40
    assert playground_page.sent("thumbnails") == []


def test_an_image_that_the_page_never_saw_is_asked_for_once(playground_page: WidgetPage) -> None:
    card = {"id": "kernel-1", "name": "a.png", "detail": "40 × 20 px", "notes": ""}
    playground_page.receive(attachments=[card])
    playground_page.receive(attachments=[card])
    assert [message["ids"] for message in playground_page.sent("thumbnails")] == [["kernel-1"]]
    playground_page.deliver({"type": "thumbnails", "ids": ["kernel-1"]}, buffers=[to_bytes(two_halves())])
    picture = playground_page.page.locator(".mf-image img")
    assert picture.evaluate("(image) => image.decode().then(() => image.naturalWidth)") == 40


def test_removing_an_image_tells_the_kernel(playground_page: WidgetPage) -> None:
    playground_page.receive(attachments=[{"id": "7", "name": "a.png", "detail": "", "notes": ""}])
    playground_page.page.get_by_role("button", name="remove a.png").click()
    assert [message["id"] for message in playground_page.sent("remove")] == ["7"]


def test_a_refused_image_goes_and_the_reason_is_an_alert(playground_page: WidgetPage) -> None:
    give(playground_page, "upload", "drawing.svg", b"<svg/>")
    id_ = until(lambda: playground_page.sent("piece"))[0]["id"]
    playground_page.deliver({"type": "refused", "id": id_, "message": "drawing.svg is SVG. Render it to PNG first."})
    expect(playground_page.page.locator(".mf-image")).to_have_count(0)
    expect(playground_page.page.get_by_role("alert")).to_have_text("drawing.svg is SVG. Render it to PNG first.")


def test_the_kernels_warning_is_an_alert(playground_page: WidgetPage) -> None:
    playground_page.receive(warning="scripted/one takes text only")
    expect(playground_page.page.get_by_role("alert")).to_have_text("scripted/one takes text only")


def test_run_waits_for_an_image_on_its_way(playground_page: WidgetPage) -> None:
    page = playground_page.page
    page.get_by_role("textbox", name="message").fill("What is this?")
    give(playground_page, "upload", "noise.png", random.Random(1).randbytes(4_000_000))
    page.keyboard.press("Shift+Enter")
    page.get_by_role("button", name="run").click()
    until(lambda: playground_page.sent("run"), what="the run")
    kinds = page.evaluate("model.sent.map((message) => message.type).filter((type) => ['piece', 'run'].includes(type))")
    assert kinds.index("run") == kinds.count("piece")
