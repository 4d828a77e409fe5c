"""Run a notebook from top to bottom without a browser, and print the last table in it.

    python scripts/run_notebook.py NOTEBOOK

Exits with 1, and says which cell failed and how, if one fails. The notebook on disk stays as it is.
"""

from __future__ import annotations

import sys
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError


def last_table(notebook: nbformat.NotebookNode) -> str | None:
    """Return the text of the last DataFrame that a cell shows, or None."""
    for cell in reversed(notebook.cells):
        for output in reversed(cell.get("outputs", [])):
            data = output.get("data", {})
            if 'class="dataframe"' in data.get("text/html", ""):
                return str(data["text/plain"])
    return None


def main(path: str) -> int:
    """Run, print, and return the exit code."""
    notebook = nbformat.read(path, as_version=4)
    cells = sum(cell.cell_type == "code" for cell in notebook.cells)

    def started(cell: nbformat.NotebookNode, cell_index: int) -> None:
        if cell.cell_type == "code":
            done = sum(c.cell_type == "code" for c in notebook.cells[: cell_index + 1])
            print(f"\rcell {done} of {cells} ", end="", file=sys.stderr, flush=True)

    client = NotebookClient(
        notebook, timeout=900, kernel_name="python3", resources={"metadata": {"path": str(Path(path).parent)}}
    )
    client.on_cell_execute = started
    try:
        client.execute()
    except CellExecutionError as error:
        print(f"\n{error}", file=sys.stderr)
        return 1
    print(file=sys.stderr)
    table = last_table(notebook)
    if table is None:
        print(f"{path} ran, but shows no table", file=sys.stderr)
        return 1
    print(table)
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
