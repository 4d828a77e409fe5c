"""Run a notebook from top to bottom without a browser, and print its last table.

    python scripts/run_notebook.py NOTEBOOK

If a cell fails, it prints the cell and the error and exits with 1. The notebook on disk does not change.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError

CELL_SECONDS = 900  # enough for a whole table by a small model on two slow cores


def last_table(notebook: nbformat.NotebookNode) -> str | None:
    """Return the text of the last DataFrame that a cell displays, or None."""
    for cell in reversed(notebook.cells):
        for output in reversed(cell.get("outputs", [])):
            data = output.get("data", {})
            if 'class="dataframe"' in data.get("text/html", ""):
                return str(data["text/plain"])
    return None


def run(path: Path) -> nbformat.NotebookNode:
    """Execute the cells in the notebook's folder, and count them on stderr, in a terminal on a single line."""
    notebook = nbformat.read(path, as_version=4)
    numbers = [index for index, cell in enumerate(notebook.cells) if cell.cell_type == "code"]
    terminal = sys.stderr.isatty()

    def started(cell: nbformat.NotebookNode, cell_index: int) -> None:
        if terminal and cell_index in numbers:
            print(f"\rcell {numbers.index(cell_index) + 1} of {len(numbers)} ", end="", file=sys.stderr, flush=True)

    # Below this level, a kernel warns of its own transport.
    quiet = ["--log-level=ERROR"]
    resources: dict[str, Any] = {"metadata": {"path": str(path.parent)}}
    client = NotebookClient(
        notebook, timeout=CELL_SECONDS, kernel_name="python3", resources=resources, extra_arguments=quiet
    )
    client.on_cell_execute = started
    try:
        client.execute()
    finally:
        if terminal:
            print(file=sys.stderr)
    return notebook


def main(path: str) -> int:
    """Run, print, and return the exit code."""
    if not Path(path).is_file():
        print(f"there is no notebook {path}", file=sys.stderr)
        return 1
    try:
        notebook = run(Path(path))
    except (CellExecutionError, CellTimeoutError, DeadKernelError) as error:
        print(error, file=sys.stderr)
        return 1
    table = last_table(notebook)
    if table is None:
        print(f"{path} ran, but shows no table", file=sys.stderr)
        return 1
    print(table)
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
