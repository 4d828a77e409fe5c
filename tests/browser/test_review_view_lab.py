"""A review in real JupyterLab by keyboard only: decisions, corrections by selected text, and what is kept."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import Locator, expect

from tests.scripted import Reply, Server, completion, serving
from tests.tables.counting import text_of

from .lab import Notebook

pytestmark = pytest.mark.browser

Open = Callable[..., Notebook]
WRONG = {3: "Nobody", 8: "Someone", 15: "Nobody"}

SETUP = """from typing import Literal
import msgspec
import msgflux_nb as mf

class Person(msgspec.Struct):
    name: str
    town: str
    mood: Literal["good", "bad"]

model = mf.Model.chat_completion("scripted", base_url={url!r}, max_retries=0)
texts = [f"Ada{{number}} Lovelace lives in Ghent{{number}} and is well." for number in range(20)]
result = mf.extract(texts, Person, model=model, store="people.sqlite", progress=False)
view = mf.ReviewView(result)
view"""
DECIDED = "print(len(view.review.decided), view.value['name'].tolist())"


@pytest.fixture
def server() -> Iterator[Server]:
    def reply(body: dict[str, Any], _headers: dict[str, str]) -> Reply:
        number = int(re.findall(r"Ada(\d+)", text_of(body))[0])
        with server.lock:
            server.bodies.append(body)
        name = WRONG.get(number, f"Ada{number} Lovelace")
        return completion(json.dumps({"name": name, "town": f"Ghent{number}", "mood": "good"}))

    with serving() as server:
        server.next_reply = reply  # type: ignore[method-assign]  # by content and not by order
        yield server


def decide(notebook: Notebook, view: Locator) -> None:
    """Decide the shown row by keys only: pick the name that is not in the text from the text."""
    keyboard = notebook.page.keyboard
    before = view.locator(".mf-title").inner_text()
    if view.locator(".mf-field").first.get_by_text("not in the text").count():
        keyboard.press("t")
        keyboard.press("Shift+ArrowRight")
        expect(view.locator(".mf-hint")).to_contain_text("Lovelace")
        keyboard.press("1")
        expect(view.locator(".mf-field").first).to_contain_text("Lovelace")
    keyboard.press("Enter")
    if view.locator(".mf-note").first.inner_text() != "20 of 20 read":
        end = time.monotonic() + 10
        while view.locator(".mf-title").inner_text() == before and "20 of 20" not in view.inner_text():
            assert time.monotonic() < end, "the next row did not come"
            time.sleep(0.02)


def printed(notebook: Notebook) -> str:
    return "".join(output["text"] for output in notebook.outputs() if output["output_type"] == "stream")


def test_twenty_rows_are_reviewed_by_keyboard_and_decided_after_a_restart(open_notebook: Open, server: Server) -> None:
    notebook = open_notebook([SETUP.format(url=server.url), DECIDED])
    notebook.run_cell(0)
    view = notebook.page.locator(".msgflux-review").first
    expect(view).to_contain_text("0 of 20 read")
    assert {"Nobody", "Someone"} >= {view.locator("output").first.inner_text().split("\n")[0]}  # doubtful rows first
    view.focus()
    for _ in range(20):
        decide(notebook, view)
    expect(view).to_contain_text("20 of 20 read")
    expect(view.locator("[role=status]").first).to_contain_text("85 %")
    notebook.run_cell(1)
    right = [f"Ada{number} Lovelace" for number in range(20)]
    assert printed(notebook) == f"20 {right}\n"

    notebook.restart_kernel()
    notebook.run_cell(0)
    notebook.run_cell(1)
    assert printed(notebook) == f"20 {right}\n"
    assert len(server.bodies) == 20
    expect(notebook.page.locator(".msgflux-review").first).to_contain_text("20 of 20 read")
    saved = notebook.save(showing="reviewed 20 of 20")["cells"][0]["outputs"][1]["data"]
    kept = "".join(saved["text/plain"])
    assert kept.splitlines()[0] == "ReviewView · reviewed 20 of 20: 85% right (85–85)"
    assert notebook.dialogs == []
