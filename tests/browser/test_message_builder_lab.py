"""The message builder in real JupyterLab: a person's clicks and keys, a kernel, a saved file."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable

import pytest
from playwright.sync_api import Locator, expect

from tests.content.pictures import to_bytes, two_halves
from tests.content.sounds import pdf

from .hands import hand
from .lab import Notebook
from .play_page import add_from

pytestmark = pytest.mark.browser

Open = Callable[..., Notebook]

HOSTILE = "<img src=x onerror=alert(1)>"
CELLS = [
    "import base64, hashlib\n"
    "import numpy as np\n"
    "import msgflux_nb as mf\n"
    "noise = np.full((16, 24), 200, 'uint8')\n"
    "builder = mf.MessageBuilder([mf.ChatBlock.system('Answer in {{language}}.')])\n"
    "builder",
    "for part in builder.messages[-1]['content']:\n"
    "    url = part.get('image_url', {}).get('url') or part.get('file', {}).get('file_data', '')\n"
    "    print(part.get('text') or hashlib.sha256(base64.b64decode(url.partition(',')[2])).hexdigest())\n"
    "print(builder.messages[0]['content'], builder)",
    f"builder.messages = [mf.ChatBlock.user({HOSTILE!r}, media=[mf.ChatBlock.image(noise)])]",
]


def names(view: Locator) -> Locator:
    return view.locator(".mf-composer .mf-part .mf-name")


def printed(notebook: Notebook) -> list[str]:
    texts = [output["text"] for output in notebook.outputs() if output["output_type"] == "stream"]
    return "".join("".join(text) for text in texts).splitlines()


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def test_every_way_in_delivers_the_same_bytes_and_the_saved_notebook_keeps_the_messages(open_notebook: Open) -> None:
    notebook = open_notebook(CELLS)
    notebook.run_cell(0)
    page = notebook.page
    view = page.locator(".msgflux-builder").first
    data = to_bytes(two_halves())

    with page.expect_file_chooser() as chooser:
        add_from(view, "Picture …")
    chooser.value.set_files({"name": "chosen.png", "mimeType": "image/png", "buffer": data})
    expect(names(view)).to_have_text(["chosen.png"])
    hand(page, "paste", "pasted.png", data, "image/png", ".mf-composer .mf-prompt")
    expect(names(view)).to_have_text(["chosen.png", "pasted.png"])
    hand(page, "drop", "dropped.png", data, "image/png", ".mf-composer")
    expect(names(view)).to_have_text(["chosen.png", "pasted.png", "dropped.png"])
    expect(view.locator(".mf-composer img")).to_have_count(3)
    # More than the 10 MiB that JupyterLab takes in one message.
    large = pdf() + b"\n%" + random.Random(1).randbytes(11_500_000).translate(None, b"\r\n") + b"\n%%EOF\n"
    path = notebook.path.with_name("large.pdf")
    path.write_bytes(large)
    view.get_by_label("PDF files", exact=True).set_input_files(path)
    expect(view.locator(".mf-composer .mf-part").nth(3)).to_contain_text("PDF, 11,4", timeout=60_000)

    view.get_by_role("textbox", name="message").press_sequentially("What is this?")
    view.get_by_role("textbox", name="value of language").press_sequentially("Latin")
    page.keyboard.press("Tab")
    view.get_by_role("textbox", name="message").press("Control+Enter")
    expect(view.locator(".mf-turn")).to_have_count(2)
    expect(view.locator(".mf-turn img")).to_have_count(3)
    expect(view.get_by_role("textbox", name="message")).to_have_value("")
    notebook.run_cell(1)
    end = "Answer in Latin. MessageBuilder(2 turns)"
    assert printed(notebook) == ["What is this?", *map(digest, [data, data, data, large]), end]
    assert page.evaluate("window.jupyterapp.shell.currentWidget.content.widgets.length") == len(CELLS)

    twin = notebook.save(showing="user: What is this?")["cells"][0]["outputs"][1]["data"]
    text = "".join(twin["text/plain"])
    assert text.splitlines()[:2] == ["system: Answer in {{language}}.", "user: What is this?"]
    assert text.count(".png, 40 × 20 px") == 3
    assert "[file: large.pdf, PDF, 11,4" in text
    assert "data:" not in str(notebook.save()["cells"][0]["outputs"])

    notebook.run_cell(2)
    expect(view.locator(".mf-turn .mf-text")).to_have_text(HOSTILE)
    add_from(view, "Variable of the notebook")
    view.get_by_role("button", name="noise").click()
    expect(names(view)).to_have_text(["noise"])
    view.get_by_role("button", name="undo").click()
    expect(view.locator(".mf-turn")).to_have_count(2)
    saved = notebook.save(showing="user: What is this?")["cells"][0]["outputs"][1]["data"]
    assert "user: What is this?" in "".join(saved["text/plain"])
    assert notebook.dialogs == []


def test_formulas_are_drawn_by_jupyterlabs_mathjax_and_prices_are_not(open_notebook: Open) -> None:
    words = r"Between $5 and $6: \(x^2\), \[\mathbb{E}[X]\] and \(\href{https://example.com}{no}\)."
    cell = f"import msgflux_nb as mf\nmf.MessageBuilder([{{'role': 'assistant', 'content': {words!r}}}])"
    notebook = open_notebook([cell])
    notebook.run_cell(0)
    shown = notebook.page.locator(".msgflux-builder .mf-words").first
    expect(shown.locator(".mathjax_process > mjx-container")).to_have_count(2)
    expect(shown.locator("mjx-container")).to_have_count(2)
    expect(shown).to_contain_text("Between $5 and $6")
    expect(shown).to_contain_text(r"\href{https://example.com}{no}")
    expect(shown.locator("mjx-container a")).to_have_count(0)
