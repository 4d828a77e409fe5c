"""The view of plans in real JupyterLab: watched, stopped, and kept with its replay."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from playwright.sync_api import expect

from tests.moments import quickly
from tests.scripted import Reply, completion, serving

from .lab import Notebook

pytestmark = pytest.mark.browser

Open = Callable[..., Notebook]
SETUP = """import msgflux_nb as mf

model = mf.Model.chat_completion("scripted", base_url={url!r}, max_retries=0)
run = mf.plan.start(mf.plan.self_consistency, model, "6 times 7?", n=9, answer=int, max_concurrency=1)
mf.PlanView(run)"""


def chain(value: int) -> Reply:
    steps = [{"explanation": "6 times 7", "output": str(value)}]
    return completion(json.dumps({"steps": steps, "final_answer": value}))


def test_a_vote_is_watched_stopped_and_kept_with_its_replay(open_notebook: Open) -> None:
    late = chain(42)
    late.pieces.insert(0, 60.0)
    with serving(chain(42), chain(41), chain(42), late) as server:
        notebook = open_notebook([SETUP.format(url=server.url), "print(run.wait(10).final_answer, run.state)"])
        notebook.start_cell(0)
        live = notebook.page.locator(".msgflux-plan").first
        expect(live.locator(".mf-blocks button")).to_have_count(3, timeout=20_000)
        expect(live.locator(".mf-top > .mf-is")).to_contain_text("answer 3 of 9, 1 being asked")
        with quickly():
            live.get_by_role("button", name="Stop").click()
            assert server.left.wait(30)

    # The live view has given way to its twin, which replays without the kernel.
    twin = notebook.page.locator(".msgflux-twin .msgflux-plan")
    expect(twin).to_be_visible(timeout=10_000)
    expect(twin.locator(".mf-top > .mf-is")).to_contain_text("stopped after 3 of 9: stopped")
    expect(notebook.page.locator(".msgflux-plan")).to_have_count(1)
    twin.get_by_role("slider", name="replay").press("Home")
    expect(twin.locator(".mf-blocks button")).to_have_count(0)
    notebook.run_cell(1)
    assert [one["text"] for one in notebook.outputs() if one["output_type"] == "stream"] == ["42 stopped\n"]
    saved = notebook.save(showing="answer: 42")["cells"][0]["outputs"]
    text = "".join(saved[1]["data"]["text/plain"])
    assert text.splitlines() == ["PlanView · Ask often, vote · stopped · 3 calls", "2 × 42", "1 × 41", "answer: 42"]
    assert "application/vnd.jupyter.widget-view+json" not in saved[0]["data"]
    assert notebook.dialogs == []
