"""Takes the pictures of docs/images again, with the embedded model: ``python -m tests.browser.screenshots``."""

from __future__ import annotations

import tempfile
from pathlib import Path

from playwright.sync_api import Browser, Locator, Page, expect, sync_playwright

from .chromium import ARGUMENTS, find_chromium
from .lab import Lab

IMAGES = Path(__file__).parents[2] / "docs" / "images"
BEGIN = """import msgspec
import msgflux_nb as mf

class Person(msgspec.Struct):
    name: str
    age: int
    city: str

def get_weather(city: str, unit: str = "celsius") -> str:
    '''Get the weather of a city.'''
    return f"18 degrees and sunny in {city}"

model = mf.Model.chat_completion(temperature=0, max_tokens=200)
"""
PLAYGROUND = BEGIN + "playground = mf.Playground(model)\nplayground"
BUILDER = (
    BEGIN
    + """from PIL import Image
from PIL.ImageDraw import Draw

picture = Image.new("RGB", (640, 420), "#7fb3d5")
Draw(picture).ellipse((210, 90, 430, 310), fill="#f4d03f")
sees = mf.Model.chat_completion("openai/gpt-4.1-nano", api_key="sk-...")
builder = mf.MessageBuilder(
    [
        {"role": "system", "content": "You describe pictures in {{language}}."},
        {"role": "user", "content": "What is **in** it?"},
        {"role": "assistant", "content": "A *yellow* disc on blue:\\n\\n1. the sun, or\\n2. an egg."},
    ],
    model=sees,
    variables={"language": "English"},
)
builder.attach(picture, "sun.png")
builder.draft = "And here?"
builder"""
)
PREFILL = BEGIN + 'mf.PrefillEditor(model, "Let\'s think step by step. ")'
PICKER = BEGIN + "picker = mf.SchemaPicker(model, value=Person)\npicker"
CALLS = (
    BEGIN
    + """calls = mf.ToolCallView(tools=[get_weather])
calls.run(model, "What is the weather in Paris?", tool_choice="required")
calls"""
)
NAMES = ("Maria Silva", "Carlos Ortega", "Nadia Petrova", "Ada Okoye", "Jun Mori", "Eva Lind")
PLACES = ("Lisbon", "Valencia", "Sofia", "Lagos", "Kyoto", "Malmö")
EXTRACTION = (
    BEGIN + f"names, places = {NAMES!r}, {PLACES!r}\n"
    "texts = [f'{name}, {30 + n}, lives in {city}.' for n, name in enumerate(names) for city in places]\n"
    "view = mf.ExtractionView(texts, Person, model=model, sample=12)\nview.run()\nview"
)
ALONE = {
    "extraction_view": (EXTRACTION, ".msgflux-extraction"),
    "message_builder": (BUILDER, ".msgflux-builder"),
    "prefill_editor": (PREFILL, ".msgflux-prefill"),
    "schema_picker": (PICKER, ".msgflux-picker"),
    "tool_call_view": (CALLS, ".msgflux-tool-calls"),
}


def widget(lab: Lab, browser: Browser, name: str) -> None:
    """Take one widget in light and in dark."""
    cell, selector = ALONE[name]
    path = lab.write(f"{name}.ipynb", [cell])
    notebook = lab.open(browser, path, viewport={"width": 1000, "height": 1100}, device_scale_factor=1.5)
    page = notebook.page
    page.evaluate("() => window.jupyterapp.commands.execute('application:toggle-left-area')")
    notebook.run_all()
    view = page.locator(selector)
    view.wait_for()
    notebook.theme("JupyterLab Light")  # the last one was dark
    if name == "tool_call_view":
        view.get_by_role("button", name="approve", exact=True).wait_for(timeout=60_000)
    if name == "extraction_view":
        view.get_by_role("button", name="run all 36 rows").wait_for(timeout=120_000)
    page.mouse.move(5, 5)
    page.wait_for_timeout(700)
    view.screenshot(path=IMAGES / f"{name}-light.png")
    notebook.theme("JupyterLab Dark")
    page.wait_for_timeout(300)
    view.screenshot(path=IMAGES / f"{name}-dark.png")
    notebook.shut_down_kernel()
    notebook.close()


def playground(lab: Lab, browser: Browser) -> None:
    """Play once: a structure in light, tokens and versions in dark, and the narrow form of it."""
    path = lab.write("playground.ipynb", [PLAYGROUND])
    notebook = lab.open(browser, path, viewport={"width": 1240, "height": 1000}, device_scale_factor=1.5)
    page, view = notebook.page, notebook.playground
    page.evaluate("() => window.jupyterapp.commands.execute('application:toggle-left-area')")
    notebook.run_all()
    page.locator(".msgflux-playground .mf-composer").wait_for()
    notebook.theme("JupyterLab Light")
    view.get_by_role("combobox", name="schema").first.select_option("Person")
    ask(page, view, "Maria Silva, 34, moved to Lisbon to open a bakery.")
    page.mouse.move(5, 5)
    view.screenshot(path=IMAGES / "playground-light.png")

    notebook.theme("JupyterLab Dark")
    view.get_by_role("combobox", name="schema").first.select_option("text")
    view.get_by_role("tab", name="tokens").click()
    view.get_by_role("checkbox").check()
    view.get_by_role("textbox", name="start the answer with").fill("The sea is salty because")
    ask(page, view, "Why is the sea salty?")
    view.locator(".mf-token").first.wait_for()
    view.locator(".mf-token").nth(1).click()
    page.mouse.move(5, 5)
    page.wait_for_timeout(500)
    view.screenshot(path=IMAGES / "playground-dark.png")

    page.set_viewport_size({"width": 620, "height": 1200})
    view.scroll_into_view_if_needed()
    view.screenshot(path=IMAGES / "playground-narrow.png")
    notebook.shut_down_kernel()
    notebook.close()


def ask(page: Page, view: Locator, text: str) -> None:
    """Write a message, run, and wait for the end."""
    view.get_by_role("textbox", name="message", exact=True).fill(text)
    page.keyboard.press("Shift+Enter")
    expect(view.locator(".mf-state")).not_to_have_text("ready")
    page.locator(".msgflux-playground:is([data-state=complete], [data-state=failed])").wait_for(timeout=120_000)


if __name__ == "__main__":
    IMAGES.mkdir(exist_ok=True)
    lab = Lab(Path(tempfile.mkdtemp()))
    try:
        with sync_playwright() as playwright:
            chromium = playwright.chromium.launch(executable_path=find_chromium(), args=ARGUMENTS)
            playground(lab, chromium)
            for name in ALONE:
                widget(lab, chromium, name)
            chromium.close()
    finally:
        lab.stop()
