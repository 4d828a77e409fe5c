"""The playground in real JupyterLab: a person's clicks and keys, a kernel, a saved file."""

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
from tests.moments import quickly
from tests.scripted import Reply, Server, chunk, serving, stream

from .lab import Lab, Notebook
from .play_page import add_from, answer_as, start_with
from .widget_page import until

pytestmark = pytest.mark.browser

Open = Callable[..., Notebook]
PICTURE = {"name": "two halves.png", "mimeType": "image/png", "buffer": to_bytes(two_halves())}
# The answer that arrives, or the last one that is a turn; null before the first.
_WORDS = """(view) => {
  const [arriving] = view.querySelectorAll(".mf-answers > .mf-turn:not([hidden])");
  const turn = arriving ?? [...view.querySelectorAll(".mf-turns > .mf-turn[data-role=assistant]")].at(-1);
  return turn?.querySelector(".mf-words").innerText.trim() ?? "";
}"""


def model_cell(server: Server, *modalities: str) -> str:
    profile = {"modalities": list(modalities or ("text",)), "prefill": "continue", "echo": False, "echo_stream": False}
    return (
        "import msgflux_nb as mf\n"
        f"model = mf.Model.chat_completion('scripted/one', base_url={server.url!r}, profile={profile!r})"
    )


def message(view: Locator) -> Locator:
    return view.get_by_role("textbox", name="message", exact=True)


def button(view: Locator, name: str) -> Locator:
    named = {"run": "Run", "stop": "Stop", "code": "copy as code that asks the same"}
    return view.get_by_role("button", name=named[name], exact=True)


def run(view: Locator, text: str) -> None:
    message(view).fill(text)
    button(view, "run").click()


def state(view: Locator) -> Locator:
    return view.locator("> .mf-bottom .mf-state")


def words(view: Locator) -> str:
    """Return the words of the last answer, while it arrives and afterwards."""
    return str(view.evaluate(_WORDS))


def growing(view: Locator, *, states: int) -> list[str]:
    """Watch the answer until it had so many different states."""
    seen = [""]
    end = time.monotonic() + 20
    while len(seen) <= states:
        assert time.monotonic() < end, f"the answer was seen in {len(seen)} states only"
        if (now := words(view)) != seen[-1]:
            assert now.startswith(seen[-1])
            seen.append(now)
    return seen[1:]


def visible_outputs(page: Page) -> list[str]:
    """Return the text of each visible output."""
    found: list[str] = page.evaluate(
        """() => [...document.querySelectorAll(".jp-OutputArea-child")]
          .filter((node) => getComputedStyle(node).display !== "none" && node.getBoundingClientRect().height > 0)
          .map((node) => node.querySelector(".jp-OutputArea-output").innerText.trim())"""
    )
    return found


# Hands

TOOLS = """import msgspec

class Person(msgspec.Struct):
    name: str
    age: int

def find_age(name: str, city: str = "") -> int:
    '''Look an age up.'''
    return 34

playground = mf.Playground(model, system_prompt="You are brief.", tools=[find_age])
playground"""
ARGUMENTS = ['{"na', 'me": "Maria', ' Silva", "ci', 'ty": "Lisbon"}']


def calling() -> Reply:
    """Return a call in pieces."""
    opening = {"index": 0, "id": "call_7f", "type": "function", "function": {"name": "find_age", "arguments": ""}}
    wire: list[bytes | float] = [chunk(tool_calls=[opening])]
    for piece in ARGUMENTS:
        wire += [0.1, chunk(tool_calls=[{"index": 0, "function": {"arguments": piece}}])]
    return stream(*wire, chunk(reason="tool_calls"), b"data: [DONE]\n\n", done=False)


def test_the_full_path_from_an_image_to_code_that_gives_the_same_messages(open_notebook: Open) -> None:
    answer = stream('{"name": "Maria', 0.2, ' Silva", ', 0.2, '"age": 34}')
    with serving(calling(), answer, calling(), answer) as server:
        check = "print(messages == playground.messages, response.consume() == playground.value, playground.value)"
        cells = [model_cell(server, "text", "image"), TOOLS, "", check + "\nplayground.to_frame()"]
        notebook = open_notebook(cells)
        page, view = notebook.page, notebook.playground
        page.context.grant_permissions(["clipboard-read", "clipboard-write"])
        notebook.run_cell(0)
        notebook.run_cell(1)

        with page.expect_file_chooser() as chooser:
            add_from(view, "Picture …")
        chooser.value.set_files([PICTURE])
        expect(view.locator(".mf-composer .mf-part .mf-name")).to_have_text(["two halves.png"])
        answer_as(view, "Person")
        start_with(view, "{")
        message(view).fill("Who is this?")
        message(view).press("Shift+Enter")

        # The call is watched, and waits.
        view.get_by_role("tab", name="tools").click()
        lane = view.locator(".mf-lane")
        expect(lane).to_contain_text("find_age", timeout=20_000)
        expect(lane.locator(".mf-raw-text")).to_have_text("".join(ARGUMENTS))
        expect(message(view)).to_have_value("")
        assert len(server.bodies) == 1
        view.get_by_role("button", name="Approve", exact=True).click()
        expect(lane.locator(".mf-outcome")).to_contain_text("34")

        # The answer is a turn, and a table.
        expect(state(view)).to_have_text("complete", timeout=20_000)
        view.get_by_role("tab", name="structure").click()
        table = view.locator(".mf-side .mf-table")
        expect(table).to_contain_text("Maria Silva")
        expect(table).to_contain_text("34")
        roles = "(all) => all.map((turn) => turn.dataset.role)"
        expect(view.locator(".mf-turns > .mf-turn")).to_have_count(5)
        assert view.locator(".mf-turns > .mf-turn").evaluate_all(roles) == [
            *["system", "user", "assistant", "tool", "assistant"]
        ]
        first, second = (body["messages"] for body in server.bodies)
        assert first[-1] == {"role": "assistant", "content": "{"}
        with Image.open(io.BytesIO(base64.b64decode(_picture(first).partition(",")[2]))) as sent:
            assert sent.convert("RGB").tobytes() == two_halves().tobytes()
        assert [(one["role"], one["content"]) for one in second if one["role"] == "tool"] == [("tool", "34")]

        # The code, in the next cell.
        button(view, "code").click()
        expect(view.locator(".mf-side .mf-copy:visible")).to_have_text("copied")
        code = page.evaluate("navigator.clipboard.readText()")
        assert "playground.media[" in code
        assert "mf.run_tools(model, messages, tools=[find_age], prefilling='{', generation_schema=Person)" in code
        source = (
            "(code) => window.jupyterapp.shell.currentWidget.content.model.cells.get(2).sharedModel.setSource(code)"
        )
        page.evaluate(source, code)
        notebook.run_cell(2)
        notebook.run_cell(3)
        printed = "".join(output["text"] for output in notebook.outputs() if output["output_type"] == "stream")
        assert printed == "True True Person(name='Maria Silva', age=34)\n"
        asked = [{name: body[name] for name in body if not name.startswith("stream")} for body in server.bodies]
        assert asked[2:] == asked[:2]
        assert "Maria Silva" in notebook.outputs()[-1]["data"]["text/plain"]
        assert notebook.dialogs == []


def _picture(messages: list[dict[str, Any]]) -> str:
    parts = next(one["content"] for one in messages if one["role"] == "user")
    return next(str(part["image_url"]["url"]) for part in parts if part["type"] == "image_url")


def test_an_answer_survives_a_reload_in_mid_stream_and_is_stopped(open_notebook: Open, image_server: Server) -> None:
    notebook = open_notebook([model_cell(image_server), "playground = mf.Playground(model)\nplayground"])
    notebook.run_all()
    view = notebook.playground
    run(view, "Count")
    assert len(growing(view, states=5)) == 5

    notebook.save()
    notebook.reload()  # the page asks for what it missed, and goes on
    view = notebook.playground
    expect(message(view)).to_be_visible()
    assert growing(view, states=3)[0].startswith("word0 word1 ")
    with quickly():
        button(view, "stop").click()
        expect(state(view)).to_have_text("stopped")
    expect(view.locator(".mf-turns > .mf-turn")).to_have_count(2)
    partial = words(view)
    assert partial.startswith("word0 word1 word2 ")
    notebook.page.wait_for_timeout(300)
    assert words(view) == partial
    assert image_server.left.wait(5)
    expect(view.locator("> .mf-bottom .mf-aside-note")).to_contain_text("the saved notebook keeps an older state")


def test_keys_and_paste_stay_in_the_widget(open_notebook: Open, image_server: Server) -> None:
    notebook = open_notebook([model_cell(image_server), "playground = mf.Playground(model)\nplayground", "ran = True"])
    notebook.run_cell(0)
    notebook.run_cell(1)
    view = notebook.playground
    cells = notebook.page.locator(".jp-Notebook .jp-Cell")
    # Each of these letters is a command of the notebook: cut, delete, add above and below, interrupt, restart.
    message(view).press_sequentially("xddabii00")
    assert message(view).input_value() == "xddabii00"
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
    expect(state(view)).to_have_text("stopped")
    expect(cells).to_have_count(3)
    assert [cell["execution_count"] for cell in notebook.save()["cells"]] == [1, 2, None]
    expect(message(view)).to_be_focused()


def test_a_restarted_kernel_is_reported_and_the_playground_stays_as_it_was(
    open_notebook: Open, image_server: Server
) -> None:
    notebook = open_notebook([model_cell(image_server), "playground = mf.Playground(model)\nplayground"])
    notebook.run_all()
    view = notebook.playground
    run(view, "Count")
    growing(view, states=3)
    notebook.page.evaluate("window.jupyterapp.shell.currentWidget.sessionContext.session.kernel.restart()")
    expect(view.get_by_role("alert").filter(has_text="run this cell again")).to_be_visible(timeout=20_000)
    expect(state(view)).to_have_text("no kernel")
    expect(button(view, "run")).to_be_disabled()
    assert "word0 word1" in view.inner_text()
    assert view.get_by_text("An error occurred in this view").count() == 0


# What stays


@pytest.fixture
def saved(open_notebook: Open) -> Any:
    """A notebook with two playgrounds, one of them shown twice, run by clicks and saved."""
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
        until(lambda: words(again) == "Well: The first answer.", seconds=20, what="the answer in the second view")
        expect(state(first)).to_have_text("complete")
        run(second, "Two?")
        expect(state(second)).to_have_text("complete")
        # Each live view hides its own twin, and nothing else.
        shown = visible_outputs(notebook.page)
        assert [text.split("\n")[0] for text in shown] == [
            "mine",
            "scripted/one",
            "scripted/one",
            "scripted/one",
            "also mine",
        ]
        twins = notebook.page.locator(".msgflux-twin")
        until(lambda: ["complete" in text for text in twins.all_text_contents()] == [True] * 3, what="the last twins")
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
