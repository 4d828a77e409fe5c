"""The quickstart as a new user runs it: real JupyterLab, the embedded model, mouse and keys."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import expect

from .lab import Lab, Notebook
from .play_page import add_from, answer_as
from .test_playground_lab import PICTURE, button, growing, message, run, state, words

pytestmark = [pytest.mark.browser, pytest.mark.local]

MODEL = "local/qwen2.5-coder-0.5b"
QUICKSTART = Path(__file__).parents[2] / "notebooks" / "00_quickstart.ipynb"


def test_the_quickstart_runs_and_its_playground_can_be_played(lab: Lab, open_notebook: Callable[..., Notebook]) -> None:
    path = lab.root / QUICKSTART.name
    path.write_text(as_a_stranger(QUICKSTART.read_text(encoding="utf-8")), encoding="utf-8")
    notebook = open_notebook(path)
    notebook.run_all(timeout_seconds=600)

    # The first table: four people, every one of them found.
    notebook.page.wait_for_function("() => document.querySelectorAll('.dataframe').length >= 2")
    people = notebook.page.locator("table.dataframe").first
    columns = people.locator("thead tr").first.locator("th").all_text_contents()  # innerText is empty off the screen
    assert columns[1:] == ["name", "age", "city"]
    expect(people.locator("tbody tr")).to_have_count(4)
    assert "Maria Silva" in (people.locator("tbody").text_content() or "")

    # An image: this model takes text only, and says so before anything is sent.
    view = notebook.playground
    view.scroll_into_view_if_needed()
    _pick(notebook, "")  # the notebook has picked Person
    with notebook.page.expect_file_chooser() as chooser:
        add_from(view, "Picture …")
    chooser.value.set_files([PICTURE])
    warning = view.locator(".mf-composer").get_by_role("alert").filter(has_text=f"{MODEL} takes text only")
    expect(warning).to_contain_text("vision models, such as")
    run(view, "Tell me a long story about a lighthouse.")
    expect(view.locator(".mf-failed .mf-error")).to_contain_text("takes text only, and messages")
    assert words(view) == ""
    view.get_by_role("button", name="undo").click()
    expect(view.locator(".mf-turns > .mf-turn")).to_have_count(0)

    # An answer in pieces, stopped on its way.
    run(view, "Tell me a long story about a lighthouse.")
    assert len(growing(view, states=4)) == 4
    button(view, "stop").click()
    expect(state(view)).to_have_text("stopped")
    expect(view.locator(".mf-turns > .mf-turn")).to_have_count(2)
    partial = words(view)
    assert len(partial) > 10
    notebook.page.wait_for_timeout(300)
    assert words(view) == partial

    # A structure of the notebook's own, as a table, in the page and in the file.
    answer_as(view, "Person")
    run(view, "Ada Lovelace was 36 and lived in London.")
    expect(state(view)).to_have_text("complete", timeout=60_000)
    fields = view.get_by_role("table", name="values").get_by_role("row")
    expect(fields).to_have_count(3)
    assert [row.locator("th").inner_text() for row in fields.all()] == ["name", "age", "city"]
    name = fields.first.locator(".mf-value").inner_text()
    saved = notebook.save(showing=f"Playground · {MODEL} · Person · complete")
    twins = [text for text in _texts(saved) if text.startswith(f"Playground · {MODEL} · Person · complete")]
    assert len(twins) == 1
    assert f"name: {name}  (str)" in twins[0]
    expect(message(view)).to_have_value("")


def as_a_stranger(notebook: str) -> str:
    """Return the notebook with the usual default model, in place of the tests' smaller one."""
    content = json.loads(notebook)
    first = next(cell for cell in content["cells"] if cell["cell_type"] == "code")
    first["source"] = ["import os\n", 'os.environ.pop("MSGFLUX_LOCAL_MODEL", None)\n', *first["source"]]
    return json.dumps(content)


def _pick(notebook: Notebook, schema: str) -> None:
    """Pick a schema from the kernel, as a cell does."""
    code = f"playground.schema = {schema!r}"
    session = "window.jupyterapp.shell.currentWidget.sessionContext.session"
    notebook.page.evaluate(f"(code) => {session}.kernel.requestExecute({{ code }}).done", code)


def _texts(saved: dict[str, object]) -> list[str]:
    cells = saved["cells"]
    assert isinstance(cells, list)
    outputs = [output for cell in cells for output in cell.get("outputs", [])]
    return ["".join(output.get("data", {}).get("text/plain", "")) for output in outputs]
