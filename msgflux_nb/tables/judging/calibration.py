"""The calibration of a confidence: how many of the cells in each band are right."""

from __future__ import annotations

import html
import itertools
import math
from collections.abc import Iterable
from typing import Any

import msgspec
import pandas as pd

from ..reviewing.intervals import wilson

__all__ = ["Calibration", "calibration_of"]

_EDGES = (0.0, 0.5, 0.7, 0.8, 0.9, 0.95, 0.99, 1.0)


class Calibration(msgspec.Struct, frozen=True, eq=False):
    """How often cells are right at each confidence. A notebook displays it as a table with a plot.

    Attributes:
        bands: one row per band of confidence with cells: their mean ``confidence``, their ``accuracy``, the number of
            ``cells`` and how many are ``right``, and the 95 % interval of the accuracy, ``low`` to ``high``.
        error: the expected calibration error, the mean difference of confidence and accuracy over all cells (Naeini,
            Cooper and Hauskrecht 2015); 0 is perfect, NaN means no cells.
        missing: the number of cells without a confidence, which are in no band.
    """

    bands: pd.DataFrame
    error: float
    missing: int

    def to_frame(self) -> pd.DataFrame:
        """Return ``bands``."""
        return self.bands

    def __repr__(self) -> str:
        cells = int(self.bands["cells"].sum())
        off = f" · off by {100 * self.error:.1f} points on average" if cells else ""
        missing = f" · {self.missing:,} without a confidence" if self.missing else ""
        return f"Calibration({cells:,} cells{off}{missing})"

    def _repr_mimebundle_(self, **_: Any) -> dict[str, str]:
        return {"text/html": self.to_html(), "text/plain": f"{self!r}\n{self.bands.to_string()}"}

    def to_html(self) -> str:
        """Return the HTML that a notebook displays."""
        heads = ("sure", "right", "right at least – at most", "", "cells")
        head = "".join(f'<th style="{_CELL}">{one}</th>' for one in heads)
        body = "".join(
            f'<tr><td style="{_CELL}">{html.escape(str(band))}</td>'
            f'<td style="{_CELL}">{100 * row["accuracy"]:.0f} %</td>'
            f'<td style="{_CELL}">{100 * row["low"]:.0f} – {100 * row["high"]:.0f} %</td><td>{_track(row)}</td>'
            f'<td style="{_CELL}">{int(row["cells"]):,}</td></tr>'
            for band, row in self.bands.iterrows()
        )
        return (
            f'<div style="{_STYLE}"><div>{html.escape(repr(self)[12:-1])}</div>'
            '<table style="border-collapse: collapse; font: inherit; color: inherit; margin: 4px 0">'
            f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
            "<div>bar: where the accuracy lies · dot: the accuracy · line: the confidence that was given</div></div>"
        )


def calibration_of(cells: Iterable[tuple[Any, bool]]) -> Calibration:
    """Return the calibration of some cells.

    Args:
        cells: for each cell its confidence, missing or from 0 to 1, and whether it is right.

    Example:
        >>> print(calibration_of([(0.95, True), (0.92, False), (0.3, False), (None, True)]))
        Calibration(3 cells · off by 39.0 points on average · 1 without a confidence)
    """
    found = [(None if pd.isna(sure) else float(sure), bool(right)) for sure, right in cells]
    known = [(sure, right) for sure, right in found if sure is not None]
    rows, names, off = [], [], 0.0
    for low, high in itertools.pairwise(_EDGES):
        here = [(sure, right) for sure, right in known if low <= sure and (sure < high or high == _EDGES[-1])]
        if not here:
            continue
        right = sum(right for _, right in here)
        mean = sum(sure for sure, _ in here) / len(here)
        names.append(f"{low:g} to {high:g}")
        rows.append((mean, right / len(here), right, len(here), *wilson(right, len(here))))
        off += abs(mean - right / len(here)) * len(here)
    heads = ("confidence", "accuracy", "right", "cells", "low", "high")
    table = pd.DataFrame(rows, columns=pd.Index(heads), index=pd.Index(names, name="sure", dtype="string"))
    table = table.astype({name: "Int64" if name in ("right", "cells") else "Float64" for name in heads})
    return Calibration(table, off / len(known) if known else math.nan, len(found) - len(known))


_STYLE = "font-family: var(--jp-ui-font-family, sans-serif); font-size: 13px; max-width: 100%; overflow-x: auto"
_CELL = "padding: 2px 8px; text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap"
_WIDTH = 180  # pixels


def _track(row: Any) -> str:
    """Draw a line from 0 to 1 with the interval, the accuracy and the confidence, in markup that a notebook keeps."""
    low, high, here, given = (_WIDTH * float(row[name]) for name in ("low", "high", "accuracy", "confidence"))
    marks = (
        (low, max(2.0, high - low), 8, 4, "var(--jp-success-color1, #388e3c)", "opacity: 0.45; border-radius: 4px"),
        (here - 4, 8, 8, 4, "var(--jp-success-color1, #388e3c)", "border-radius: 50%"),
        (given - 1, 2, 16, 0, "var(--jp-ui-font-color1, #222)", ""),
    )
    drawn = "".join(
        f'<div style="position: absolute; left: {left:.0f}px; top: {top}px; width: {width:.0f}px; height: {height}px; '
        f'background: {colour}; {more}"></div>'
        for left, width, height, top, colour, more in marks
    )
    background = "var(--jp-layout-color2, #eee)"
    return (
        f'<div style="position: relative; width: {_WIDTH}px; height: 16px; margin: 2px 12px; '
        f'border-left: 1px solid {background}; border-right: 1px solid {background}">'
        f'<div style="position: absolute; top: 7px; width: 100%; height: 2px; background: {background}"></div>'
        f"{drawn}</div>"
    )
