"""Take the pictures of docs/gallery.md from the page's own code and recordings.

``python scripts/gallery.py`` runs the page's code in order, draws for each item the value that ``SHOWN`` names, and
writes small pictures to docs/images/gallery.
"""

from __future__ import annotations

import contextlib
import html
import io
import re
import shutil
import sys
import tempfile
import types
from pathlib import Path
from typing import Any

from playwright.sync_api import Page, sync_playwright

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))
PAGE, FOLDER = ROOT / "docs" / "gallery.md", ROOT / "docs" / "images" / "gallery"
CHROMIUMS = ("chromium", "chromium-headless-shell", "chromium-browser", "google-chrome", "google-chrome-stable")
WIDTH, HEIGHT = 640, 420

# By the item's heading: the name of its picture, and the value to draw.
SHOWN = {
    "Ask, and see the bill": ("ask", "response"),
    "Stream": ("stream", "pieces(model)"),
    "Go on with a conversation": ("go_on", "mf.MessageBuilder(history)"),
    "See what a token could have been": ("candidates", "bars(first.top[:8])"),
    "Draw many times": ("draws", "bars(Counter(text.lower().strip('. ') for text in texts).most_common(8))"),
    "Begin the answer": ("begin", 'mf.PrefillEditor(cold, value=\'{"place": "\')'),
    "Compare prompts and models": ("compare", "table.mf.scores()[['right', 'low', 'high']].round(2)"),
    "Decode to a type": ("decode", "mf.to_frame([Person('Ada', 36), Person('Bruno', 41)])"),
    "Put a streamed call together": ("streamed_call", "mf.to_frame(aggregator.get_calls())"),
    "Give a model functions": ("functions", "mf.tool_schemas([add])[0]"),
    "Answer calls, and go on": ("answer_calls", "mf.MessageBuilder(aggregator.get_messages())"),
    "Let it reason and act": ("react", "mf.PlanView(run)"),
    "Vote": ("vote", "mf.PlanView(vote)"),
    "Search a tree": ("tree", "mf.PlanView(tree)"),
    "Texts to a table": ("table", "releases[['package', 'version', 'mood', '_status']].head(6)"),
    "Find where a value stands": ("spans", "mf.ReviewView(releases)"),
    "Score against a truth": ("score", "mf.score(releases, truth)"),
    "Catch what failed, and keep the answer so far": ("catch", "caught(flaky)"),
    "Retry by itself": ("retry", "answer"),
    "Look into a recording": ("recording", "model.recorded[['question', 'options', 'status', 'seconds']]"),
    "Forecast what a batch will cost": (
        "forecast",
        "mf.to_frame([tried.attrs['report']['forecast']]).T.rename(columns={0: 'forecast'})",
    ),
    "Check an exercise": ("check", "mf.lesson('04').a.check('{')"),
}
STYLE = """<meta charset="utf-8"><style>
:root { --jp-layout-color0: #fff; --jp-ui-font-color0: #000; --jp-ui-font-color1: rgba(0, 0, 0, 0.87);
  --jp-brand-color1: #1976d2; --jp-success-color1: #388e3c; --jp-warn-color1: #f57c00; --jp-error-color1: #d32f2f;
  --jp-ui-font-family: Inter, sans-serif; --jp-content-font-family: Inter, sans-serif;
  --jp-code-font-family: "JetBrains Mono", monospace; }
body { margin: 0; background: #fff; color: rgba(0, 0, 0, 0.87); font: 14px/1.5 Inter, sans-serif; }
#shown { width: max-content; min-width: 320px; max-width: 600px; padding: 16px; }
#shown:has(.msgflux-twin) { width: 600px; }
#shown table.dataframe { border: 0; border-collapse: collapse; font-size: 13px; font-variant-numeric: tabular-nums; }
#shown table.dataframe :is(td, th) { border: 0; border-bottom: 1px solid #e0e0e0; line-height: 20px;
  padding: 4px 20px 4px 0; text-align: left; vertical-align: top; }
#shown table.dataframe .number { text-align: right; }
#shown table.dataframe :is(td, th):last-child { padding-right: 0; }
#shown table.dataframe thead th { border-bottom-color: #c2c2c2; font-weight: 600; }
#shown table.dataframe tbody th { color: #5e5e5e; font-weight: 400; }
pre { margin: 0; font: 12px/1.65 "JetBrains Mono", monospace; white-space: pre-wrap; }
.piece { padding: 1px 0; }
.piece { border-radius: 3px; }
.piece:nth-child(odd) { background: #e1ecf7; }
.piece:nth-child(even) { background: #f1f1f1; }
.bar { display: grid; grid-template-columns: 110px 1fr 50px; gap: 8px; width: 380px; font-size: 13px; margin: 2px 0; }
.bar i { background: #bdbdbd; border-radius: 2px; display: block; height: 14px; margin-top: 3px; }
</style>"""

# Columns of numbers stand to the right, those of texts to the left.
NUMBERS = """() => {
  const isNumber = (cell) => /^([-+]?[0-9][0-9,]*([.][0-9]+)?(e[-+]?[0-9]+)?|NaN|<NA>)$/.test(cell.textContent.trim());
  for (const table of document.querySelectorAll("table.dataframe")) {
    const rows = [...table.tBodies[0].rows];
    for (let back = 1; back < rows[0].cells.length; back += 1) {
      const column = rows.map((row) => row.cells[row.cells.length - back]).filter((cell) => cell?.tagName === "TD");
      if (!column.length || !column.every(isNumber)) continue;
      for (const row of table.rows) row.cells[row.cells.length - back]?.classList.add("number");
    }
  }
}"""


class Html(str):
    """HTML made by this script."""


def pieces(model: Any) -> Html:
    """Draw the pieces of a stream."""
    told = model("What is a token?", system_prompt="You answer in one short sentence.", stream=True)
    return Html("".join(f'<span class="piece">{html.escape(text)}</span>' for text in told))


def bars(counted: Any) -> Html:
    """Draw names with numbers; logarithms as probabilities."""
    import math

    rows = [(name, math.exp(value) if value < 0 else value) for name, value in counted]
    most = max(value for _, value in rows)
    drawn = (
        f'<div class="bar"><span>{html.escape(name)}</span><i style="width: {100 * value / most:.0f}%"></i>'
        f"<span>{value if isinstance(value, int) else round(value, 2)}</span></div>"
        for name, value in rows
    )
    return Html("".join(drawn))


def caught(model: Any) -> Html:
    """Draw an error with its evidence."""
    import msgflux_nb as mf

    try:
        model("A stream that is cut", stream=True).consume()
    except mf.StreamInterruptedError as error:
        return Html(
            f"<pre><b>{type(error).__name__}</b>: {html.escape(str(error))}\n\nkept: {error.snapshot.text!r}</pre>"
        )
    raise AssertionError("the recorded stream ends before its end")


def drawn(value: Any) -> str:
    """Return the HTML of a value in a saved notebook."""
    if isinstance(value, Html):
        return value
    for way in ("_twin", "_repr_mimebundle_"):
        if hasattr(value, way):
            bundle = getattr(value, way)()
            bundle = bundle[0] if isinstance(bundle, tuple) else bundle
            if "text/html" in bundle:
                return str(bundle["text/html"])
    if hasattr(value, "_repr_html_"):
        return str(value._repr_html_())
    import json

    return f"<pre>{html.escape(json.dumps(value, indent=2))}</pre>"


def values() -> dict[str, str]:
    """Run the page; return the HTML of each item by the name of its picture."""
    module = types.ModuleType("gallery")
    sys.modules[module.__name__] = module
    module.__dict__.update(pieces=pieces, bars=bars, caught=caught)
    found = {}
    for part in re.split(r"^## ", PAGE.read_text(encoding="utf-8"), flags=re.M):
        with contextlib.redirect_stdout(io.StringIO()):
            for code in re.findall(r"^```python\n(.*?)^```", part, flags=re.M | re.S):
                exec(code, module.__dict__)  # noqa: S102  # our own page
            title = part.partition("\n")[0].strip()
            if title in SHOWN:
                name, expression = SHOWN[title]
                found[name] = drawn(eval(expression, module.__dict__))  # noqa: S307  # our own table
    return found


def take(page: Page, markup: str, target: Path) -> None:
    """Draw HTML and save its picture."""
    page.set_content(STYLE + f'<div id="shown">{markup}</div>')
    page.evaluate(NUMBERS)
    page.wait_for_timeout(400)
    box = page.locator("#shown").bounding_box() or {"width": WIDTH, "height": HEIGHT}
    clip = {"x": 0, "y": 0, "width": min(box["width"], WIDTH), "height": min(box["height"], HEIGHT)}
    page.screenshot(path=target, clip=clip)  # type: ignore[arg-type]  # a dict of that form


def main() -> int:
    """Take all pictures."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    chromium = next(filter(None, map(shutil.which, CHROMIUMS)))
    with tempfile.TemporaryDirectory() as empty, contextlib.chdir(empty), sync_playwright() as playwright:
        markups = values()
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        context = browser.new_context(viewport={"width": WIDTH, "height": 900}, device_scale_factor=2)
        for name, markup in markups.items():
            take(context.new_page(), markup, FOLDER / f"{name}.png")
        browser.close()
    total = sum(path.stat().st_size for path in FOLDER.glob("*.png"))
    print(f"{len(markups)} pictures, {total / 1e3:.0f} kB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
