"""Make slides of the lessons: HTML pages that need no kernel and no network, with views that replay.

``python scripts/slides.py FOLDER`` writes one page per notebook of notebooks/course; ``--only 07`` one of them. A slide
begins at each heading. Arrow keys, space and Page Up and Down move; Home and End go to the first and last slide.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from nbconvert import HTMLExporter

COURSE = Path(__file__).parent.parent / "notebooks" / "course"
STYLE = """<style>
body { zoom: 1.5; }
main { max-width: 60rem; margin: 0 auto; padding: 1rem 1rem 3rem; }
section[hidden] { display: none; }
.jp-InputPrompt, .jp-OutputPrompt { display: none; }
#slide-number { position: fixed; right: 1rem; bottom: .6rem; font: .75rem sans-serif; color: #767676; }
@media print { section[hidden] { display: block; } section { break-after: page; } #slide-number { display: none; } }
</style>"""
SCRIPT = """<script>
const cells = [...document.querySelectorAll('.jp-Cell')], parent = cells[0].parentNode, slides = [];
for (const cell of cells) {
  if (!slides.length || cell.querySelector('.jp-RenderedMarkdown :is(h1, h2, h3)')) {
    slides.push(parent.appendChild(document.createElement('section')));
  }
  slides.at(-1).append(cell);
}
const number = document.body.appendChild(document.createElement('div'));
number.id = 'slide-number';
let place = 0;
function show(to) {
  place = Math.min(Math.max(to, 0), slides.length - 1);
  slides.forEach((slide, at) => { slide.hidden = at !== place; });
  number.textContent = `${place + 1} / ${slides.length}`;
  history.replaceState(null, '', `#${place + 1}`);
  scrollTo(0, 0);
}
const KEYS = { ArrowRight: 1, PageDown: 1, ' ': 1, ArrowLeft: -1, PageUp: -1, Home: -1e9, End: 1e9 };
document.addEventListener('keydown', (event) => {
  if (event.target.closest('.msgflux-twin, input, button, a') || !(event.key in KEYS)) return; // a replay's own keys
  event.preventDefault();
  show(place + KEYS[event.key]);
});
show(Number(location.hash.slice(1) || 1) - 1);
</script>"""


def slides(notebook: Path) -> str:
    """Return a page with the slides of a saved notebook."""
    exporter = HTMLExporter(mathjax_url="", require_js_url="", jquery_url="", mermaid_js_url="")
    html, _ = exporter.from_filename(str(notebook))
    return html.replace("</head>", f"{STYLE}</head>", 1).replace("</body>", f"{SCRIPT}</body>")


def main(argv: list[str] | None = None) -> int:
    """Write the pages."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--only", default="", help="the start of a name, such as 07")
    asked = parser.parse_args(argv)
    asked.folder.mkdir(parents=True, exist_ok=True)
    for notebook in sorted(COURSE.glob(f"{asked.only}*.ipynb")):
        page = asked.folder / f"{notebook.stem}.html"
        page.write_text(slides(notebook), encoding="utf-8")
        print(page)
    return 0


if __name__ == "__main__":
    sys.exit(main())
