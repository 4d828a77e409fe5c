"""Behaviour that depends on the kernel's messages and interrupts, with the newest and the oldest allowed ipykernel."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import expect

from tests.moments import quickly
from tests.scripted import Server

from .lab import Notebook
from .test_playground_lab import growing, model_cell, words
from .widget_page import until

pytestmark = pytest.mark.browser

Open = Callable[..., Notebook]
PLAYGROUND = "playground = mf.Playground(model, prompt='Count')\nplayground"


def result(notebook: Notebook) -> str:
    """Return the result of the last cell that has one."""
    texts = [output["data"]["text/plain"] for output in notebook.outputs() if output["output_type"] == "execute_result"]
    return str(texts[-1])


def test_the_kernel_has_the_intended_version(any_kernel_notebook: Open, request: pytest.FixtureRequest) -> None:
    notebook = any_kernel_notebook(["import ipykernel\nipykernel.version_info[:2]"])
    notebook.run_all()
    assert (result(notebook) == "(6, 29)") is ("oldest" in request.node.name)


def test_stop_in_the_page_ends_a_run_and_the_kernel_has_what_came(
    any_kernel_notebook: Open, image_server: Server
) -> None:
    notebook = any_kernel_notebook([model_cell(image_server), PLAYGROUND, "playground.response.text"])
    notebook.run_cell(0)
    notebook.run_cell(1)
    view = notebook.playground
    view.get_by_role("textbox", name="message").press("Shift+Enter")
    growing(view, states=3)
    with quickly():
        view.get_by_role("button", name="stop").click()
        expect(view.locator(".mf-state")).to_have_text("stopped")
    assert image_server.left.wait(5)
    expect(view.locator(".mf-turns > .mf-turn")).to_have_count(2)  # the partial is a turn
    notebook.run_cell(2)
    kept = result(notebook).strip("' ")
    assert kept.startswith("word0 word1 ")
    until(lambda: words(view) == kept, what="all that the kernel has in the page")


def test_an_answer_streams_while_a_cell_is_busy(any_kernel_notebook: Open, image_server: Server) -> None:
    busy = "import time\nplayground.run()\ntime.sleep(30)"
    notebook = any_kernel_notebook([model_cell(image_server), PLAYGROUND, busy])
    notebook.run_cell(0)
    notebook.run_cell(1)
    notebook.start_cell(2)
    growing(notebook.playground, states=5)
    assert notebook.busy
    notebook.interrupt()  # it ends the cell, but not the run on the thread
    notebook.wait_idle(timeout_seconds=15)
    growing(notebook.playground, states=2)


def test_an_interrupt_ends_a_run_that_a_cell_waits_for(any_kernel_notebook: Open, image_server: Server) -> None:
    cells = [model_cell(image_server), PLAYGROUND, "playground.run(wait=True)", "playground.response.text"]
    notebook = any_kernel_notebook(cells)
    notebook.run_cell(0)
    notebook.run_cell(1)
    notebook.start_cell(2)
    view = notebook.playground
    growing(view, states=3)
    with quickly():
        notebook.interrupt()
        notebook.wait_idle()
    expect(view.locator(".mf-state")).to_have_text("stopped")
    assert image_server.left.wait(5)
    assert [output["ename"] for output in notebook.outputs() if output["output_type"] == "error"] == [
        "KeyboardInterrupt"
    ]
    expect(view.locator(".mf-turns > .mf-turn")).to_have_count(2)  # the partial is a turn
    notebook.run_cell(3)
    kept = result(notebook).strip("' ")
    assert kept.startswith("word0 word1 ")
    until(lambda: words(view) == kept, what="all that the kernel has in the page")


@pytest.mark.parametrize(
    "cell",
    [
        "stream = model('Count', stream=True)\nfor text in stream:\n    print(text, end='', flush=True)",
        "stream = await model.acall('Count', stream=True)\n"
        "async for text in stream:\n    print(text, end='', flush=True)",
    ],
    ids=["sync", "await"],
)
def test_an_interrupt_ends_a_stream_that_a_cell_reads(
    any_kernel_notebook: Open, image_server: Server, cell: str
) -> None:
    notebook = any_kernel_notebook([model_cell(image_server), cell, "stream.snapshot.text"])
    notebook.run_cell(0)
    notebook.start_cell(1)

    def printed() -> str:
        return "".join(output["text"] for output in notebook.outputs() if output["output_type"] == "stream")

    until(lambda: "word3" in printed(), seconds=20, what="the answer in the cell's output")
    with quickly():
        notebook.interrupt()
        notebook.wait_idle()
    assert image_server.left.wait(5)
    notebook.run_cell(2)
    assert result(notebook).strip("' ").startswith(printed().strip())
