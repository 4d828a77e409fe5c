"""Make the course's notebooks from their sources, for students or with solutions.

``python scripts/lessons.py`` writes the students' notebooks into notebooks/course, with the outputs of a run on the
recordings; ``--key FOLDER`` writes those with solutions; ``--only 03`` makes one. A source is Markdown: a block
``python`` is a code cell, the text between two of them a text cell. ``# SOLUTION`` … ``# END`` is only for the key.
"""

from __future__ import annotations

import argparse
import os
import re
import sys
from pathlib import Path
from typing import Any

import nbformat
from nbclient import NotebookClient

ROOT = Path(__file__).parent.parent
FOLDER = ROOT / "notebooks" / "course"
_CELL = re.compile(r"^```python\n(.*?)^```$\n?", re.M | re.S)
_SOLUTION = re.compile(r"^# SOLUTION\n(.*?)^# END\n", re.M | re.S)
_WATCH_FOR = re.compile(r"^<!-- watch for: (.*?) -->\n\n")
_PLACEHOLDER = re.compile(r"^answer = \.\.\.\n(?=# SOLUTION\n)", re.M)
MINUTES = 25
LIVE = frozenset(("11_from_texts_to_a_table",))  # these ask a model, and their outputs differ


def notebook(source: str, *, key: bool) -> Any:
    """Return a notebook without outputs."""
    watch_for = _WATCH_FOR.match(source)
    cells, end = [], watch_for.end() if watch_for else 0
    for found in _CELL.finditer(source):
        cells += _texts(source[end : found.start()])
        code = _SOLUTION.sub(r"\1", _PLACEHOLDER.sub("", found[1])) if key else _SOLUTION.sub("", found[1])
        if not key:
            code = re.sub(
                r"(^answer = \.\.\.\n)\n+", r"\1", code, flags=re.M
            )  # blank lines around a function of the key
        cells.append(nbformat.v4.new_code_cell(code.strip("\n")))
        end = found.end()
    cells += _texts(source[end:])
    for number, cell in enumerate(cells):
        cell["id"] = f"cell-{number:02d}"
        heading = cell.cell_type == "markdown" and cell.source.startswith("#")
        cell.metadata["slideshow"] = {"slide_type": "slide" if heading else "-"}
    made = nbformat.v4.new_notebook(cells=cells)
    made.metadata["kernelspec"] = {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"}
    made.metadata["language_info"] = {"name": "python"}
    told = {"minutes": MINUTES, "recorded_cost_dollars": 0.0, "watch_for": watch_for[1] if watch_for else ""}
    cells[0].metadata["msgflux_nb"] = told
    return made


def _texts(text: str) -> list[Any]:
    return [nbformat.v4.new_markdown_cell(text.strip("\n"))] if text.strip() else []


def run(made: Any, folder: Path, name: str) -> None:
    """Run a notebook in a folder; raise the error of a cell."""
    os.environ.setdefault("MSGFLUX_REPLAY_SPEED", "1")  # so that replays in the page keep their timing
    # Without the widgets' state, as JupyterLab saves it: without a kernel, a view shows its twin.
    resources = {"metadata": {"path": str(folder)}}
    NotebookClient(made, timeout=300, resources=resources, store_widget_state=False).execute()
    for cell in made.cells:
        cell.metadata.pop("execution", None)  # times differ in every run
        if cell.cell_type == "code" and folder == FOLDER and not _shows_a_widget(cell) and name not in LIVE:
            cell.metadata["tags"] = ["nbval-check-output"]


def _shows_a_widget(cell: Any) -> bool:
    return any("widget-view" in kind for output in cell.outputs for kind in output.get("data", {}))


def main(argv: list[str] | None = None) -> int:
    """Make the notebooks; return 0, or 1 if one fails."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--key", type=Path, help="write the notebooks with solutions into this folder instead")
    parser.add_argument("--only", help="the start of a name, such as 03")
    asked = parser.parse_args(argv)
    target = asked.key or FOLDER
    target.mkdir(parents=True, exist_ok=True)
    failed = 0
    for source in sorted((FOLDER / "source").glob(f"{asked.only or ''}*.md")):
        made = notebook(source.read_text(encoding="utf-8"), key=asked.key is not None)
        try:
            run(made, target, source.stem)
        except Exception as error:
            failed += 1
            print(f"{source.stem}: {str(error)[-1500:]}", file=sys.stderr)
            continue
        nbformat.write(made, target / f"{source.stem}.ipynb")
        print(f"{source.stem}: {len(made.cells)} cells")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
