"""Takes the pictures of docs/images again, with the embedded model: ``python -m tests.browser.screenshots``."""

from __future__ import annotations

import tempfile
from pathlib import Path

from playwright.sync_api import Browser, expect, sync_playwright

from .chromium import ARGUMENTS, find_chromium
from .lab import Lab

IMAGES = Path(__file__).parents[2] / "docs" / "images"
CELL = """import msgspec
import msgflux_nb as mf

class Person(msgspec.Struct):
    name: str
    age: int
    city: str

playground = mf.Playground(mf.Model.chat_completion(temperature=0, max_tokens=200))
playground"""


def take(lab: Lab, browser: Browser) -> None:
    """Play once: a structure in light, an answer that streams in dark, and the narrow form of it."""
    path = lab.write("playground.ipynb", [CELL])
    notebook = lab.open(browser, path, viewport={"width": 1180, "height": 740}, device_scale_factor=1.5)
    page, view = notebook.page, notebook.playground
    page.evaluate("() => window.jupyterapp.commands.execute('application:toggle-left-area')")
    notebook.run_all()
    view.get_by_role("combobox", name="schema").select_option("Person")
    view.get_by_role("textbox", name="message").fill("Maria Silva, 34, moved to Lisbon to open a bakery.")
    page.keyboard.press("Shift+Enter")
    expect(view.locator(".mf-state")).to_have_text("complete", timeout=120_000)
    page.mouse.move(5, 5)
    page.screenshot(path=IMAGES / "playground-light.png")

    notebook.theme("JupyterLab Dark")
    view.get_by_role("combobox", name="schema").select_option("text")
    view.get_by_role("textbox", name="message").fill("Why is the sea salty?")
    view.get_by_role("textbox", name="start the answer with").fill("Let's think step by step. ")
    view.get_by_role("button", name="run").click()
    page.wait_for_function("() => document.querySelector('.mf-words').textContent.length > 400", timeout=60_000)
    page.mouse.move(5, 5)
    page.screenshot(path=IMAGES / "playground-dark.png")
    view.get_by_role("button", name="stop").click()
    page.wait_for_selector(".msgflux-playground:is([data-state=stopped], [data-state=complete])")

    page.set_viewport_size({"width": 620, "height": 1000})
    view.scroll_into_view_if_needed()
    view.screenshot(path=IMAGES / "playground-narrow.png")
    notebook.shut_down_kernel()
    notebook.close()


if __name__ == "__main__":
    IMAGES.mkdir(exist_ok=True)
    lab = Lab(Path(tempfile.mkdtemp()))
    try:
        with sync_playwright() as playwright:
            chromium = playwright.chromium.launch(executable_path=find_chromium(), args=ARGUMENTS)
            take(lab, chromium)
            chromium.close()
    finally:
        lab.stop()
