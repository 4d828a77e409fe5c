"""The view of tool calls in real JupyterLab: watching, decisions, Stop, interrupts, and what is kept."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import expect

from tests.moments import quickly
from tests.scripted import Reply, Server, chunk, serving, stream

from .lab import Notebook

pytestmark = pytest.mark.browser

Open = Callable[..., Notebook]
SUM = '{"a": 17, "b": 25}'

SETUP = """import msgflux_nb as mf

def add(a: int, b: int) -> int:
    '''Add two numbers.'''
    return a + b

model = mf.Model.chat_completion("scripted", base_url={url!r}, max_retries=0)
view = mf.ToolCallView(tools=[add])
view"""


def call(*pauses: float, pieces: int = 6, number: int = 0) -> list[bytes | float]:
    """Return the chunks of a call, with a pause before each piece of its arguments."""
    opening = {
        "index": number,
        "id": f"call_{number}",
        "type": "function",
        "function": {"name": "add", "arguments": ""},
    }
    wire: list[bytes | float] = [chunk(tool_calls=[opening])]
    for at in range(pieces):
        wire += [*pauses, chunk(tool_calls=[{"index": number, "function": {"arguments": SUM[at * 3 : at * 3 + 3]}}])]
    return wire


def calling(*wire: bytes | float) -> Reply:
    return stream(*wire, chunk(reason="tool_calls"), b"data: [DONE]\n\n", done=False)


@pytest.fixture
def server() -> Iterator[Server]:
    """Two calls, then an answer."""
    with serving(calling(*call(0.05), *call(0.05, number=1)), stream("It is ", "42.")) as server:
        yield server


def test_calls_are_watched_decided_on_and_kept_in_the_saved_notebook(open_notebook: Open, server: Server) -> None:
    cells = [SETUP.format(url=server.url), "view.run(model, 'How much?')", "print(view.value, view.response.text)"]
    notebook = open_notebook(cells)
    notebook.run_cell(0)
    view = notebook.page.locator(".msgflux-tool-calls").first
    expect(view).to_contain_text("Tool calls appear here")
    notebook.start_cell(1)
    expect(view.locator(".mf-goes")).to_contain_text("wait for you", timeout=20_000)
    first, second = view.locator(".mf-lane").all()
    expect(first.locator(".mf-raw-text")).to_have_text(SUM)
    first.get_by_role("button", name="Approve").click()
    expect(first.locator(".mf-outcome")).to_contain_text("42")
    second.get_by_role("button", name="Edit").click()
    field = second.get_by_role("textbox", name="arguments of call 2")
    field.fill('{"a": 1, "b": "x"}')
    field.press("Shift+Enter")
    expect(second.locator(".mf-editor .mf-problem")).to_contain_text("expected integer")  # said by the kernel
    field.fill('{"a": 1, "b": 2}')
    field.press("Shift+Enter")

    # The live view has given way to its twin, which replays without the kernel.
    twin = notebook.page.locator(".msgflux-twin .msgflux-tool-calls")
    expect(twin).to_be_visible()
    expect(twin.locator(".mf-answer-text")).to_have_text("It is 42.")
    expect(notebook.page.locator(".msgflux-tool-calls")).to_have_count(1)
    twin.get_by_role("slider", name="replay").press("Home")
    expect(twin.locator(".mf-raw-text").first).to_have_text("")
    notebook.run_cell(2)
    printed = [output["text"] for output in notebook.outputs() if output["output_type"] == "stream"]
    assert printed[0].count("arguments={'a': 17, 'b': 25}") == 2
    assert "It is 42." in printed[0]

    saved = notebook.save(showing="ToolCallView · complete")["cells"][0]["outputs"]
    text = "".join(saved[1]["data"]["text/plain"])
    assert text.splitlines()[:2] == ["ToolCallView · complete · 2 calls", f"1. add (call_0) complete: {compact()} → 42"]
    assert 'edited: {"a":1,"b":2} → 3' in text
    assert "application/vnd.jupyter.widget-view+json" not in saved[0]["data"]
    assert [message["content"] for message in server.bodies[1]["messages"] if message["role"] == "tool"] == ["42", "3"]
    assert notebook.dialogs == []


def compact() -> str:
    return SUM.replace(" ", "")


def test_stop_and_the_kernels_interrupt_keep_what_came(open_notebook: Open) -> None:
    begun = call(0.02)[:-6]  # three of six pieces
    with serving(calling(*begun, 60.0)) as server:
        cells = [
            SETUP.format(url=server.url),
            "view.run(model, 'How much?')",
            "view.run(model, 'How much?', wait=True)",
            "print(view.state, view.states[0].raw)",
        ]
        notebook = open_notebook(cells)
        notebook.run_cell(0)
        live = notebook.page.locator(".msgflux-tool-calls:has(button)").first
        notebook.run_cell(1)
        expect(live.locator(".mf-raw-text")).to_have_text(SUM[:9], timeout=20_000)
        with quickly():
            live.get_by_role("button", name="Stop").click()
            assert server.left.wait(30)
        expect(notebook.page.locator(".mf-goes").first).to_contain_text("stopped")
        notebook.run_cell(3)

        server.left.clear()
        notebook.start_cell(2)
        expect(notebook.page.locator(".mf-goes").first).to_contain_text("being written", timeout=20_000)
        expect(notebook.page.locator(".mf-raw-text").first).to_have_text(SUM[:9], timeout=20_000)
        notebook.interrupt()
        assert server.left.wait(10)
        notebook.wait_idle()
        notebook.run_cell(3)
        outputs = notebook.outputs()
        assert [one["ename"] for one in outputs if one["output_type"] == "error"] == ["KeyboardInterrupt"]
        assert [one["text"] for one in outputs if one["output_type"] == "stream"] == [f"stopped {SUM[:9]}\n"]
