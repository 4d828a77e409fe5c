"""A grid in real JupyterLab: opened and rated by keys; the ratings survive a restart."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import expect

from tests.scripted import Reply, Server, completion, serving

from .lab import Notebook

pytestmark = pytest.mark.browser

Open = Callable[..., Notebook]

SETUP = """import msgflux_nb as mf

model = mf.Model.chat_completion("scripted", base_url={url!r}, max_retries=0)
prompts = {{"plain": "Which? {{text}}", "rules": "Think well: {{text}}"}}
result = mf.grid(prompts, ["one", "two", "three"], models=model, store="grid.sqlite", progress=False)
view = mf.GridView(result)
view"""
RATED = "print(view.ratings[['prompt', 'rating']].to_dict('list'))"


@pytest.fixture
def server() -> Iterator[Server]:
    def reply(body: dict[str, Any], _headers: dict[str, str]) -> Reply:
        with server.lock:
            server.bodies.append(body)
        asked = body["messages"][-1]["content"]
        return completion(f"<b>{'well' if 'well' in asked else 'quick'}</b>")

    with serving() as server:
        server.next_reply = reply  # type: ignore[method-assign]  # by content and not by order
        yield server


def test_answers_are_opened_and_rated_by_keys_and_kept(open_notebook: Open, server: Server) -> None:
    notebook = open_notebook([SETUP.format(url=server.url), RATED])
    notebook.run_cell(0)
    view, keyboard = notebook.page.locator(".msgflux-grid").first, notebook.page.keyboard
    expect(view.locator(".mf-cell")).to_have_count(6)
    expect(view.locator(".mf-cell").nth(1)).to_contain_text("<b>well</b>")
    view.focus()
    keyboard.press("ArrowRight")
    expect(view.locator(".mf-opened")).to_contain_text("rules · scripted, against plain")
    expect(view.locator(".mf-opened ins")).to_contain_text("well")
    keyboard.press("+")
    expect(view.locator(".mf-rated")).to_have_count(1)
    keyboard.press("ArrowDown")
    keyboard.press("-")
    expect(view.locator(".mf-rated")).to_have_count(2)
    expect(view.locator("th").filter(has_text="50 %")).to_have_count(1)
    notebook.restart_kernel()
    notebook.run_cell(0)
    notebook.run_cell(1)
    printed = "".join(output["text"] for output in notebook.outputs() if output["output_type"] == "stream")
    assert printed == "{'prompt': ['rules', 'rules'], 'rating': ['good', 'bad']}\n"
    assert len(server.bodies) == 6
    expect(notebook.page.locator(".msgflux-grid").first.locator(".mf-rated")).to_have_count(2)
    kept = "".join(notebook.save(showing="&lt;b&gt;well")["cells"][0]["outputs"][1]["data"]["text/html"])
    assert "&lt;b&gt;well&lt;/b&gt;" in kept
    assert notebook.dialogs == []


RUNNING = """import msgflux_nb as mf

model = mf.Model.chat_completion("scripted", base_url={url!r}, max_retries=0)
prompts = {{"plain": "Which? {{text}}", "rules": "Think well: {{text}}"}}
inputs = [f"input {{number}}" for number in range(8)]
result = mf.grid(prompts, inputs, models=model, store=False)"""


def test_a_grid_in_a_cell_fills_in_is_stopped_by_its_button_and_goes_on(open_notebook: Open, server: Server) -> None:
    go = threading.Event()
    reply = server.next_reply

    def held(body: dict[str, Any], headers: dict[str, str]) -> Reply:
        made = reply(body, headers)
        if len(server.bodies) > 5:
            go.wait(60)
        return made

    server.next_reply = held  # type: ignore[method-assign]  # by content and not by order
    notebook = open_notebook([RUNNING.format(url=server.url), "print(result.notna().to_numpy().sum())"])
    try:
        notebook.start_cell(0)
        view = notebook.page.locator(".msgflux-grid").first
        expect(view.locator(".mf-cell").filter(has_text="<b>")).to_have_count(5, timeout=60_000)
        expect(view.locator(".mf-top .mf-is")).to_contain_text("of 16")
        view.get_by_role("button", name="Stop").click()
        expect(view.get_by_role("button", name="Go on with 11")).to_be_visible(timeout=30_000)
    finally:
        go.set()
    notebook.wait_idle()
    notebook.run_cell(1)
    printed = "".join(output["text"] for output in notebook.outputs() if output["output_type"] == "stream")
    assert printed.split() == ["5"]
    view.get_by_role("button", name="Go on with 11").click()
    expect(view.locator(".mf-cell").filter(has_text="<b>")).to_have_count(16, timeout=30_000)
    expect(view.get_by_role("button", name="Go on")).to_have_count(0)
    assert notebook.dialogs == []
