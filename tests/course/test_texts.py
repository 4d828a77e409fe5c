"""Tests the text cells of the notebooks."""

from __future__ import annotations

from pathlib import Path

import nbformat
import pytest

NOTEBOOKS = sorted((Path(__file__).parents[2] / "notebooks").rglob("*.ipynb"))


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_no_sum_of_money_is_read_as_a_formula(path: Path) -> None:
    """JupyterLab draws text between two dollar signs as a formula, so write *dollars*."""
    cells = nbformat.read(path, as_version=4).cells
    assert [cell.source for cell in cells if cell.cell_type == "markdown" and "$" in cell.source] == []
