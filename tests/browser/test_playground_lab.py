"""The playground in real JupyterLab: a person's hands, a kernel, a saved file."""

from __future__ import annotations

import base64
import io
import json
import time
from collections.abc import Callable
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient
from PIL import Image
from playwright.sync_api import Locator, Page, expect

from tests.content.pictures import to_bytes, two_halves
from tests.scripted import Server, serving, stream

from .hostile import counting, dangerous
from .lab import Lab, Notebook
from .widget_page import until

pytestmark = pytest.mark.browser

Open = Callable[..., Notebook]
PICTURE = {"name": "two halves.png", "mimeType": "image/png", "buffer": to_bytes(two_halves())}


def model_cell(server: Server, *modalities: str) -> str:
    profile = {"modalities": list(modalities or ("text",)), "prefill": "continue", "echo_stream": False}
    return (
        "import msgflux_nb as mf\n"
        f"model = mf.Model.chat_completion('scripted/one', base_url={server.url!r}, profile={profile!r})"
    )


def message(view: Locator) -> Locator:
    return view.get_by_role("textbox", name="message")


def run(view: Locator, text: str) -> None:
    message(view).fill(text)
    view.get_by_role("button", name="run").click()


def words(view: Locator) -> str:
    return view.locator(".mf-words").inner_text()


def growing(view: Locator, *, states: int) -> list[str]:
    """Watch the answer until it was seen in so many different states."""
    seen = [""]
    end = time.monotonic() + 10
    while len(seen) <= states:
        assert time.monotonic() < end, f"the answer was seen in {len(seen)} states only"
        if (now := words(view)) != seen[-1]:
            assert now.startswith(seen[-1])
            seen.append(now)
    return seen[1:]


def visible_outputs(page: Page) -> list[str]:
    """The text of each output that is shown."""
    found: list[str] = page.evaluate(
        """() => [...document.querySelectorAll(".jp-OutputArea-child")]
          .filter((node) => getComputedStyle(node).display !== "none" && node.getBoundingClientRect().height > 0)
          .map((node) => node.querySelector(".jp-OutputArea-output").innerText.trim())"""
    )
    return found


# Hands


def test_an_answer_streams_stops_within_a_second_and_survives_a_reload(
    open_notebook: Open, image_server: Server
) -> None:
    notebook = open_notebook([model_cell(image_server), "playground = mf.Playground(model)\nplayground"])
    notebook.run_all()
    view = notebook.playground
    run(view, "Count")
    assert len(growing(view, states=5)) == 5

    notebook.save()
    notebook.reload()  # in mid-stream: the page asks for what it missed, and goes on
    view = notebook.playground
    assert growing(view, states=3)[0].startswith("word0 word1 ")
    began = time.monotonic()
    view.get_by_role("button", name="stop").click()
    expect(view.locator(".mf-state")).to_have_text("stopped")
    assert time.monotonic() - began < 1
    partial = words(view)
    assert partial.startswith("word0 word1 word2 ")
    notebook.page.wait_for_timeout(300)
    assert words(view) == partial
    assert image_server.left.wait(2)
    expect(view.locator(".mf-note")).to_contain_text("the saved notebook keeps an older run")


def test_a_cell_that_is_busy_does_not_hold_up_the_answer(open_notebook: Open, image_server: Server) -> None:
    notebook = open_notebook(
        [model_cell(image_server), "playground = mf.Playground(model, prompt='Count')\nplayground"]
    )
    notebook.run_all()
    notebook.page.evaluate(
        "() => { window.jupyterapp.shell.currentWidget.sessionContext.session.kernel.requestExecute({ code: "
        "'playground.run()\\nimport time; time.sleep(2)' }); }"
    )
    assert len(growing(notebook.playground, states=5)) == 5
    assert (
        notebook.page.evaluate("window.jupyterapp.shell.currentWidget.sessionContext.session.kernel.status") == "busy"
    )


def test_an_image_is_refused_by_a_model_of_text_and_its_pixels_reach_one_that_sees(
    open_notebook: Open, image_server: Server
) -> None:
    cells = [model_cell(image_server, "text"), "text = mf.Playground(model)\ntext"]
    cells += [model_cell(image_server, "text", "image"), "vision = mf.Playground(model)\nvision"]
    notebook = open_notebook(cells)
    notebook.run_all()
    blind, seeing = notebook.page.locator(".msgflux-playground").all()

    blind.locator("input[type=file]").set_input_files([PICTURE])
    expect(blind.get_by_role("alert")).to_contain_text("scripted/one takes text only")
    expect(blind.get_by_role("alert")).to_contain_text("vision models, such as")
    run(blind, "What is this?")
    expect(blind.locator(".mf-error")).to_contain_text("MediaError")
    assert image_server.bodies == []
    blind.get_by_role("button", name="remove two halves.png").click()
    expect(blind.locator(".mf-notice")).to_be_hidden()
    blind.get_by_role("button", name="run").click()
    growing(blind, states=2)
    blind.get_by_role("button", name="stop").click()
    assert image_server.bodies[0]["messages"] == [{"role": "user", "content": "What is this?"}]

    seeing.locator("input[type=file]").set_input_files([PICTURE])
    expect(seeing.locator(".mf-image")).to_contain_text("40 × 20 px")
    expect(seeing.locator(".mf-notice")).to_be_hidden()
    run(seeing, "What is this?")
    until(lambda: len(image_server.bodies) == 2, what="the request")
    _, part = image_server.bodies[1]["messages"][0]["content"]
    with Image.open(io.BytesIO(base64.b64decode(part["image_url"]["url"].partition(",")[2]))) as sent:
        assert sent.convert("RGB").tobytes() == two_halves().tobytes()
    seeing.get_by_role("button", name="stop").click()
    expect(seeing.locator(".mf-state")).to_have_text("stopped")


def test_keys_and_paste_stay_in_the_widget(open_notebook: Open, image_server: Server) -> None:
    notebook = open_notebook([model_cell(image_server), "playground = mf.Playground(model)\nplayground", "ran = True"])
    notebook.run_cell(0)
    notebook.run_cell(1)
    view = notebook.playground
    cells = notebook.page.locator(".jp-Notebook .jp-Cell")
    # Each of these letters is a command of the notebook: cut, delete, add above and below, interrupt, restart.
    message(view).press_sequentially("xddabii00")
    assert message(view).input_value() == "xddabii00"
    notebook.page.evaluate("() => navigator.clipboard?.writeText('pasted').catch(() => {})")
    message(view).evaluate(
        """(field) => {
          const clipboardData = new DataTransfer();
          clipboardData.setData("text/plain", "pasted");
          field.dispatchEvent(new ClipboardEvent("paste", { bubbles: true, cancelable: true, clipboardData }));
        }"""
    )
    notebook.page.keyboard.press("Shift+Enter")
    growing(view, states=2)
    notebook.page.keyboard.press("Escape")
    expect(view.locator(".mf-state")).to_have_text("stopped")
    expect(cells).to_have_count(3)
    assert [cell["execution_count"] for cell in notebook.save()["cells"]] == [1, 2, None]
    expect(message(view)).to_be_focused()


def test_structures_of_the_notebook_can_be_picked_and_become_a_table(open_notebook: Open) -> None:
    with serving(stream('{"name": "Maria', 0.2, ' Silva", "age": 34}')) as server:
        cells = [
            model_cell(server),
            "playground = mf.Playground(model)\nplayground",
            "import msgspec\nclass Person(msgspec.Struct):\n    name: str\n    age: int | None",
            "playground.to_frame()",
        ]
        notebook = open_notebook(cells)
        for index in range(3):
            notebook.run_cell(index)
        view = notebook.playground
        picker = view.get_by_role("combobox", name="schema")
        picker.hover()  # Person was defined after the playground was shown
        expect(picker.locator("option", has_text="Person")).to_have_count(1)
        picker.select_option("Person")
        expect(view.locator(".mf-structure tr")).to_have_text(["name–○ str", "age–○ int | None"])
        run(view, "Maria Silva is 34.")
        expect(view.locator(".mf-structure tr")).to_have_text(["nameMaria Silva✓ str", "age34✓ int | None"])
        notebook.run_cell(3)
        assert "Maria Silva" in notebook.outputs()[-1]["data"]["text/plain"]


# What stays


@pytest.fixture
def saved(open_notebook: Open) -> Any:
    """A notebook with two playgrounds, one of them shown twice, run by hand and saved."""
    with serving(stream("The first ", 0.05, "answer."), stream("Another answer.")) as server:
        cells = [
            model_cell(server),
            "one = mf.Playground(model, prefilling='Well: ')\ntwo = mf.Playground(model)\nprint('mine')\none",
            "display(two)\ndisplay(one)\nprint('also mine')",
        ]
        notebook = open_notebook(cells)
        notebook.run_all()
        first, second, again = notebook.page.locator(".msgflux-playground").all()
        run(first, "One?")
        expect(again.locator(".mf-words")).to_have_text("Well: The first answer.")
        expect(first.locator(".mf-state")).to_have_text("complete")
        run(second, "Two?")
        expect(second.locator(".mf-state")).to_have_text("complete")
        # Each live view hides its own twin, and nothing else.
        shown = visible_outputs(notebook.page)
        assert [text.split("\n")[0] for text in shown] == [
            "mine",
            "scripted/one",
            "scripted/one",
            "scripted/one",
            "also mine",
        ]
        file = notebook.save()
        notebook.shut_down_kernel()
        notebook.close()
        return notebook.path, file


def test_the_file_keeps_the_last_state_and_reopened_it_is_shown_without_a_kernel(
    saved: Any, open_notebook: Open
) -> None:
    path, file = saved
    texts = [
        "".join(output["data"]["text/plain"])
        for cell in file["cells"]
        for output in cell["outputs"]
        if "data" in output
    ]
    one = (
        "Playground · scripted/one · complete\nuser: One?\nassistant: Well: The first answer.\n– tokens · – cost · stop"
    )
    two = "Playground · scripted/one · complete\nuser: Two?\nassistant: Another answer.\n– tokens · – cost · stop"
    live = "Playground('scripted/one', idle)"
    assert texts == [live, one, live, two, live, one]
    assert "widgets" not in file["metadata"]

    def shown(notebook: Notebook) -> list[str]:
        return [text for text in visible_outputs(notebook.page) if text]

    def expected() -> list[str]:
        return [
            "mine",
            "One? Well: The first answer.",
            "Two? Another answer.",
            "One? Well: The first answer.",
            "also mine",
        ]

    def agrees(notebook: Notebook) -> bool:
        texts = shown(notebook)
        return len(texts) == 5 and all(
            all(part in text for part in wanted.split(" ")) for text, wanted in zip(texts, expected(), strict=True)
        )

    trusted = open_notebook(path)
    until(lambda: agrees(trusted), seconds=10, what="the twins in a trusted notebook")
    expect(trusted.page.locator("mark").first).to_have_text("Well: ")
    trusted.wait_for_kernel()
    trusted.page.wait_for_timeout(500)  # the dead view says "model not found" only now
    assert agrees(trusted), shown(trusted)
    trusted.shut_down_kernel()
    trusted.close()

    changed = json.loads(path.read_text())
    changed["cells"][0]["source"] = "# written by somebody else"
    path.write_text(json.dumps(changed))
    untrusted = open_notebook(path)
    assert not untrusted.page.evaluate("window.jupyterapp.shell.currentWidget.content.model.cells.get(1).trusted")
    until(lambda: agrees(untrusted), seconds=10, what="the twins in an untrusted notebook")
    expect(untrusted.page.locator("mark").first).to_have_text("Well: ")
    assert untrusted.page.locator(".msgflux-twin style").count() == 0


def test_a_headless_run_keeps_the_last_state_too(lab: Lab) -> None:
    with serving(stream("A headless ", 0.05, "answer.")) as server:
        cells = [
            model_cell(server),
            "playground = mf.Playground(model, prompt='Hi')\nplayground",
            "playground.run(wait=True)",
        ]
        path = lab.write("headless.ipynb", cells)
        notebook = nbformat.read(path, 4)
        NotebookClient(notebook, timeout=60).execute()
    live, twin = notebook.cells[1].outputs
    assert live["data"]["text/plain"] == "Playground('scripted/one', idle)"
    assert twin["data"]["text/plain"].startswith(
        "Playground · scripted/one · complete\nuser: Hi\nassistant: A headless answer."
    )
    assert "A headless answer." in twin["data"]["text/html"]


def test_dangerous_text_is_text_in_the_live_view_and_in_the_twin(open_notebook: Open) -> None:
    with counting() as (port, paths):
        text = "\n".join(dangerous(port))
        with serving(stream(text)) as server:
            cells = [
                model_cell(server, "text", "image"),
                f"text = {text!r}\nplayground = mf.Playground(model, prompt=text, prefilling=text, system_prompt=text)",
                "from PIL import Image\nplayground.attach(Image.new('RGB', (4, 4)), name=text)\nplayground",
                "playground.run(wait=True)",
            ]
            notebook = open_notebook(cells)
            notebook.run_all()
            expect(notebook.playground.locator(".mf-state")).to_have_text("complete")
            assert words(notebook.playground) == text + text
            notebook.save()
            notebook.shut_down_kernel()
            notebook.close()
        reopened = open_notebook(notebook.path)
        twin = reopened.page.locator(".msgflux-twin")
        expect(twin).to_be_visible()
        assert text in twin.inner_text()
        assert reopened.page.locator(".msgflux-twin :is(script, a, img, button, svg, mjx-container)").count() == 0
        reopened.page.wait_for_timeout(500)
        assert paths == []
        assert notebook.dialogs == reopened.dialogs == []
