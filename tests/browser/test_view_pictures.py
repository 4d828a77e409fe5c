"""Compares each view with a picture that a person has checked, so that no style rule breaks another view unnoticed.

``MSGFLUX_PICTURES=new`` takes the pictures of ``tests/browser/pictures`` again; look at them before they are committed.
Their font is DejaVu, which is installed with the browser, so that they are the same everywhere.
"""

from __future__ import annotations

import io
import itertools
import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Literal

import msgspec
import numpy as np
import pandas as pd
import pytest
from PIL import Image, ImageFilter
from playwright.sync_api import Page, expect

import msgflux_nb as mf
from msgflux_nb.display.answer import answer_bundle
from msgflux_nb.widgets.conversation.message_builder import MessageBuilder
from msgflux_nb.widgets.extraction.extraction_view import ExtractionView
from msgflux_nb.widgets.plan.plan_view import PlanView
from msgflux_nb.widgets.prefill.prefill_editor import PrefillEditor
from msgflux_nb.widgets.schema.schema_picker import SchemaPicker
from tests.display import test_answer as answered
from tests.tables.scripted_model import Scripted

from . import plan_samples as plans
from . import test_extraction_view_esm as extraction
from . import test_playground_hands_esm as playground
from . import test_prefill_editor_esm as prefill
from . import test_schema_picker_esm as picker
from . import test_tool_call_view_esm as calls
from .bridge import Bridge
from .widget_page import WidgetPage

pytestmark = pytest.mark.browser

PICTURES = Path(__file__).parent / "pictures"
TOLERANCE = 0.004  # of the pixels may be another shade, after a blur that edges of letters do not survive
SHADE = 24  # of 255
THEME = """
:root { --jp-ui-font-family: "DejaVu Sans"; --jp-content-font-family: "DejaVu Sans"; --jp-code-font-family: "DejaVu Sans Mono";
  --jp-layout-color0: #fff; --jp-ui-font-color0: #000; --jp-brand-color1: #1976d2; --jp-success-color1: #388e3c;
  --jp-warn-color1: #f57c00; --jp-error-color1: #d32f2f; }
:root.dark { --jp-layout-color0: #111; --jp-ui-font-color0: #fff; --jp-brand-color1: #2196f3; --jp-success-color1: #4caf50;
  --jp-warn-color1: #ff9800; --jp-error-color1: #f44336; color-scheme: dark; background: #111; }
body { margin: 8px; }
"""  # noqa: E501  # as it is written in CSS


def sample(page: Page) -> None:
    """A sample that was tried, one row of it invalid."""
    figures = [["rate", "12.4 rows/s"], ["tokens in", "2,640"], ["tokens out", "960"], ["took", "1.6 s"]]
    rows: list[Any] = [
        [n, str(7 * n), "ok", [("Ghent", "Ur", "Kyoto")[n % 3], str(n * n * 37)], "", ""] for n in range(12)
    ]
    rows[4] = [4, "28", "invalid", [], "ValidationFailedError: people: “a few” is not an integer", ""]
    counts = dict.fromkeys(extraction.STATES, 0) | {"ok": 19, "invalid": 1}
    ahead = {"460 more cost about": "$0.0374", "and take": "≈ 37 s", "may fail": "0 – 115, likely 23"}
    told = extraction.picture(
        state="sampled", finished=20, total=20, in_flight=0, counts=counts, rows=rows, figures=figures
    )
    told |= {"heads": extraction.HEADS, "ahead": ahead, "more_rows": 460, "paid": ["$0.0016", ""]}
    WidgetPage(page, ExtractionView, {"picture": told | {"action": "go", "action_label": "Run the other 460"}})


def waiting(page: Page) -> None:
    """Two calls: one ran, the other waits."""
    board = calls.Board(
        page, *calls.told(*calls.pieces(0, "c", "add", calls.SUM), *calls.pieces(1, "d", "add", calls.SUM))
    )
    board.state(tools=calls.told()[0]["tools"], question="How much?", status=["212 in · 94 out", "free"])
    ran = [(200, "asked"), (300, "running"), (420, "done")]
    done = calls.card(phase="done", marks=ran, result="42", seconds=0.12)
    board.batch(_0=done, _1=calls.card(phase="asked", marks=[(260, "asked")]))


def fields(page: Page) -> None:
    """The fields of a type, and a form beside them."""
    WidgetPage(page, SchemaPicker, picker.seen(picker.Person, **picker.CAT))
    page.get_by_role("button", name="Build one by form").click()


def start(page: Page) -> None:
    """A start that ends with a space."""
    WidgetPage(page, PrefillEditor, prefill.seen("Let's think step by step. "))


def messages(page: Page) -> None:
    """Turns of people and of a model, a name to fill in, a picture in the next message."""
    picture = Image.new("RGB", (640, 420), "#7fb3d5")
    told = [
        {"role": "system", "content": "Describe pictures in {{language}}."},
        {"role": "user", "content": "What is **in** it?"},
        {"role": "assistant", "content": "A *yellow* disc on blue: the sun, or an egg."},
    ]
    builder = MessageBuilder(told, model="openai/gpt-4o")
    builder.attach(picture, "sun.png")
    builder.draft = "And here?"
    Bridge(page, builder).exchange()
    builder.close()


def answers(page: Page) -> None:
    """Answers as cells show them: words with a thought, a table, a structure, calls, one of them mended, a failure."""
    words = "It is **not old** enough: most light has not come *yet*."
    words += "\n\n* it grows, which stretches light;\n* `stars` end."
    table = "moons of Jupiter:\n\n| moon | km across |\n|---|--:|\n| Io | 3,643 |\n| Europa | 3,122 |\n"
    row = [("origin", "Utrecht Centraal"), ("to", "Ghent")]
    calls = [
        answered.state(dict(row), name="next_train", raw=json.dumps(dict(row))),
        answered.state({"city": "Ghent"}, name="get_forecast", raw='{"city": "Ghent"', repaired=True, id="call_80"),
    ]
    failed = mf.StreamInterruptedError("the connection ended in the middle of a sentence. What had come is kept.")
    told = [
        answered.Answer(words, reasoning="Why is the sky dark at night?"),
        answered.Answer(table, prefill="Three "),
        answered.Answer('{"name": "Ada", "age": 36}', schema=answered.Person, value=answered.Person("Ada", 36)),
        answered.Answer(states=calls, finish_reason="tool_calls"),
        answered.Answer(value=failed),
        answered.Answer("Half a sentence is", finish_reason="length"),
    ]
    drawn = "<hr>".join(answer_bundle(one)["text/html"] for one in told)
    page.set_content(f'<!doctype html><body><div class="msgflux-live" style="{OUTPUT}">{drawn}</div></body>')


def vote(page: Page) -> None:
    """A vote that stopped early; it took as long as it always does."""
    clock = itertools.count(0, 100)
    WidgetPage(page, PlanView, {"plan": {}}).deliver(*timed(plans.told(plans.vote), clock))


def react(page: Page) -> None:
    """Four steps with tools, one of them asked before, and the answer."""
    WidgetPage(page, PlanView, {"plan": {}}).deliver(*timed(plans.told(plans.react), itertools.count(0, 100)))


def tree(page: Page) -> None:
    """A small tree with kept, pruned and dead thoughts, and a solution."""
    WidgetPage(page, PlanView, {"plan": {}}).deliver(*timed(plans.told(plans.tree), itertools.count(0, 100)))


def narrow_tree(page: Page) -> None:
    """The same where it has little room."""
    page.set_viewport_size({"width": 400, "height": 760})
    tree(page)


def timed(told: Any, clock: Iterator[int]) -> Any:
    """What a plan tells, with the same times in each run."""
    if isinstance(told, list):
        return [timed(one, clock) for one in told]
    if not isinstance(told, dict):
        return told
    found = {name: timed(one, clock) for name, one in told.items()}
    return (
        found
        | {name: time for name, time in {"s": 0.1, "seconds": 1.7}.items() if name in told}
        | ({"ms": next(clock)} if "ms" in told else {})
    )


class Mail(msgspec.Struct):
    topic: Literal["billing", "account", "technical"]
    urgency: Literal["low", "high"]
    about: str
    day: str = "–"


MAILS = {
    "I was charged twice, and I leave on Monday.": Mail("billing", "high", "a charge"),
    "Somebody else logs in as me.": Mail("account", "high", "a login"),
    "The map does not open.": Mail("technical", "low", "the map"),
    "Delete what you know of me.": Mail("account", "low", "data"),
}


def cells(page: Page) -> None:
    """A scored grid of two prompts and two models, with one open and rated answer."""

    def model(name: str, *wrong: tuple[bool, str]) -> Scripted:
        def answer(text: str) -> Mail:
            said, mail = next(one for one in MAILS.items() if one[0] in text)
            other = "low" if mail.urgency == "high" else "high"
            mistaken = ("anger" in text, said) in wrong
            return msgspec.structs.replace(mail, urgency=other) if mistaken else mail

        found = Scripted(answer)
        found.name = f"scripted/{name}"
        return found

    prompts = {"plain": "Topic? {text}", "with rules": "High is a date, or anger. Topic? {text}"}
    charge, login, app, _ = MAILS
    models = [model("small", (False, charge), (False, app), (True, login)), model("large", (False, charge))]
    truth = pd.DataFrame([{"topic": mail.topic, "urgency": mail.urgency} for mail in MAILS.values()])
    result = mf.grid(prompts, list(MAILS), models=models, schema=Mail, score=truth, store=False, progress=False)
    view = mf.GridView(result)
    view._place = (0, 3)
    told = {**view._open(), "rating": "good", "figures": [["10", "in"], ["5", "out"], ["free", ""], ["0.41", "s"]]}
    heads = [{**head, "seconds": 0.4} for head in view.board["heads"]]
    WidgetPage(page, mf.GridView, {"board": {**view.board, "heads": heads}, "opened": told})


def reviewed(page: Page) -> None:
    """A mail and its fields, one of them less sure than the others, one not in the text."""
    text = "Dear sirs,\n\nmy invoice of 12 March has a charge twice. I leave for Lima on Monday: please be quick."
    model = Scripted(lambda _: Mail("billing", "high", "a refund", "Monday"))
    result = mf.extract([text], Mail, model=model, store=False, progress=False)
    sure = pd.DataFrame([[0.97, 0.52, 0.81, 0.99]], columns=Mail.__struct_fields__, index=result.index)
    view = mf.ReviewView(result, confidence=sure)
    shown = [{**field, "chances": [0.48, 0.52] if field["name"] == "urgency" else []} for field in view.row["fields"]]
    WidgetPage(page, mf.ReviewView, {"row": {**view.row, "fields": shown}, "status": view.status})


OUTPUT = "color: var(--jp-ui-font-color0); font: 13px/1.5 var(--jp-content-font-family); width: 860px"
VIEWS: dict[str, Callable[[Page], Any]] = {"extraction": sample, "calls": waiting, "picker": fields, "prefill": start}
VIEWS |= {"messages": messages, "answers": answers, "grid": cells, "review": reviewed}
VIEWS |= {"vote": vote, "react": react, "tree": tree, "tree-narrow": narrow_tree}
VIEWS |= {f"playground-{name}": made for name, made in playground.STATES.items()}


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("name", VIEWS)
def test_a_view_looks_as_its_picture(page: Page, name: str, theme: str) -> None:
    page.emulate_media(reduced_motion="reduce")
    page.set_viewport_size({"width": 900, "height": 760})
    VIEWS[name](page)
    page.add_style_tag(content=THEME)
    dark = json.dumps(theme == "dark")
    page.evaluate(
        f"""() => {{
          document.documentElement.classList.toggle("dark", {dark});
          document.body.dataset.jpThemeLight = String(!{dark});
        }}"""
    )
    page.mouse.move(1, 1)
    page.wait_for_timeout(400)
    taken = Image.open(io.BytesIO(page.locator(".msgflux-live").first.screenshot())).convert("RGB")
    path = PICTURES / f"{name}-{theme}.png"
    if os.environ.get("MSGFLUX_PICTURES") == "new":
        taken.save(path, optimize=True)
    expected = Image.open(path).convert("RGB")
    assert taken.size == pytest.approx(expected.size, abs=2)
    assert differing(taken, expected) <= TOLERANCE, f"{path.name} shows something else; take it again if it is meant"


DRAWN = {"review": ".mf-sure .mf-meter > i", "grid": ".mf-interval i", "vote": ".mf-block:not(.mf-none *)"}
DRAWN |= {"extraction": ".mf-pic > i:not(.mf-none)"}


@pytest.mark.parametrize("name", DRAWN)
def test_drawings_are_seen_in_high_contrast(page: Page, name: str) -> None:
    page.emulate_media(forced_colors="active")
    VIEWS[name](page)
    page.locator(DRAWN[name]).first.wait_for(state="attached")
    ground = page.evaluate("getComputedStyle(document.querySelector('.msgflux-live')).backgroundColor")
    found = page.locator(DRAWN[name]).evaluate_all("all => all.map((one) => getComputedStyle(one).backgroundColor)")
    assert found
    assert ground not in found


def test_the_number_of_an_answer_is_not_covered_in_high_contrast(page: Page) -> None:
    page.emulate_media(forced_colors="active")
    react(page)
    number = page.locator(".mf-answer .mf-no b")
    colours = number.evaluate("(one) => [getComputedStyle(one).color, getComputedStyle(one).backgroundColor]")
    assert colours[0] != colours[1]
    expect(number).to_have_css("forced-color-adjust", "none")  # else a text has a ground of its own


def differing(one: Image.Image, other: Image.Image) -> float:
    """Return the share of the pixels that differ after a blur."""
    size = (min(one.width, other.width), min(one.height, other.height))
    blurred = [image.crop((0, 0, *size)).filter(ImageFilter.GaussianBlur(2)) for image in (one, other)]
    shades = [np.asarray(image, dtype=np.int16) for image in blurred]
    return float((np.abs(shades[0] - shades[1]).max(axis=2) > SHADE).mean())


def test_a_picture_that_shows_something_else_is_seen() -> None:
    page = Image.new("RGB", (900, 400), "white")
    moved = page.copy()
    moved.paste((25, 118, 210), (600, 300, 720, 328))  # a button that is not there
    assert differing(page, page) == 0
    assert differing(page, moved) > TOLERANCE
