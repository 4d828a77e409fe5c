"""The view of a batch in real JupyterLab: stopped by its button, continued, and kept in the notebook."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import expect

from tests.scripted import Reply, Server, completion, serving
from tests.tables.counting import text_of

from .lab import Notebook

pytestmark = pytest.mark.browser

Open = Callable[..., Notebook]
ROWS = 40
QUICK = 12

SETUP = """import msgspec
import msgflux_nb as mf

class City(msgspec.Struct):
    name: str

model = mf.Model.chat_completion("scripted", base_url={url!r}, max_retries=0)
texts = [f"text {{number}}" for number in range({rows})]
"""
VIEW = "view = mf.ExtractionView(texts, City, model=model, max_concurrency=2)\nview"
SHOWN = "print(view.state, view.value['_status'].value_counts().sort_index().loc[lambda n: n > 0].to_dict())"


class Gated:
    """A server that answers the first rows at once, and the others when the test releases them."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.open = threading.Event()
        self.answered: list[str] = []
        server.next_reply = self._reply  # type: ignore[method-assign]  # by content and not by order

    def _reply(self, body: dict[str, Any], _headers: dict[str, str]) -> Reply:
        text = text_of(body)
        with self.server.lock:
            self.server.bodies.append(body)
        if int(text.split()[1]) >= QUICK:
            self.open.wait(60)
        self.answered.append(text)
        return completion(json.dumps({"name": f"<b>{text}</b>"}))


@pytest.fixture
def gated() -> Iterator[Gated]:
    with serving() as server:
        gated = Gated(server)
        yield gated
        gated.open.set()


def printed(notebook: Notebook) -> list[str]:
    return [output["text"] for output in notebook.outputs() if output["output_type"] == "stream"]


def test_a_run_is_stopped_by_its_button_gone_on_with_and_kept(open_notebook: Open, gated: Gated) -> None:
    cells = [SETUP.format(url=gated.server.url, rows=ROWS) + VIEW, SHOWN, SHOWN + "\nview.value.name.tolist()[:2]"]
    notebook = open_notebook(cells)
    notebook.run_cell(0)
    view = notebook.page.locator(".msgflux-extraction").first
    expect(view.locator(".mf-say")).to_contain_text("none asked about yet")
    view.get_by_role("button", name="Run").click()
    expect(view.locator(".mf-done")).to_contain_text(f"{QUICK} of {ROWS}", timeout=20_000)
    expect(view.locator("tbody tr[data-position]")).to_have_count(QUICK)
    expect(view.locator("tbody tr[data-position='0']")).to_contain_text("<b>text 0</b>")
    notebook.page.wait_for_timeout(600)  # a click at once would be taken for the second of a double click
    view.get_by_role("button", name="Stop").click()
    expect(view.get_by_role("button", name=f"Go on with {ROWS - QUICK}")).to_be_visible()
    notebook.run_cell(1)
    assert printed(notebook) == [f"stopped {{'ok': {QUICK}, 'interrupted': 2, 'pending': {ROWS - QUICK - 2}}}\n"]
    kept = notebook.save(showing="City · stopped")["cells"][0]["outputs"][1]["data"]
    text = "".join(kept["text/plain"])
    assert text.splitlines()[0] == f"ExtractionView · City · stopped · {QUICK} of {ROWS} rows"

    gated.open.set()
    notebook.page.wait_for_timeout(600)
    view.get_by_role("button", name="Go on").click()
    twin = notebook.page.locator(".msgflux-twin").first
    expect(twin).to_be_visible(timeout=20_000)  # the live view has given way to it
    expect(notebook.page.locator(".msgflux-extraction")).to_have_count(0)
    expect(twin).to_contain_text("<b>text 39</b>")
    notebook.run_cell(2)
    assert printed(notebook)[-1] == f"complete {{'ok': {ROWS}}}\n"
    asked = [text_of(body) for body in gated.server.bodies]
    interrupted = {f"text {QUICK}", f"text {QUICK + 1}"}  # these had no answer
    assert {text for text in asked if asked.count(text) > 1} <= interrupted
    assert len(asked) == ROWS + 2

    live, kept = notebook.save(showing="&lt;b&gt;text 39")["cells"][0]["outputs"]
    assert "application/vnd.jupyter.widget-view+json" not in live["data"]
    drawn = "".join(kept["data"]["text/html"])
    assert "&lt;b&gt;text 39&lt;/b&gt;" in drawn
    assert "<b>text" not in drawn
    assert notebook.dialogs == []


def test_extract_shows_the_view_and_an_interrupt_keeps_it(open_notebook: Open, gated: Gated) -> None:
    cells = [
        SETUP.format(url=gated.server.url, rows=ROWS)
        + "result = mf.extract(texts, City, model=model, max_concurrency=2)\n"
        + "print(len(result), result.attrs['report']['states']['ok'])",
        "print(mf.resume(result)['_status'].eq('ok').sum())",
    ]
    notebook = open_notebook(cells)
    notebook.start_cell(0)
    view = notebook.page.locator(".msgflux-extraction").first
    expect(view.locator(".mf-done")).to_contain_text(f"{QUICK} of {ROWS}", timeout=20_000)
    notebook.interrupt()
    notebook.wait_idle()
    assert printed(notebook) == [f"{ROWS} {QUICK}\n"]
    expect(notebook.page.locator(".msgflux-extraction")).to_have_count(0)
    expect(notebook.page.locator(".msgflux-twin").first).to_contain_text("mf.resume(...)")
    gated.open.set()
    notebook.run_cell(1)
    assert printed(notebook)[-1] == f"{ROWS}\n"
    outputs = [output for output in notebook.save()["cells"][0]["outputs"] if output["output_type"] == "display_data"]
    assert [set(output["data"]) for output in outputs] == [{"text/html", "text/plain"}] * 2
    text = "".join(outputs[1]["data"]["text/plain"])
    assert text.splitlines()[:2] == [
        f"ExtractionView · City · stopped · {QUICK} of {ROWS} rows",
        f"{QUICK} ok, 2 interrupted, {ROWS - QUICK - 2} pending",
    ]


def test_stop_in_a_cell_that_waits_interrupts_the_kernel(open_notebook: Open, gated: Gated) -> None:
    """The kernel handles no button before the cell has ended, so the page asks the server for the interrupt."""
    cell = "result = mf.extract(texts, City, model=model, max_concurrency=2)\nprint(len(result))"
    notebook = open_notebook([SETUP.format(url=gated.server.url, rows=ROWS) + cell])
    notebook.start_cell(0)
    view = notebook.page.locator(".msgflux-extraction").first
    expect(view.locator(".mf-done")).to_contain_text(f"{QUICK} of {ROWS}", timeout=20_000)
    view.get_by_role("button", name="Stop").click()
    notebook.wait_idle()
    assert printed(notebook) == [f"{ROWS}\n"]
    expect(notebook.page.locator(".msgflux-twin").first).to_contain_text(f"{QUICK} of {ROWS}")
