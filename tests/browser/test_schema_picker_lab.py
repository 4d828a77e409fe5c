"""The schema picker in real JupyterLab."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import expect

from .lab import Notebook

pytestmark = pytest.mark.browser

Open = Callable[..., Notebook]

CELLS = [
    "import msgflux_nb as mf\n"
    "model = mf.Model.chat_completion('openai/gpt-4.1-nano', api_key='k')\n"
    "picker = mf.SchemaPicker(model)\n"
    "picker",
    "import msgspec\nfrom typing import Annotated\n"
    "class Person(msgspec.Struct):\n"
    "    name: Annotated[str, msgspec.Meta(max_length=40)]",
    "# the code of the form comes here",
    "picker.refresh()\nprint(picker.value is Cat, picker.schema, Cat('Tom').lives, dict(picker.offered)['Cat'])",
]


def test_a_struct_is_found_picked_explained_and_one_is_built(open_notebook: Open) -> None:
    notebook = open_notebook(CELLS)
    notebook.run_cell(0)
    page, view = notebook.page, notebook.page.locator(".msgflux-picker").first
    menu, entry = view.get_by_role("button", name="answer as"), view.get_by_role("menuitemradio", name="Person")
    menu.click()
    expect(entry).to_have_count(0)
    page.keyboard.press("Escape")
    notebook.run_cell(1)  # defined after the picker was made, and found when somebody is about to pick
    menu.hover()
    menu.click()
    entry.click()
    expect(view.locator(".mf-fields tbody tr")).to_have_count(1)
    expect(view.locator(".mf-fields tbody tr")).to_contain_text("at most 40 characters")
    view.get_by_role("button", name="more:").click()
    view.get_by_role("menuitemcheckbox", name="What is sent").click()
    expect(view.locator(".mf-parts .mf-code").first).to_contain_text('"strict": true')

    view.get_by_text("Build one by form").click()
    view.get_by_label("name of the Struct").press_sequentially("Cat")
    view.get_by_label("name, field 1", exact=True).press_sequentially("name")
    view.get_by_role("button", name="field", exact=True).click()
    view.get_by_label("name, field 2", exact=True).press_sequentially("lives")
    view.get_by_role("button", name="type, field 2").click()
    view.get_by_role("menuitemradio", name="whole number", exact=False).first.click()
    view.get_by_role("button", name="more about field 2").click()
    view.get_by_role("checkbox").last.check()
    view.get_by_text("the code", exact=True).click()
    code = view.locator(".mf-build .mf-code")
    expect(code).to_contain_text("    lives: int | None = None")
    view.get_by_role("button", name="Use it").click()
    expect(menu).to_have_accessible_name("answer as: Cat")

    _write_cell(notebook, 2, code.inner_text())
    notebook.run_cell(2)
    notebook.run_cell(3)
    printed = [output["text"] for output in notebook.outputs() if output["output_type"] == "stream"]
    assert printed == ["True Cat None notebook\n"]
    twin = notebook.save(showing="schema · Cat")["cells"][0]["outputs"][1]["data"]
    assert "".join(twin["text/plain"]).splitlines()[:3] == [
        "schema · Cat",
        "name · str · required",
        "lives · int | None · None",
    ]
    assert notebook.dialogs == []
    assert page.evaluate("window.jupyterapp.shell.currentWidget.content.widgets.length") == len(CELLS)


def _write_cell(notebook: Notebook, index: int, source: str) -> Any:
    script = """([index, source]) => {
      window.jupyterapp.shell.currentWidget.content.widgets[index].model.sharedModel.setSource(source);
    }"""
    return notebook.page.evaluate(script, [index, source])
