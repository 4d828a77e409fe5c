"""Every display with hostile text in every place: the page sends no request, runs and opens nothing, logs nothing.

Test 29 of the field guide. A display is a row of ``CASES``: a cell that shows it, and what to look for. The cell finds
``mf``, ``display``, ``texts`` (the hostile strings), ``text`` (all of them) and ``model``, which answers with them.
"""

from __future__ import annotations

import base64
import contextlib
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from playwright.sync_api import Browser, Page

from msgflux_nb.display.answer import _SHEET
from msgflux_nb.widgets.tool_calls.lane_twin import _script
from tests.scripted import Reply, chunk, completion, error, serving, stream

from .hostile import counting, dangerous
from .lab import Lab, Notebook

pytestmark = pytest.mark.browser

Replies = Callable[[list[str]], list[Reply]]


class Case(NamedTuple):
    """A display.

    Attributes:
        cell: the code that shows it.
        drawn: selectors of its elements: with the kernel, and in the saved notebook.
        replies: makes the model's answers from the hostile strings; the last one is repeated.
    """

    cell: str
    drawn: tuple[str, str]
    replies: Replies


def plain(texts: list[str]) -> list[Reply]:
    """Return an answer with text."""
    return [completion("\n\n".join(texts))]


def full(texts: list[str]) -> list[Reply]:
    """Return an answer for each string, in every place that a model fills, and one answer for all strings."""
    return [_full(text) for text in [*texts, "\n\n".join(texts), _MATHS]]


_MATHS = "$1 and $2, $$x$$, \\(x\\), \\[x\\], \\begin{align}x\\end{align} <img src=x onerror=alert(1)>"


def _full(text: str) -> Reply:
    calls = [
        {"id": f"{text}{number}", "type": "function", "function": {"name": text, "arguments": arguments}}
        for number, arguments in enumerate([json.dumps({text: text}), json.dumps({text: [text]}), text])
    ]
    annotations = [
        {"type": "url_citation", "url_citation": {"url": text, "title": text}},
        {"type": "url_citation", "url_citation": {"url": "https://example.invalid/" + text, "title": text}},
        {"type": text, text: text},
    ]
    images = [{"type": "image_url", "image_url": {"url": text}}]
    return completion(
        text, reasoning_content=text, refusal=text, tool_calls=calls, annotations=annotations, images=images
    )


def arriving(texts: list[str]) -> list[Reply]:
    """Return the same as a stream."""
    text = "\n\n".join(texts)
    call = {"index": 0, "id": text, "function": {"name": text, "arguments": json.dumps({text: text})}}
    return [stream(chunk(reasoning_content=text), text, chunk(tool_calls=[call]))]


def arriving_text(texts: list[str]) -> list[Reply]:
    """Return a stream with a token for each string, and with alternatives to each token."""
    choices = [
        {
            "index": 0,
            "delta": {"content": text, "reasoning_content": text},
            "logprobs": {
                "content": [
                    {
                        "token": text,
                        "logprob": -1.0,
                        "bytes": None,
                        "top_logprobs": [{"token": other, "logprob": -2.0, "bytes": None} for other in texts],
                    }
                ]
            },
        }
        for text in texts
    ]
    return [stream(*(b"data: " + json.dumps({"choices": [choice]}).encode() + b"\n\n" for choice in choices))]


def calling(texts: list[str]) -> list[Reply]:
    """Return calls of a tool, and then a text."""
    text = "\n\n".join(texts)
    call = {"index": 0, "id": text, "function": {"name": "look", "arguments": json.dumps({"a": text})}}
    return [stream(chunk(tool_calls=[call])), stream(text)]


def media(texts: list[str]) -> list[Reply]:
    """Return images at addresses and as data, and a sound with its transcript."""
    text = "\n\n".join(texts)
    urls = [*texts, *(f"https://{text}/a.png" for text in texts), "data:image/svg+xml;base64,PHN2Zy8+", f"data:{text}"]
    wav = b"RIFF\x28\0\0\0WAVEfmt \x10\0\0\0\1\0\1\0\xc0\x5d\0\0\x80\xbb\0\0\2\0\x10\0data\4\0\0\0" + b"\0" * 4
    sound = {"id": text, "data": base64.b64encode(wav).decode(), "transcript": text}
    images = [{"type": "image_url", "image_url": {"url": url}} for url in urls]
    return [completion("", images=images, audio=sound)]


def structure(texts: list[str]) -> list[Reply]:
    """Return a structure with the strings as names and values: complete, and then with an unreadable part."""
    text = "\n\n".join(texts)
    value = {"name": text, "notes": texts, "more": {text: text}}
    return [completion(json.dumps(value)), completion(json.dumps({text: text}))]


def refusing(texts: list[str]) -> list[Reply]:
    """Return an error whose text has the strings."""
    return [error(400, "\n".join(texts))]


ROW = """import msgspec
from typing import Annotated
Text = Annotated[str, msgspec.Meta(description=text, pattern='.*')]
Row = msgspec.defstruct('Row', [('name', Text), ('notes', list[str], []), ('more', dict[str, str], {})])
Row.__doc__ = text
"""
# What msgspec takes as a name: no quotes, no control characters.
NAME = "name = text.replace('\"', '').replace('\\n', ' ')\n"
FIELDS = ROW + NAME + "Odd = msgspec.defstruct('Odd', [('a', Text, text)], rename={'a': name})\nOdd.__doc__ = text\n"
MESSAGES = """messages = [{'role': role, 'content': text} for role in ('system', 'user', 'assistant')]
for url in (*texts, *('https://' + text for text in texts)):
    content = [{'type': 'text', 'text': text, text: text}, {'type': text, text: text}]
    content += [{'type': 'image_url', 'image_url': {'url': url, 'detail': text}}]
    content += [{'type': 'file', 'file': {'filename': text, 'file_data': url}}]
    messages += [{'role': 'user', 'content': content, 'name': text}]
call = {'id': text, 'type': 'function', 'function': {'name': text, 'arguments': text}}
messages += [{'role': 'assistant', 'content': text, 'refusal': text, 'tool_calls': [call]}]
messages += [{'role': 'tool', 'tool_call_id': text, 'content': text}]
"""
FRAGMENTS = """import json
fragments = [(0, 0, text, text, json.dumps({text: text}))]
fragments += [(1, 0, 'look ' + text, 'look', json.dumps({text: text}))]
fragments += [(n + 2, n, str(n) + word, word, word) for n, word in enumerate(texts)]
fields = {'type': 'object', 'required': [text], 'properties': {text: {'type': text, 'description': text}}}
tools = [{'type': 'function', 'function': {'name': 'look', 'description': text, 'parameters': fields}}]
"""
# A call that waits for a decision, one with a result, one that failed: nothing reads the stream but this cell.
CALLS = (
    FRAGMENTS
    + """import threading
from msgflux_nb.protocol.events import ToolCallDelta
view = mf.ToolCallView(tools=tools)
display(view)
view.begin()
for call, _, *fragment in fragments:
    view.add(ToolCallDelta(call, *fragment))
made = [mf.ToolCall(id=f'{n}{text}', name='look', arguments={text: text}) for n in range(3)]
threading.Thread(target=view.ask, args=(made[0],), daemon=True).start()
view.result(made[1], {text: text})
view.result(made[2], ValueError(text))
view.show_error(ValueError(text))
"""
)
PICTURE = "from PIL import Image\n"

CASES = {
    "answers": Case(
        "for _ in range(len(texts) + 2):\n    answer = model('Hi')\n    display(answer, answer.aggregator)",
        (".msgflux-answer", ".msgflux-answer"),
        full,
    ),
    "arriving": Case(
        "answer = model('Hi', stream=True)\ndisplay(answer)\nfor _ in answer:\n    display(answer)\ndisplay(answer)",
        (".msgflux-answer", ".msgflux-answer"),
        arriving,
    ),
    "media": Case("answer = model('Hi')\ndisplay(answer, *answer.images, answer.audio)", ("audio", "span"), media),
    "structure": Case(
        ROW + "for _ in range(2):\n    display(model('Hi', generation_schema=Row))",
        (".msgflux-answer", ".msgflux-answer"),
        structure,
    ),
    "errors": Case(
        "for _ in range(2):\n    try:\n        model('Hi').consume()\n    except mf.MsgfluxError as error:\n"
        "        get_ipython().showtraceback()\n        display(error)",
        ("pre", "pre"),
        refusing,
    ),
    "frames": Case(
        ROW + "display(mf.to_frame([Row(name=word, more={word: word}) for word in texts]))\n"
        "display(mf.extract([*texts, text], Row, model=model, prompt='{text}'))",
        ("table", "table"),
        structure,
    ),
    "batch": Case(
        ROW + "view = mf.ExtractionView([*texts, text], Row, model=model, prompt='{text}')\n"
        "display(view)\nview.run(wait=True)\n"
        "result = view.value\ndisplay(result.mf.explain(0), mf.score(result, result.assign(name='x')))",
        (".msgflux-twin", ".msgflux-twin"),
        structure,
    ),
    "review": Case(
        ROW + "result = mf.extract([*texts, text], Row, model=model, prompt='{text}', progress=False)\n"
        "view = mf.ReviewView(result)\ndisplay(view)\nview._show(len(texts))\n"
        "view._receive(view, {'type': 'unusable', 'position': len(texts)}, [])\n"
        "view._show(len(texts))\nview._update_twin()\n"
        "view.show_error(ValueError(text))",
        (".msgflux-review", ".msgflux-twin"),
        structure,
    ),
    "grid": Case(
        "result = mf.grid({text.replace('{', '(').replace('}', ')'): '{text}'}, [*texts, text], models={text: model}, "
        "progress=False)\nview = mf.GridView(result)\ndisplay(view)\nview.show_error(ValueError(text))",
        (".msgflux-grid", ".msgflux-twin"),
        plain,
    ),
    "batch, failed": Case(
        ROW + "view = mf.ExtractionView([*texts, text], Row, model=model, prompt='{text}')\n"
        "display(view)\nview.run(wait=True)\nview.show_error(ValueError(text))",
        (".msgflux-twin", ".msgflux-twin"),
        refusing,
    ),
    "message builder": Case(
        MESSAGES + "builder = mf.MessageBuilder(messages, model=model, variables={text: text, 'a': text})\n"
        "builder.draft = text + ' {{a}} {{b}}'\n" + PICTURE + "builder.attach(Image.new('RGB', (4, 4)), name=text)\n"
        "builder.history.replace(1, {'role': 'user', 'content': text + '!'})\nbuilder.changed()\ndisplay(builder)\n"
        "builder.show_error(ValueError(text))",
        (".msgflux-builder", ".msgflux-twin"),
        plain,
    ),
    "prefill editor": Case(
        "editor = mf.PrefillEditor(model, text, presets={text: text, **{word: word for word in texts}})\n"
        "editor.judge(model('Hi'))\neditor.warning = text\ndisplay(editor)\neditor.show_error(ValueError(text))",
        (".msgflux-prefill", ".msgflux-twin"),
        plain,
    ),
    "schema picker": Case(
        FIELDS + "picker = mf.SchemaPicker(model, schemas={text: Odd, 'Row': Row}, value=Odd)\n"
        "picker.form = {'name': text, 'fields': [{'name': text, 'kind': 'str', 'description': text}]}\n"
        "display(picker)\npicker.show_error(ValueError(text))",
        (".msgflux-picker", ".msgflux-twin"),
        plain,
    ),
    "tool calls": Case(
        FRAGMENTS + "display(mf.ToolCallView(fragments, tools=tools))", (".msgflux-twin", ".msgflux-twin"), plain
    ),
    "tool calls, live": Case(CALLS, (".msgflux-live", ".msgflux-twin"), plain),
    "in one output": Case(
        FRAGMENTS + "from ipywidgets import VBox\n"
        "views = [mf.MessageBuilder([{'role': 'user', 'content': text}]), mf.PrefillEditor(model, text), "
        "mf.SchemaPicker(model), mf.ToolCallView(fragments), mf.Playground(model, prompt=text)]\n"
        "for view in views:\n    display({'text/html': view._repr_mimebundle_()[0]['text/html']}, raw=True)\n"
        "display(VBox(views))",
        (".msgflux-twin", ".msgflux-twin"),
        plain,
    ),
    "playground": Case(
        FIELDS + "playground = mf.Playground(model, schemas={text: Odd}, prompt=text, prefilling=text, "
        "system_prompt=text, models=[model])\nplayground.logprobs = True\n"
        + PICTURE
        + "playground.attach(Image.new('RGB', (4, 4)), name=text)\n"
        "display(playground)\nplayground.run(wait=True)\nplayground.rerun(wait=True)",
        (".msgflux-playground", ".msgflux-twin"),
        arriving_text,
    ),
    "playground, tools and two models": Case(
        FIELDS + "def look(a: str = '') -> str:\n    return text\n"
        "look.__doc__ = text\nplayground = mf.Playground(model, prompt=text, tools=[look], approve='auto')\n"
        "display(playground)\nplayground.run(wait=True)\nplayground.compare = model\nplayground.rerun(wait=True)",
        (".msgflux-playground", ".msgflux-twin"),
        calling,
    ),
    "playground, failed": Case(
        "playground = mf.Playground(model, prompt=text)\ndisplay(playground)\n"
        "try:\n    playground.run(wait=True)\nexcept mf.MsgfluxError:\n    pass",
        (".msgflux-playground", ".msgflux-twin"),
        refusing,
    ),
}


class Seen(NamedTuple):
    """The content of a case in a page.

    Attributes:
        drawn: the number of elements that match the case's selector.
        text: all visible text, including fields.
        forbidden: the markup of elements that none of our displays has.
    """

    drawn: int
    text: str
    forbidden: list[str]


# A widget has buttons, fields and a style sheet, and shows its own pictures; any other such element is forbidden.
FORBIDDEN = (
    "script, iframe, object, embed, link, base, meta, [onerror], [onclick], [onload], "
    ":not(.mathjax_process) > mjx-container, mjx-container :is(a, [href], [id]), "
    "[data-commandlinker-command], img:not([src^='data:'], [src^='blob:']), "
    "a:not([href^='https:'], [href^='mailto:'], [href^='blob:'])"
)
# An answer has nothing to work with, either; our own icons are nothing but lines.
FORBIDDEN += ", " + ", ".join(
    f":is(.msgflux-answer, .msgflux-tool-calls:not(.msgflux-live)) {what}"
    for what in ("style", "form", "button", "input", "svg:not(.mf-i)", "[id]")
)
FORBIDDEN += ", .mf-i :not(path, circle, rect, line, polyline, ellipse, g, title)"
# Where scripts may run, the twin of a view of tool calls replays them by this one, and no other.
# An answer begins with one sheet of ours, and no other.
REPLAYS = [_script().removeprefix("<script>").removesuffix("</script>")]
REPLAYS += [_SHEET.removeprefix("<style>").removesuffix("</style>")]
# JupyterLab's own, where a notebook is opened that was saved without the state of its widgets.
NO_STATE = "widget model not found"
LOOK = """([index, selector, forbidden, replays]) => {
  const panel = window.jupyterapp.shell.currentWidget;
  const output = panel.content.widgets[index].outputArea.node;
  for (const fold of output.querySelectorAll("details")) fold.open = true;
  // JupyterLab itself makes links of addresses in plain text; it opens them only when they are clicked.
  const linked = (node) => node.closest(".jp-RenderedText");
  const places = ".msgflux-twin > script, .msgflux-answer > style";
  const replay = (node) => node.matches(places) && replays.includes(node.textContent);
  const fields = [...output.querySelectorAll("input, textarea, select")].map((field) => field.value);
  return {
    drawn: output.querySelectorAll(selector).length,
    text: [output.textContent, ...fields].join("\\n"),
    forbidden: [...output.querySelectorAll(forbidden)]
      .filter((node) => !linked(node) && !replay(node) && !(node.type === "application/json" && node.matches("script")))
      .map((node) => node.outerHTML.slice(0, 300)),
  };
}"""

# Nothing in an output has changed for 50 ms, or 200 ms are over.
QUIET = """(index) => new Promise((done) => {
  const output = window.jupyterapp.shell.currentWidget.content.widgets[index].outputArea.node;
  let timer = setTimeout(done, 50);
  const observer = new MutationObserver(() => {
    clearTimeout(timer);
    timer = setTimeout(done, 50);
  });
  observer.observe(output, { subtree: true, childList: true, attributes: true, characterData: true });
  setTimeout(() => (observer.disconnect(), done()), 200);
})"""


class Evidence:
    """The events of the pages with the cases.

    Attributes:
        seen: the contents by page and case.
        failed: the errors of cells.
        dialogs: the texts of dialogs.
        logged: errors in the console, and errors of scripts.
        asked: requested addresses outside JupyterLab.
        hits: requested paths of our server.
    """

    def __init__(self, url: str, hits: list[str]) -> None:
        self.seen: dict[tuple[str, str], Seen] = {}
        self.failed: list[str] = []
        self.dialogs: list[str] = []
        self.logged: list[str] = []
        self.asked: list[str] = []
        self.hits = hits
        self._ours = (url, url.replace("http", "ws", 1), "data:", "blob:")

    def watch(self, page: Page) -> None:
        """Record the events of a page from now on."""
        page.on("dialog", lambda dialog: self.dialogs.append(dialog.message))
        page.on("console", lambda said: self._log(said.text) if said.type == "error" else None)
        page.on("pageerror", lambda fault: self._log(str(fault)))
        page.on(
            "request", lambda request: None if request.url.startswith(self._ours) else self.asked.append(request.url)
        )

    def _log(self, text: str) -> None:
        if NO_STATE not in text:
            self.logged.append(text)

    def look(self, notebook: Notebook, name: str, when: int) -> None:
        """Scroll to every case in turn, and record its content."""
        for index, (case, row) in enumerate(CASES.items(), 1):
            notebook.show_cell(index)
            with contextlib.suppress(Exception):  # the test of the case reports a missing element
                notebook.cell(index).locator(row.drawn[when]).first.wait_for(state="attached", timeout=5_000)
            notebook.page.evaluate(QUIET, index)
            seen = Seen(**notebook.page.evaluate(LOOK, [index, row.drawn[when], FORBIDDEN, REPLAYS]))
            for tab in notebook.cell(index).get_by_role("tab").all():
                tab.evaluate("(node) => node.click()")
                notebook.page.evaluate(QUIET, index)
                inside = Seen(**notebook.page.evaluate(LOOK, [index, row.drawn[when], FORBIDDEN, REPLAYS]))
                seen = Seen(seen.drawn, seen.text + inside.text, seen.forbidden + inside.forbidden)
            self.seen[name, case] = seen
        notebook.page.wait_for_timeout(1000)  # time for whatever comes late, such as maths, or should not be asked for
        for index, (case, row) in enumerate(CASES.items(), 1):
            late = Seen(**notebook.page.evaluate(LOOK, [index, row.drawn[when], FORBIDDEN, REPLAYS]))
            seen = self.seen[name, case]
            self.seen[name, case] = seen._replace(forbidden=seen.forbidden + late.forbidden)


PAGES = ("live", "trusted", "untrusted")


@pytest.fixture(scope="module")
def evidence(lab: Lab, browser: Browser) -> Iterator[Evidence]:
    """All cases in one notebook: run, saved, and opened again, by its author and by another person."""
    with counting() as (port, hits), contextlib.ExitStack() as stack:
        found = Evidence(lab.url, hits)
        cells = ["import msgflux_nb as mf\nfrom IPython.display import display"]
        for name, case in CASES.items():
            texts = dangerous(port, name.replace(" ", "-").replace(",", ""))
            server = stack.enter_context(serving(*case.replies(texts)))
            cells.append(_cell(texts, server.url, case.cell))
        path = lab.write("hostile.ipynb", cells)
        notebook = lab.open(browser, path)
        found.watch(notebook.page)
        notebook.run_all(timeout_seconds=180, failures=found.failed)
        found.look(notebook, "live", 0)
        file = notebook.save()
        notebook.shut_down_kernel()
        notebook.close()
        for name in PAGES[1:]:
            if name == "untrusted":
                file["cells"][0]["source"] = "# written by somebody else"
                path = path.with_stem(name)
                path.write_text(json.dumps(file))
            reopened = lab.open(browser, path)
            found.watch(reopened.page)
            reopened.wait_for_kernel()
            found.look(reopened, name, 1)
            reopened.shut_down_kernel()
            reopened.close()
        yield found


def _cell(texts: list[str], url: str, code: str) -> str:
    profile = {"modalities": ["text", "image"], "prefill": "continue", "echo": False}
    model = f"mf.Model.chat_completion('scripted/' + text, base_url={url!r}, profile={profile!r}, max_retries=0)"
    return f"texts = {texts!r}\ntext = '\\n'.join(texts)\nmodel = {model}\n{code}"


@pytest.mark.parametrize("page", PAGES)
@pytest.mark.parametrize("case", CASES)
def test_it_is_shown_and_its_text_is_text(evidence: Evidence, case: str, page: str) -> None:
    seen = evidence.seen[page, case]
    assert seen.drawn > 0
    assert "<img src=x onerror=alert(1)>" in seen.text
    assert seen.forbidden == []


def test_nothing_was_asked_for(evidence: Evidence) -> None:
    assert evidence.hits == []
    assert evidence.asked == []


def test_nothing_was_run_or_opened(evidence: Evidence) -> None:
    assert evidence.dialogs == []
    assert evidence.logged == []
    # The tracebacks of the case "errors" are shown on purpose.
    assert [said for said in evidence.failed if "BadRequestError" not in said] == []


def test_no_file_was_read(evidence: Evidence) -> None:
    hostname = Path("/etc/hostname")
    secret = hostname.read_text().strip() if hostname.exists() else ""
    shown: list[Any] = [name for name, seen in evidence.seen.items() if secret and secret in seen.text]
    assert shown == []
