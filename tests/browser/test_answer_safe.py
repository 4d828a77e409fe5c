"""Answers that hold dangerous text, shown in real JupyterLab: nothing is asked for, run or opened."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.scripted import Reply, completion, serving

from .hostile import counting, dangerous
from .lab import Notebook

pytestmark = pytest.mark.browser

CELLS = """from IPython.display import display
import msgflux_nb as mf
model = mf.Model.chat_completion('scripted/one', base_url={url!r}, max_retries=0)
for _ in range({answers}):
    answer = model('Hi')
    display(answer)
    display(answer.aggregator)"""
# What none of our markup has; an image of ours would carry its own data.
FORBIDDEN = (
    "script, style, iframe, form, button, input, svg, object, embed, link, base, meta, mjx-container, "
    "img:not([src^='data:']), [onerror], [onclick], [onload], [data-commandlinker-command], [id], "
    "a:not([href^='https:']):not([href^='mailto:'])"
)
PARTS = ".msgflux-answer, .msgflux-tool-calls"


def answer(text: str) -> Reply:
    """An answer with the text in every place that a model fills."""
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


def test_dangerous_answers_are_text(open_notebook: Callable[..., Notebook]) -> None:
    with counting() as (port, paths):
        texts = dangerous(port)
        texts += ["\n\n".join(texts), "$1 and $2, $$x$$, \\(x\\), \\[x\\], \\begin{align}x\\end{align}"]
        with serving(*map(answer, texts)) as server:
            notebook = open_notebook([CELLS.format(url=server.url, answers=len(texts))])
            notebook.run_all()
            expect(notebook.page.locator(PARTS)).to_have_count(2 * len(texts))
            notebook.save()
            notebook.shut_down_kernel()

        changed = json.loads(notebook.path.read_text())
        changed["cells"][0]["source"] = "# written by somebody else"
        path = notebook.path.with_stem("untrusted")
        path.write_text(json.dumps(changed))
        reopened = open_notebook(path)

        hostname = Path("/etc/hostname")
        secret = hostname.read_text().strip() if hostname.exists() else ""
        for page in (notebook.page, reopened.page):
            expect(page.locator(PARTS)).to_have_count(2 * len(texts))
            page.wait_for_timeout(500)
            parts = page.locator(PARTS)
            assert [element.evaluate("(node) => node.outerHTML") for element in parts.locator(FORBIDDEN).all()] == []
            shown = parts.all_inner_texts()
            for text, drawn in zip(texts[:8], shown[::2], strict=False):
                assert text[:20] in drawn
            assert not secret or secret in "".join(texts) or secret not in "".join(shown)
        assert paths == []
        assert notebook.dialogs == reopened.dialogs == []
