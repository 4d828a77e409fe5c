"""Tests the check of the widgets' page code: the types for TypeScript, and the places of the errors."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import anywidget
import pytest
import traitlets as t

import msgflux_nb as mf
from msgflux_nb.widgets.base.view import View
from scripts import check_pages
from tests.thorough import few


class Small(View):
    """A widget for the test alone."""

    stem = "small/small"
    name = t.Unicode("").tag(sync=True)
    limit = t.Int(None, allow_none=True).tag(sync=True)
    side = t.Enum(["left", "right"]).tag(sync=True)
    rows = t.List().tag(sync=True)
    child = anywidget.WidgetTrait().tag(sync=True)
    ours_alone = t.Unicode("")

    def _on_go(self, _content: object, _buffers: object) -> None: ...


def test_types_are_made_of_what_a_class_syncs_and_handles() -> None:
    assert check_pages.declared(Small) == (
        "interface Traits {\n  child: any;\n  kept: number;\n  limit: number | null;\n  look: any;\n  name: string;\n"
        "  rows: any[];\n"
        '  side: "left" | "right";\n}\ntype Handled = "go";\n'
    )


def test_every_page_is_checked() -> None:
    pages = {
        path.relative_to(check_pages.WIDGETS).with_suffix("").as_posix()
        for path in check_pages.WIDGETS.rglob("*.js")
        if "export default" in path.read_text(encoding="utf-8")
    }
    views = check_pages.views()
    assert views.keys() == pages
    assert {view.__name__ for view in views.values()} <= set(mf.__all__)  # not by a class that one is made of


SMALL = """// @ts-check
import { icon } from "../base/controls.js";
import { guarded } from "../base/guard.js";
/** @import { Host, Model } from "../base/dom.js" */
export default guarded(() => ({
  /** @param {{ model: Model }} props */
  initialize({ model }) {
    model.on("change:name", () => model.send({ type: "go" }));
  },
  /** @param {{ model: Model, el: HTMLElement, host: Host }} props */
  render({ model, el }) {
    el.textContent = model.get("name");
    el.append(icon("check"));
  },
}));
"""


@pytest.fixture
def faults(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], str]:
    """Return the errors of a page for ``Small``."""
    if not (check_pages.FOLDER / "node_modules" / "typescript").exists():
        pytest.skip("`make check` has not fetched TypeScript yet")
    widgets = tmp_path / "msgflux_nb" / "widgets"
    left_out = shutil.ignore_patterns("*.py", "__pycache__")
    shutil.copytree(check_pages.WIDGETS / "base", widgets / "base", ignore=left_out)
    shutil.copytree(check_pages.WIDGETS.parent / "display", widgets.parent / "display", ignore=left_out)
    (widgets / "small").mkdir()
    monkeypatch.setattr(check_pages, "WIDGETS", widgets)
    monkeypatch.setattr(check_pages, "ROOT", tmp_path)

    def faults_(page: str) -> str:
        (widgets / "small" / "small.js").write_text(page)
        return "\n".join(check_pages.faults_of_page("small/small", Small))

    return faults_


def test_a_page_that_fits_its_class_has_no_fault(faults: Callable[[str], str]) -> None:
    assert faults(SMALL) == ""


BREAKS = {
    "trait": ('get("name")', 'get("nmae")', "small/small.js(12,32): error"),
    "event": ('on("change:name"', 'on("change:nmae"', "small/small.js(8,14): error"),
    "message": ('type: "go"', 'type: "og"', "small/small.js(8,48): error"),
    "host": ("{ model: Model }} props", "{ model: Model, host: Host }} props", "Property 'host' is missing"),
    "element": ("el.textContent", "el.textContents", "small/small.js(12,8): error"),
    "icon": ("el.textContent =", 'icon("chek"); el.textContent =', "small/small.js(12,10): error"),
    "import": ("{ guarded }", "{ guardedd }", "small/small.js(3,10): error"),
    "type": ("Model, el", "Modell, el", "small/small.js(10,24): error"),
}


@pytest.mark.parametrize("what", few(BREAKS, 4))
def test_a_name_that_differs_between_page_and_class_is_a_fault(faults: Callable[[str], str], what: str) -> None:
    right, wrong, fault = BREAKS[what]
    assert fault in faults(SMALL.replace(right, wrong))
