"""A plan schema in the playground's page: the choice between one call and the plan, and its view as a panel."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from . import plan_samples as samples
from .play_page import ABOUT, PlayPage

pytestmark = pytest.mark.browser


def test_a_schema_with_a_driver_has_the_tab_plan(page: Page) -> None:
    view = PlayPage(page)
    tab = view.view.get_by_role("tab", name="plan")
    expect(tab).to_have_count(0)
    view.receive(plan_driver="self_consistency")
    view.settle()
    tab.click()
    several = view.view.get_by_role("radio", name="run the plan")
    expect(view.view.get_by_role("radio", name="one call")).to_have_attribute("aria-checked", "true")
    several.click()
    expect(several).to_have_attribute("aria-checked", "true")
    assert page.evaluate("model.get('runs_plan')") is True
    several.press("ArrowLeft")
    assert page.evaluate("model.get('runs_plan')") is False
    view.receive(plan_driver="")
    view.settle()
    expect(tab).to_have_count(0)
    assert view.errors() == []


def test_a_run_brings_its_plan_to_the_front(page: Page) -> None:
    view = PlayPage(page, plan_driver="self_consistency", runs_plan=True)
    view.deliver({"type": "running"}, {"type": "start", **ABOUT, "phase": "plan"})
    view.deliver_in("plan", *samples.told(samples.vote))
    view.settle()
    plan = view.view.get_by_role("tabpanel", name="plan").locator(".msgflux-plan")
    expect(plan.locator(".mf-blocks button")).to_have_count(17)
    expect(view.view.get_by_role("tab", name="plan")).to_have_attribute("aria-selected", "true")
    view.receive(plan_driver="")  # another schema is picked: what ran can still be looked at
    view.settle()
    expect(plan).to_be_visible()
    assert view.errors() == []
