"""Runs axe-core in a page and returns its serious findings in words."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import Page

from scripts.check_pages import FOLDER

_AXE = FOLDER / "node_modules" / "axe-core" / "axe.min.js"
_RUN = """async (selector) => {
  const found = await axe.run(selector, { resultTypes: ["violations"] });
  const of = (nodes) => nodes.map(({ html }) => html.slice(0, 160));
  return found.violations.map(({ id, impact, nodes }) => ({ id, impact, nodes: of(nodes) }));
}"""


def serious(page: Page, selector: str) -> list[str]:
    """Return the serious and critical findings of axe-core below a selector: the rule and the place."""
    if not _AXE.exists():
        pytest.fail(f"there is no {_AXE}: `make test` fetches it from npm", pytrace=False)
    if not page.evaluate("typeof axe === 'object'"):
        page.add_script_tag(path=_AXE)
    # What fades in is measured when it has.
    page.evaluate(
        "() => Promise.race([new Promise((done) => setTimeout(done, 1000)),"
        " Promise.allSettled(document.getAnimations().map((one) => one.finished))])"
    )
    found: list[dict[str, Any]] = page.evaluate(_RUN, selector)
    return [f"{one['id']}: {one['nodes']}" for one in found if one["impact"] in ("serious", "critical")]
