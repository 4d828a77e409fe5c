"""The editor of an answer's start in real JupyterLab."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import expect

from .lab import Notebook

pytestmark = pytest.mark.browser

Open = Callable[..., Notebook]

CELLS = [
    "import msgflux_nb as mf\n"
    "import msgspec\n"
    "class Person(msgspec.Struct):\n"
    "    name: str\n"
    "editor = mf.PrefillEditor('local/smollm2-135m')\n"
    "editor",
    "editor.schema = Person",
    "print(repr(editor.value))",
]


def test_a_start_is_written_looked_at_and_kept_in_the_saved_notebook(open_notebook: Open) -> None:
    notebook = open_notebook(CELLS)
    notebook.run_cell(0)
    view = notebook.page.locator(".msgflux-prefill").first
    field = view.get_by_role("textbox", name="the answer starts with")
    line = view.get_by_role("status")
    expect(line).to_have_count(0)  # nothing to say yet
    field.press_sequentially("The answer is ")
    expect(line).to_contain_text("local/smollm2-135m goes on from here.")
    expect(view.locator(".mf-space-note")).to_contain_text("It ends with a space,")
    view.get_by_role("button", name="remove it").click()
    expect(view.locator(".mf-space-note")).to_be_hidden()
    assert notebook.page.evaluate("window.jupyterapp.shell.currentWidget.content.widgets.length") == len(CELLS)

    notebook.run_cell(1)
    expect(line).to_contain_text("impossible for Person no JSON for Person begins with 'The answer is'")
    view.get_by_role("button", name="starts to choose from").click()
    view.get_by_role("menuitem", name="its first field").click()
    expect(line).to_contain_text("goes on from here.")
    notebook.run_cell(2)
    printed = [output["text"] for output in notebook.outputs() if output["output_type"] == "stream"]
    assert printed == ["""'{"name": "'\n"""]

    saved = notebook.save(showing='{"name": "')["cells"][0]["outputs"]
    assert [output["output_type"] for output in saved] == ["display_data", "display_data"]
    twin = saved[1]["data"]
    assert "".join(twin["text/plain"]).splitlines()[1] == '{"name": "'
    assert "<mark" in "".join(twin["text/html"])
    assert notebook.dialogs == []
