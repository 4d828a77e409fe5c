"""Take all pictures of docs/images, and the film at the top of README, in real JupyterLab and Chromium.

    python scripts/pictures.py [--only NAME ...]

The models' answers are in this file, so that pictures show good answers and are the same on each machine: a server on
the loopback interface sends them in pieces, at the pace of a fast model. The fonts are Inter and JetBrains Mono, which
``scripts/install_system.sh`` installs. NAME is a picture's name without ``-light`` and ``-dark``, or ``film``.
"""

from __future__ import annotations

import argparse
import io
import json
import math
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image
from playwright.sync_api import Browser, Locator, Page, sync_playwright

sys.path.insert(0, str(Path(__file__).parent.parent))

from tests.browser.chromium import ARGUMENTS, find_chromium
from tests.browser.lab import Lab, Notebook
from tests.scripted import Reply, Server, chunk, serving

IMAGES = Path(__file__).parent.parent / "docs" / "images"
FONTS = (
    ":root, body { --jp-ui-font-family: Inter, sans-serif !important; "
    "--jp-content-font-family: Inter, sans-serif !important; "
    "--jp-code-font-family: 'JetBrains Mono', monospace !important; }"
)
PACE = 0.03  # seconds from one piece to the next
INTO_VIEW = "(it) => document.querySelector(it)?.scrollIntoView({ block: 'start' })"
PICTURE_BYTES = 160_000
Colours = npt.NDArray[np.int32]
UNLIKE = 5  # of 255, in one of the three colours
FILM_BYTES = 2_000_000
FILM_WIDTH = 860

BEGIN = """import datetime
import time
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

import msgflux_nb as mf

url = {url!r}
model = mf.Model.chat_completion("openai/gpt-4.1-nano", base_url=url, api_key="sk-...")
"""
GAME = """
import operator
from itertools import permutations

SIGNS = {"+": operator.add, "−": operator.sub, "×": operator.mul, "÷": operator.truediv}


def numbers(path):
    left = ["4", "5", "6", "10"]
    for step in path:
        first, _, second, _, result = step.split()
        left.remove(first)
        left.remove(second)
        left.append(result)
    return sorted(left, key=float)


def propose(path):
    pairs = [(a, b) for a, b in permutations(numbers(path), 2) if float(a) >= float(b) > 0]
    found = (f"{a} {sign} {b} = {do(float(a), float(b)):.4g}" for a, b in pairs for sign, do in SIGNS.items())
    return list(dict.fromkeys(found))[: 12 - 3 * len(path)]


def ends(left):
    if len(left) == 1:
        return set(left)
    pairs = [(a, b) for a, b in permutations(range(len(left)), 2) if left[b]]
    rests = {(a, b): [one for place, one in enumerate(left) if place not in (a, b)] for a, b in pairs}
    return {end for a, b in pairs for do in SIGNS.values() for end in ends([*rests[a, b], do(left[a], left[b])])}


def value(path):
    return 1 / (1 + min(abs(24 - end) for end in ends([float(one) for one in numbers(path)])))


def check(path):
    left = numbers(path)
    return float(left[0]) == 24 if len(left) == 1 else None


answer = mf.plan.tree_of_thoughts(
    None, "Make 24 of 4 5 6 10", breadth=5, depth=3, propose=propose, value=value, check=check, max_calls=400
)
mf.PlanView(answer)"""
PERSON = '''
class Address(msgspec.Struct):
    """Where somebody lives."""

    city: Annotated[str, Meta(max_length=40)]


class Person(msgspec.Struct):
    """A person that a text speaks of."""

    name: Annotated[str, Meta(description="the full name")]
    age: Annotated[int, Meta(ge=0, le=150)]
    home: Address
    does: str
'''
TRIP = '''
def next_train(origin: str, to: str, day: datetime.date) -> str:
    """Find the next train."""
    time.sleep(0.32)
    return "08:03, change in Antwerp, arrives 10:51"


def get_forecast(city: str, day: datetime.date) -> str:
    """Get the weather of a city."""
    time.sleep(0.48)
    return "9 °C, light rain until noon"
'''
SIGHTING = """
class Sighting(msgspec.Struct):
    species: str
    count: int
    place: str | None
    behaviour: Literal["feeding", "resting", "singing", "hunting"]
    distance: int | None


notes = [f"{note} ({number})" for number, note in enumerate(NOTES * 12)]
"""
BIRDS: list[tuple[str, str, int, str | None, str, int | None]] = [
    ("Misty. At the mill one kingfisher above the Stour, 12 m away.", "Kingfisher", 1, "Stour", "hunting", 12),
    ("36 Teal resting at Grove Ferry, 150 m out.", "Teal", 36, "Grove Ferry", "resting", 150),
    ("Four Reed bunting singing at Stodmarsh, 30 m.", "Reed bunting", 4, "Stodmarsh", "singing", 30),
    ("A Marsh harrier hunting over Stodmarsh, 220 m.", "Marsh harrier", 1, "Stodmarsh", "hunting", 220),
    ("28 Lapwing feeding on the Preston fields, 310 m.", "Lapwing", 28, "Preston fields", "feeding", 310),
    ("3 Little egret feeding at Grove Ferry.", "Little egret", 3, "Grove Ferry", "feeding", None),
    ("14 Teal feeding at Grove Ferry, about 180 m.", "Teal", 14, "Grove Ferry", "feeding", 180),
    ("2 Robin singing, 6 m from me, I forgot where.", "Robin", 2, None, "singing", 6),
    ("11 Lapwing resting at Stodmarsh, 95 m.", "Lapwing", 11, "Stodmarsh", "resting", 95),
    ("2 Mute swan resting by the Stour, 25 m.", "Mute swan", 2, "Stour", "resting", 25),
]
FIELDS = ("species", "count", "place", "behaviour", "distance")
MARIA = {"name": "Maria Silva", "age": 34, "home": {"city": "Porto"}, "does": "opens a bakery"}
SEA = (
    "Rain dissolves salt out of rocks, and rivers carry it to the sea. The water leaves again as vapour, "
    "and the salt stays: **3.5 %** of the sea by now."
)
TRIP_SAID = "Take the **08:03** and change in Antwerp; you are there at 10:51. It rains until noon, so pack a coat."


LETTER = """Dear Dr Haas,

you asked me to put into writing what we spoke of on the telephone. I should like to give the museum my late \
grandmother’s wedding bodice. She had it sewn in Lviv, in the autumn of 1911 or perhaps the spring after, by a Mrs \
Stern whose shop stood behind the opera.

It is of cream-coloured silk with a lining of plain linen. The moths have been at the left sleeve and two of the hooks \
are gone: it is worn, but it was never washed. My niece, who knows about such things, had it insured for 400 euros.

It has lain in a drawer for sixty years. I would be glad if somebody looked at it again.

With kind regards,
Olha Marchenko"""
GIFT = {
    "object": "wedding bodice",
    "year": 1911,
    "place": "Lviv",
    "material": "silk",
    "condition": "worn",
    "insured": 400,
    "donor": "Olha Marchenko",
    "country": "Ukraine",
}
CONDITIONS = ("good", "worn", "damaged")
SURE = (0.97, 0.71, 0.99, 0.93, 0.52, 0.98, 0.99, 0.88)
GIFTS = """
import pandas as pd


class Gift(msgspec.Struct):
    object: str
    year: int
    place: str
    material: str
    condition: Literal["good", "worn", "damaged"]
    insured: int
    donor: str
    country: str


letters = [{letter!r}, *(f"Letter {{number}}: a silk bodice of 1911 from Lviv." for number in range(99))]
gifts = mf.extract(letters, Gift, model=model, store="gifts.sqlite", progress=False, confidence=True)
view = mf.ReviewView(gifts, random=0.2)
view"""
TRIAGE = (  # a mail, its topic and urgency, and the prompts and models, by number, that get it wrong
    ("My invoice has somebody else’s name on it.", "billing", "low", "20"),
    ("Locked out, and the demo is at ten.", "account", "high", ""),
    (
        "Third time I write. You charged my card twice in February, and I leave for Lima on Monday. Please.",
        *("billing", "high", "00 01"),
    ),
    ("Is there a discount for schools?", "billing", "low", "00"),
    ("The export stops at row 1,000.", "technical", "low", "00 01 20"),
    ("Please delete everything that you know of me.", "account", "low", "00 01 11"),
    ("The map does not open on my phone.", "technical", "low", "10"),
    ("Somebody else logs in as me, right now.", "account", "high", "00 20"),
    ("Can I pay by invoice from now on?", "billing", "low", ""),
    ("The second reminder is wrong: it was paid.", "billing", "low", "01"),
)
PROMPTS = {
    "plain": "Which topic, and is it urgent? {text}",
    "with rules": "High means: a date within a week, or anger. {text}",
    "with examples": "Three mails with their answers, then this one: {text}",
}
CASES = """
import pandas as pd


class Triage(msgspec.Struct):
    topic: Literal["billing", "account", "technical", "other"]
    urgency: Literal["low", "high"]
    reason: str


prompts = {prompts!r}
mails = pd.DataFrame({cases!r}, columns=["text", "topic", "urgency", "_"])
models = [mf.Model.chat_completion(f"openai/{{name}}", base_url=url, api_key="sk-...") for name in {models!r}]
asked = dict(models=models, schema=Triage, score=mails[["topic", "urgency"]], store=False)
{made}
view"""
RUN = 'view = mf.GridView(mf.grid(prompts, mails["text"], progress=False, **asked))'
RUNNING = 'view = mf.GridView(prompts, mails["text"], max_cost=0.10, **asked)\nview.run()'
MODELS = ("gpt-4.1-nano", "gpt-4.1-mini")


def _triaged(body: dict[str, Any], text: str) -> str | None:
    """Return the answer to one of the mails, wrong if the table says so."""
    found = next((case for case in TRIAGE if case[0] in text), None)
    begins = [words.partition("{text}")[0] in text for words in PROMPTS.values()]
    if found is None or True not in begins:
        return None
    _, topic, urgency, wrong = found
    prompt = begins.index(True)
    if f"{prompt}{MODELS.index(body['model'])}" in wrong.split():
        urgency = "high" if urgency == "low" else "low"
    reason = "charged twice and travels on Monday; third mail" if prompt and "Lima" in text else "what it asks for"
    return json.dumps(
        {"topic": topic, "urgency": urgency, "reason": "charged twice" if "Lima" in text and not prompt else reason}
    )


class Answers:
    """The answers of the scripted model, by the content of the request."""

    def __init__(self, server: Server) -> None:
        self.asked = 0
        self.held: set[str] = set()  # texts whose answers are still arriving when the picture is taken
        server.next_reply = self._reply  # type: ignore[method-assign]  # by content, not by order

    def _reply(self, body: dict[str, Any], _headers: dict[str, str]) -> Reply:
        messages = body["messages"]
        text = json.dumps(messages[-1], ensure_ascii=False)
        streams = bool(body.get("stream"))
        if body.get("tools") and messages[-1]["role"] == "user":
            return _calls(body, streams=streams)
        read = [json.dumps(one["content"], ensure_ascii=False) for one in messages if one["role"] == "user"]
        said = next(
            (json.dumps(dict(zip(FIELDS, bird, strict=True))) for note, *bird in BIRDS if note in read[0]), None
        )
        if said is not None:
            self.asked += 1
            if self.asked % 23 == 0 or len(read) > 1:  # wrong once more if it is asked again
                said = said.replace('"count": ', '"count": "a few dozen", "was": ')
            return _answer(said, streams=streams, pace=PACE / 3)
        triaged = _triaged(body, text)
        if triaged is not None:
            return _answer(triaged, streams=streams, pace=15.0 if any(one in text for one in self.held) else PACE / 3)
        if "Haas" in text or "Letter " in text:
            number = int(text.partition("Letter ")[2].partition(":")[0] or -1)
            return _gift("worn" if number < 52 else "good" if number < 60 else "damaged", unsure=number < 0)
        if "Maria" in text:
            return _answer(json.dumps(MARIA), streams=streams, pace=PACE)
        return _answer(TRIP_SAID if messages[-1]["role"] == "tool" else SEA, streams=streams, pace=PACE)


def _gift(condition: str, *, unsure: bool) -> Reply:
    """Return what was found in a letter, with the probability of each value."""
    tokens: list[dict[str, Any]] = []

    def add(text: str, sure: float = 1.0, others: Sequence[tuple[str, float]] = ()) -> None:
        told = [{"token": one, "logprob": math.log(share)} for one, share in ((text, sure), *others)]
        tokens.append({**told[0], "top_logprobs": told})

    for (name, value), sure in zip({**GIFT, "condition": condition}.items(), SURE, strict=True):
        add(("{" if not tokens else ", ") + f'"{name}": ' + ('"' if isinstance(value, str) else ""))
        shares = {"worn": 0.52, "damaged": 0.41, "good": 0.07} if unsure else dict.fromkeys(CONDITIONS, 0.005)
        others = [one for one in shares.items() if one[0] != value] if name == "condition" else []
        add(str(value), sure if unsure else 0.99, others)
        if isinstance(value, str):
            add('"')
    add("}")
    message = {"role": "assistant", "content": "".join(one["token"] for one in tokens)}
    return _whole(message, "stop", 240, len(tokens), seconds=PACE, logprobs=tokens)


def _answer(text: str, *, streams: bool, pace: float) -> Reply:
    """Return an answer in pieces of about four letters, or whole."""
    usage = {"prompt_tokens": 48, "completion_tokens": max(1, len(text) // 4)}
    if not streams:
        return _whole({"role": "assistant", "content": text}, "stop", *usage.values(), seconds=pace * 8)
    pieces: list[bytes | float] = [0.25]
    for at in range(0, len(text), 4):
        pieces += [chunk(text[at : at + 4]), pace]
    return _ended(pieces, "stop", usage)


def _whole(
    message: dict[str, Any], reason: str, asked: int, written: int, *, seconds: float = 0.3, logprobs: Any = None
) -> Reply:
    choice = {"index": 0, "message": message, "finish_reason": reason}
    if logprobs is not None:
        choice["logprobs"] = {"content": logprobs}
    usage = {"prompt_tokens": asked, "completion_tokens": written}
    body = {"id": "a", "model": "gpt-4.1-nano", "choices": [choice], "usage": usage}
    return Reply([seconds, json.dumps(body).encode()], headers={"Content-Type": "application/json"})


def _ended(pieces: list[bytes | float], reason: str, usage: dict[str, int]) -> Reply:
    told = b"data: " + json.dumps({"choices": [], "usage": usage}).encode() + b"\n\n"
    return Reply(
        [*pieces, chunk(reason=reason), told, b"data: [DONE]\n\n"], headers={"Content-Type": "text/event-stream"}
    )


def _calls(body: dict[str, Any], *, streams: bool) -> Reply:
    """Return interleaved calls of the offered tools."""
    day = "2026-03-12"
    texts = {
        "next_train": {"origin": "Utrecht Centraal", "to": "Gent-Sint-Pieters", "day": day},
        "get_forecast": {"city": "Ghent", "day": day},
    }
    names = [tool["function"]["name"] for tool in body["tools"]]
    arguments = [json.dumps(texts[name]) for name in names]
    if not streams:
        functions = [{"name": name, "arguments": text} for name, text in zip(names, arguments, strict=True)]
        calls = [{"id": f"call_7{at}", "type": "function", "function": one} for at, one in enumerate(functions)]
        return _whole({"role": "assistant", "content": None, "tool_calls": calls}, "tool_calls", 212, 94)
    pieces: list[bytes | float] = [0.3]
    for number, name in enumerate(names):
        call = {
            "index": number,
            "id": f"call_7{number}",
            "type": "function",
            "function": {"name": name, "arguments": ""},
        }
        pieces += [chunk(tool_calls=[call]), PACE]
    for at in range(0, max(map(len, arguments)), 6):
        for number, text in enumerate(arguments):
            if text[at : at + 6]:
                piece = {"index": number, "function": {"arguments": text[at : at + 6]}}
                pieces += [chunk(tool_calls=[piece]), PACE * (2.5 if at % 24 == 0 else 0.8)]
    return _ended(pieces, "tool_calls", {"prompt_tokens": 212, "completion_tokens": 94})


class Studio:
    """JupyterLab with the fonts of the pictures, and the scripted model."""

    def __init__(self, lab: Lab, browser: Browser, url: str, answers: Answers) -> None:
        self.lab, self.browser, self.url, self.answers = lab, browser, url, answers

    @contextmanager
    def notebook(self, name: str, cells: list[str], *, width: int = 1060, height: int = 1400) -> Iterator[Notebook]:
        """Open a notebook whose first cell defines ``model``; nothing has run yet.

        The window is higher than cell and view, so that no picture ends in the line below the notebook.
        """
        birds = f"NOTES = {[note for note, *_ in BIRDS]!r}\n"
        path = self.lab.write(f"{name}.ipynb", [BEGIN.format(url=self.url) + birds + cells[0], *cells[1:]])
        view = {"viewport": {"width": width, "height": height}, "device_scale_factor": 1.5}
        notebook = self.lab.open(self.browser, path, **view)
        notebook.page.add_style_tag(content=FONTS)
        notebook.page.evaluate("() => window.jupyterapp.commands.execute('application:toggle-left-area')")
        try:
            yield notebook
        finally:
            notebook.shut_down_kernel()
            notebook.close()

    def both(self, notebook: Notebook, view: Locator, name: str) -> None:
        """Take pictures of a view in light and dark."""
        for theme in ("Light", "Dark"):
            notebook.theme(f"JupyterLab {theme}")
            notebook.page.mouse.move(5, 5)
            notebook.page.evaluate("document.activeElement?.blur()")
            notebook.page.wait_for_timeout(700)
            _save(view.screenshot(animations="disabled"), f"{name}-{theme.lower()}.png")
        notebook.theme("JupyterLab Light")


def _save(data: bytes, name: str) -> None:
    """Save a picture with all its colours, or with 256 if it is too large."""
    if len(data) <= PICTURE_BYTES:
        (IMAGES / name).write_bytes(data)
        return
    picture = Image.open(io.BytesIO(data)).convert("RGB")
    _drawn_with(_palette(picture, 256), picture).save(IMAGES / name, optimize=True)


def _palette(picture: Image.Image, colours: int) -> Colours:
    """Return a palette of a picture's own colours, the most frequent first, each unlike those before it.

    Pillow's methods average colours, so that the red of a small mark turns orange, and greys get a tint.
    """
    found = sorted(picture.getcolors(picture.width * picture.height) or [], reverse=True)[:20_000]
    left = np.array([colour for _, colour in found], dtype=np.int32)
    chosen: list[list[int]] = []
    while len(chosen) < colours and len(left):
        chosen.append(left[0].tolist())
        left = left[np.abs(left - left[0]).max(axis=1) > UNLIKE]
    return np.array(chosen, dtype=np.int32)


def _drawn_with(palette: Colours, picture: Image.Image) -> Image.Image:
    """Return a picture in the nearest colours of a palette; Pillow's own method misses the nearest, even for white."""
    pixels = np.asarray(picture, dtype=np.int32) @ np.array([65_536, 256, 1])
    codes, places = np.unique(pixels, return_inverse=True)
    found = np.stack([codes >> 16, codes >> 8 & 255, codes & 255], axis=1)
    nearest = np.concatenate(
        [
            ((some[:, None] - palette[None]) ** 2).sum(axis=2).argmin(axis=1)
            for some in np.array_split(found, len(found) // 1000 + 1)
        ]
    )
    made = Image.fromarray(nearest[places].reshape(pixels.shape).astype(np.uint8), "P")
    made.putpalette(palette.astype(np.uint8).tobytes())
    return made


def extraction_view(studio: Studio) -> None:
    """A sample with its forecast, and one open row."""
    show = SIGHTING + "view = mf.ExtractionView(notes, Sighting, model=model, sample=30, max_concurrency=6)\nview"
    with studio.notebook("extraction", [show, "view.run(wait=True)"]) as notebook:
        notebook.run_all()
        view = notebook.page.locator(".msgflux-extraction").first
        view.get_by_role("button", name="Run the other").wait_for(timeout=60_000)
        view.locator("tr[data-position]:not([data-s])").nth(-4).click()
        view.locator("tr.mf-detail").wait_for()
        view.locator(".mf-last").evaluate("(rows) => rows.scrollTo(0, rows.scrollHeight)")
        studio.both(notebook, view, "extraction_view")


def tool_call_view(studio: Studio) -> None:
    """Two calls; one has run, the other waits."""
    show = TRIP + "calls = mf.ToolCallView(tools=[next_train, get_forecast])\ncalls"
    ask = "calls.run(model, 'Utrecht to Ghent on Thursday: which train, and will it rain?')"
    with studio.notebook("calls", [show, ask]) as notebook:
        notebook.run_all()
        view = notebook.page.locator(".msgflux-tool-calls").first
        approve = view.get_by_role("button", name="Approve", exact=True)
        approve.first.wait_for(timeout=30_000)
        notebook.page.wait_for_timeout(600)
        approve.first.click()
        view.get_by_text("08:03").first.wait_for()
        notebook.page.wait_for_timeout(600)
        studio.both(notebook, view, "tool_call_view")


def plan_view(studio: Studio) -> None:
    """A game of 24, solved; it needs no model."""
    with studio.notebook("plan", [GAME], width=1152) as notebook:
        notebook.run_all()
        view = notebook.page.locator(".msgflux-twin .msgflux-plan").first
        view.get_by_text("solved at step 3").wait_for(timeout=30_000)
        studio.both(notebook, view, "plan_view")


def schema_picker(studio: Studio) -> None:
    """A structure with a form next to it."""
    form = (
        '{"name": "Invoice", "fields": [{"name": "number", "kind": "str"}, '
        '{"name": "total", "kind": "float", "least": "0", "description": "in euros, with tax"}, '
        '{"name": "due", "kind": "date"}]}'
    )
    show = PERSON + f"picker = mf.SchemaPicker(model, value=Person)\npicker.form = {form}\npicker"
    with studio.notebook("picker", [show]) as notebook:
        notebook.run_all()
        view = notebook.page.locator(".msgflux-picker").first
        view.get_by_text("Build one by form").click()
        studio.both(notebook, view, "schema_picker")


def prefill_editor(studio: Studio) -> None:
    """A start that a model continues, with a space at its end."""
    show = "mf.PrefillEditor('local/smollm2-135m', 'Let’s think step by step. ')"
    with studio.notebook("prefill", [show]) as notebook:
        notebook.run_all()
        studio.both(notebook, notebook.page.locator(".msgflux-prefill").first, "prefill_editor")


def grid_running(studio: Studio) -> None:
    """A running grid with a truth; most answers have come, some are being written."""
    show = CASES.format(cases=list(TRIAGE), models=MODELS, prompts=PROMPTS, made=RUNNING)
    studio.answers.held = {text for text, *_ in TRIAGE[6:]}
    with studio.notebook("grid", [show], width=1180) as notebook:
        notebook.run_all()
        view = notebook.page.locator(".msgflux-grid").first
        view.get_by_text("36 of 60").first.wait_for(timeout=30_000)
        view.locator("tr", has_text="Third time").locator(".mf-cell").nth(2).click()
        view.press("+")
        notebook.page.wait_for_timeout(600)
        studio.both(notebook, view, "grid_running")
        view.get_by_role("button", name="Stop").click()
    studio.answers.held = set()


def grid_view(studio: Studio) -> None:
    """A scored grid of ten mails, three prompts and two models, with one open and rated cell."""
    show = CASES.format(cases=list(TRIAGE), models=MODELS, prompts=PROMPTS, made=RUN)
    with studio.notebook("triage", [show], width=1180) as notebook:
        notebook.run_all()
        view = notebook.page.locator(".msgflux-grid").first
        view.locator("[aria-label], .mf-cell").first.wait_for(timeout=60_000)
        view.locator("tr", has_text="Third time").locator(".mf-cell").nth(2).click()
        view.press("+")
        notebook.page.wait_for_timeout(600)
        studio.both(notebook, view, "grid_view")


def review_view(studio: Studio) -> None:
    """A letter and its fields, with some rows already reviewed."""
    show = GIFTS.format(letter=LETTER)
    with studio.notebook("review", [show]) as notebook:
        notebook.run_all()
        view = notebook.page.locator(".msgflux-review").first
        view.get_by_text("Dear Dr Haas").wait_for(timeout=60_000)
        view.press("n")
        view.get_by_text("bodice of").wait_for()
        for number in range(1, 25):
            view.press("Enter")
            view.get_by_text(f"{number} of 100 read").wait_for()
        for _ in range(25):
            view.press("p")
        view.get_by_text("Dear Dr Haas").wait_for()
        studio.both(notebook, view, "review_view")


def answer(studio: Studio) -> None:
    """Answers as a cell displays them: text, a structure, tool calls."""
    asked = """
display(
    model("Why is the sea salty?"),
    model("Maria Silva, 34, moved to Porto.", generation_schema=Person),
    model("Utrecht to Ghent on Thursday?", tool_schemas=[next_train, get_forecast]),
)"""
    show = PERSON + TRIP + asked
    with studio.notebook("answer", [show]) as notebook:
        notebook.run_all()
        notebook.page.locator(".msgflux-answer").nth(2).wait_for(timeout=30_000)
        studio.both(notebook, notebook.page.locator(".jp-Cell .jp-Cell-outputArea").first, "answer")


def message_builder(studio: Studio) -> None:
    """A conversation with a picture and a name to fill in."""
    show = """from PIL import Image
from PIL.ImageDraw import Draw

picture = Image.new("RGB", (640, 420), "#7fb3d5")
Draw(picture).ellipse((210, 90, 430, 310), fill="#f4d03f")
builder = mf.MessageBuilder(
    [
        {"role": "system", "content": "You describe pictures in {{language}}."},
        {"role": "user", "content": "What is **in** it?"},
        {"role": "assistant", "content": "A *yellow* disc on blue:\\n\\n1. the sun, or\\n2. an egg."},
    ],
    model=model,
    variables={"language": "English"},
)
builder.attach(picture, "sun.png")
builder.draft = "And here?"
builder"""
    with studio.notebook("builder", [show]) as notebook:
        notebook.run_all()
        studio.both(notebook, notebook.page.locator(".msgflux-builder").first, "message_builder")


def playground(studio: Studio) -> None:
    """A structure in light and in dark, and the same in a narrow window."""
    show = PERSON + (
        "playground = mf.Playground(model, prompt='Maria Silva, 34, moved to Porto to open a bakery.')\n"
        "playground.schema = 'Person'\nplayground"
    )
    with studio.notebook("playground", [show, "playground.run(wait=True)"], width=1240, height=1400) as notebook:
        notebook.run_all()
        view = notebook.playground
        view.get_by_text("Porto").first.wait_for()
        notebook.show_cell(0)
        studio.both(notebook, view, "playground")
        notebook.page.set_viewport_size({"width": 620, "height": 1200})
        view.scroll_into_view_if_needed()
        notebook.page.wait_for_timeout(500)
        _save(view.screenshot(animations="disabled"), "playground-narrow.png")


# -- the film ---------------------------------------------------------------------------------------------------------


class Film:
    """Frames of a page, each with its duration."""

    def __init__(self, page: Page, clip: dict[str, float]) -> None:
        self._page, self._clip = page, clip
        self.frames: list[tuple[float, Image.Image]] = []
        self.view = ""  # kept at the top of the window, since JupyterLab scrolls to the running cell

    def shoot(self, seconds: float) -> None:
        """Take frames for some seconds."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            at = time.monotonic()
            if self.view:
                self._page.evaluate(INTO_VIEW, self.view)
            data = self._page.screenshot(clip=self._clip, scale="css", type="png")  # type: ignore[arg-type]
            image = Image.open(io.BytesIO(data)).convert("RGB")
            size = (FILM_WIDTH, round(image.height * FILM_WIDTH / image.width))
            self.frames.append((at, image.resize(size, Image.Resampling.LANCZOS)))
            self._page.wait_for_timeout(max(0, 1000 * (at + 0.12 - time.monotonic())))

    def until(self, done: Callable[[], bool], seconds: float) -> None:
        """Take frames until a condition holds, for at most some seconds."""
        end = time.monotonic() + seconds
        while time.monotonic() < end and not done():
            self.shoot(0.2)

    def save(self, path: Path) -> None:
        """Write a GIF with one palette, of frames from all parts of the film; equal frames become one longer frame.

        Raises:
            ValueError: the file is too large.
        """
        images, times = [self.frames[0][1]], [self.frames[0][0]]
        for at, image in self.frames[1:]:
            if image.tobytes() != images[-1].tobytes():
                images.append(image)
                times.append(at)
        shown = [
            max(40, round(1000 * (after - at))) for at, after in zip(times, [*times[1:], times[-1] + 1.5], strict=True)
        ]
        sample = _above_each_other(images[:: max(1, len(images) // 8)])
        for colours in (256, 192, 128, 96, 64):
            palette = _palette(sample, colours)
            drawn = [_drawn_with(palette, image) for image in images]
            drawn[0].save(path, save_all=True, append_images=drawn[1:], duration=shown, loop=0, optimize=True)
            if path.stat().st_size <= FILM_BYTES:
                break
        print(f"{path.name}: {path.stat().st_size / 1e6:.2f} MB, {sum(shown) / 1000:.1f} s, {len(images)} frames")
        if path.stat().st_size > FILM_BYTES:
            raise ValueError(f"the film has {path.stat().st_size:,} bytes, more than {FILM_BYTES:,}")


def _above_each_other(images: list[Image.Image]) -> Image.Image:
    """Return one picture of several of the same size, one above the other, so that a palette has the colours of all."""
    sheet = Image.new("RGB", (images[0].width, sum(image.height for image in images)))
    for number, image in enumerate(images):
        sheet.paste(image, (0, number * image.height))
    return sheet


def film(studio: Studio) -> None:
    """Film twenty seconds: a message, a streaming structure, the approval of a tool call, a table that fills."""
    talk = PERSON + "playground = mf.Playground(model)\nplayground.schema = 'Person'\nplayground"
    tools = TRIP + "calls = mf.ToolCallView(tools=[next_train, get_forecast])\ncalls"
    ask = "calls.run(model, 'Utrecht to Ghent on Thursday: which train, and will it rain?')"
    table = SIGHTING + "view = mf.ExtractionView(notes, Sighting, model=model, max_concurrency=8)\nview"
    cells = [talk, tools, table, ask, "view.run()"]
    with studio.notebook("film", cells, width=1060, height=700) as notebook:
        page = notebook.page
        for index in range(3):
            notebook.run_cell(index)
        box = page.locator(".jp-NotebookPanel .jp-WindowedPanel-outer").first.bounding_box()
        assert box is not None
        shown = Film(page, {**box, "height": min(box["height"], 620)})
        _to(notebook, ".msgflux-playground")
        message = notebook.playground.locator("textarea:visible").first
        message.click()
        for part in ("Maria Silva, 34, ", "moved to Porto ", "to open a bakery."):
            page.keyboard.insert_text(part)
            shown.shoot(0.3)
        page.keyboard.press("Shift+Enter")
        shown.shoot(5)
        notebook.start_cell(3)
        shown.view = ".msgflux-tool-calls:not(.msgflux-playground *)"  # not the one in a playground's tab
        calls = page.locator(shown.view).first
        approve = calls.get_by_role("button", name="Approve", exact=True)
        shown.until(lambda: approve.count() > 0 and approve.first.is_visible(), 4)
        shown.shoot(0.8)
        for _ in range(2):
            if approve.count():
                approve.first.click()
            shown.shoot(0.8)
        shown.shoot(2)
        notebook.start_cell(4)
        shown.view = ".msgflux-extraction.msgflux-live"
        shown.shoot(7)
        shown.save(IMAGES / "film.gif")


def _to(notebook: Notebook, selector: str) -> None:
    """Scroll a view to the top of the window."""
    notebook.page.evaluate(INTO_VIEW, selector)
    notebook.page.wait_for_timeout(200)


PICTURES: dict[str, Callable[[Studio], None]] = {
    "extraction_view": extraction_view,
    "tool_call_view": tool_call_view,
    "plan_view": plan_view,
    "schema_picker": schema_picker,
    "prefill_editor": prefill_editor,
    "grid_running": grid_running,
    "grid_view": grid_view,
    "review_view": review_view,
    "answer": answer,
    "message_builder": message_builder,
    "playground": playground,
    "film": film,
}


def main() -> None:
    """Take the named pictures, or all."""
    options = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    options.add_argument("--only", nargs="+", choices=sorted(PICTURES), default=sorted(PICTURES))
    chosen = options.parse_args()
    IMAGES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, serving() as server, sync_playwright() as playwright:
        answers = Answers(server)
        browser = playwright.chromium.launch(executable_path=find_chromium(), args=ARGUMENTS)
        lab = Lab(Path(folder))
        try:
            for name in chosen.only:
                PICTURES[name](Studio(lab, browser, server.url, answers))
                print(name, flush=True)
        finally:
            browser.close()
            lab.stop()


if __name__ == "__main__":
    main()
