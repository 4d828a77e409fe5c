"""A saved notebook shows every widget's last state: in its text, in nbconvert's page, in viewers without widgets."""

from __future__ import annotations

from collections.abc import Iterator
from html.parser import HTMLParser
from typing import Any, NamedTuple

import nbformat
import nh3
import pytest
from nbclient import NotebookClient
from nbconvert import HTMLExporter, MarkdownExporter
from playwright.sync_api import Browser, Route

from tests.scripted import serving, stream

pytestmark = pytest.mark.browser

HOSTILE = "<img src=x onerror=alert(1)></pre></script><b>$1$"
SETUP = """import msgspec
import msgflux_nb as mf
text = {text!r}

class Person(msgspec.Struct):
    name: str
    age: int = 0

def add(a: int, b: int = 1) -> int:
    "Add."
    return a + b

model = mf.Model.chat_completion('scripted/one', base_url={url!r}, max_retries=0, profile={{'prefill': 'continue'}})
"""


class Case(NamedTuple):
    """A widget that is shown by one cell and changed by a later one.

    Attributes:
        shown: the cell that displays it.
        changed: the cell that changes it.
        words: the words of its last state that every viewer shows.
    """

    shown: str
    changed: str
    words: tuple[str, ...]


CASES = {
    "MessageBuilder": Case(
        "builder = mf.MessageBuilder([{'role': 'system', 'content': 'Be brief.'}])\nbuilder",
        "builder.add('Greet ' + text)\nbuilder.add({'role': 'assistant', 'content': 'Good morning.'})",
        ("Be brief.", f"Greet {HOSTILE}", "Good morning."),
    ),
    "PrefillEditor": Case(
        "editor = mf.PrefillEditor(model, 'Once')\neditor",
        "editor.value = 'Twice ' + text",
        (f"Twice {HOSTILE}", "goes on from here"),
    ),
    "SchemaPicker": Case(
        "picker = mf.SchemaPicker(model, schemas=[Person])\npicker", "picker.schema = 'Person'", ("name", "age", "int")
    ),
    "ToolCallView": Case(
        "view = mf.ToolCallView(tools=[add])\nview",
        "from msgflux_nb.protocol.events import ToolCallDelta\n"
        "view.add(ToolCallDelta(0, 'call_7', 'add', '{\"a\": 17, '))\n"
        "view.add(ToolCallDelta(0, None, None, '\"b\": 25}'))\nview.result(view.value[0], 'it is ' + text)\nview.end()",
        ("add", "17", "25", f"it is {HOSTILE}"),
    ),
    "Playground": Case(
        "playground = mf.Playground(model, prompt='Say ' + text)\nplayground",
        "playground.run(wait=True)",
        (f"Say {HOSTILE}", "The answer is green."),
    ),
}


def execute(url: str) -> nbformat.NotebookNode:
    """Run the notebook without a browser, as a program would."""
    cells = [SETUP.format(text=HOSTILE, url=url), *(case.shown for case in CASES.values())]
    cells += [case.changed for case in CASES.values()]
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3"}
    NotebookClient(notebook, timeout=60, store_widget_state=False).execute()  # as JupyterLab saves it
    return notebook


@pytest.fixture(scope="module")
def runs() -> tuple[nbformat.NotebookNode, nbformat.NotebookNode]:
    """The same notebook, run twice."""
    with serving(stream("The answer ", 0.05, "is green.")) as server:
        first, second = (execute(server.url) for _ in range(2))
    return first, second


@pytest.fixture(scope="module")
def saved(runs: Any) -> nbformat.NotebookNode:
    """The notebook, read again from its file."""
    text = nbformat.writes(runs[0])
    notebook = nbformat.reads(text, as_version=4)
    nbformat.validate(notebook)
    return notebook


def outputs(notebook: nbformat.NotebookNode, name: str) -> list[Any]:
    found: list[Any] = notebook.cells[1 + list(CASES).index(name)].outputs
    return found


def twin(notebook: nbformat.NotebookNode, name: str) -> Any:
    return outputs(notebook, name)[-1]["data"]


class Reader(HTMLParser):
    """Collects the tags and the text of some HTML."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.handlers: list[str] = []
        self.text = ""
        self._unread = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.tags.add(tag)
        self.handlers += [name for name, _ in attrs if name.startswith("on")]
        if tag in ("style", "script"):
            self._unread = tag

    def handle_endtag(self, tag: str) -> None:
        if tag == self._unread:
            self._unread = ""

    def handle_data(self, data: str) -> None:
        self.text += "" if self._unread else data


@pytest.mark.parametrize("name", CASES)
def test_a_widget_is_two_outputs_and_keeps_its_last_state(saved: nbformat.NotebookNode, name: str) -> None:
    live, last = outputs(saved, name)
    assert live["data"]["text/plain"].startswith(f"{name}(")
    assert "text/html" in last["data"]
    for words in CASES[name].words:
        assert words in last["data"]["text/plain"]
        assert words in Reader(last["data"]["text/html"]).text


@pytest.mark.parametrize("name", CASES)
def test_the_text_is_the_same_whenever_it_is_run(runs: Any, name: str) -> None:
    first, second = (twin(notebook, name)["text/plain"] for notebook in runs)
    assert first == second
    assert "0x" not in first


@pytest.mark.parametrize("name", CASES)
def test_the_html_holds_no_markup_of_the_content(saved: nbformat.NotebookNode, name: str) -> None:
    html = twin(saved, name)["text/html"]
    seen = Reader(html)
    ours = {"div", "span", "small", "pre", "mark", "b", "style", "table", "tbody", "thead", "tr", "td", "th", "code"}
    ours |= {"p", "details", "summary", "ul", "li", "script", "svg", "path"}
    assert seen.tags <= ours
    assert seen.handlers == []
    assert "<img" not in html
    assert html.count("</script>") == html.count("<script")


@pytest.mark.parametrize("name", CASES)
def test_a_viewer_that_takes_styles_and_scripts_away_shows_it(saved: nbformat.NotebookNode, name: str) -> None:
    shown = nh3.clean(twin(saved, name)["text/html"])
    assert not Reader(shown).tags & {"style", "script"}
    for words in CASES[name].words:
        assert words in Reader(shown).text


def test_as_markdown_it_is_there_too(saved: nbformat.NotebookNode) -> None:
    text, _ = MarkdownExporter().from_notebook_node(saved)
    seen = Reader(text).text
    for case in CASES.values():
        for words in case.words:
            assert words in seen or words in text


@pytest.fixture(scope="module")
def converted(saved: nbformat.NotebookNode, browser: Browser) -> Iterator[Any]:
    """nbconvert's page in Chromium, without a network."""
    html, _ = HTMLExporter().from_notebook_node(saved)
    context = browser.new_context(viewport={"width": 1000, "height": 1400})
    page = context.new_page()
    told: dict[str, list[str]] = {"dialogs": [], "asked": []}
    page.on("dialog", lambda dialog: (told["dialogs"].append(dialog.message), dialog.dismiss()))

    def route(route: Route) -> None:
        if route.request.url == "http://saved.test/":
            route.fulfill(body=html, content_type="text/html")
        else:
            told["asked"].append(route.request.url)
            route.abort()

    page.route("**/*", route)
    page.goto("http://saved.test/")
    page.wait_for_timeout(500)
    yield page, told
    context.close()


def test_nbconvert_shows_every_widget(converted: Any) -> None:
    page, _ = converted
    twins = page.locator(".msgflux-twin")
    assert twins.count() == len(CASES)
    for place, (name, case) in enumerate(CASES.items()):
        text = twins.nth(place).inner_text()
        for words in case.words:
            assert words in text, (name, words, text)


def test_the_page_of_nbconvert_loads_nothing_of_ours_and_opens_no_dialog(converted: Any) -> None:
    page, told = converted
    own = ("https://cdnjs.cloudflare.com/", "https://cdn.jsdelivr.net/", "https://unpkg.com/")  # nbconvert's own
    assert [url for url in told["asked"] if not url.startswith(own)] == []
    assert told["dialogs"] == []
    assert page.locator(".msgflux-twin :is(img, a, [onerror])").count() == 0
