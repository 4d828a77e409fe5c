"""Compares a result with the truth: the number of right cells per field, and the cells that differ."""

from __future__ import annotations

import dataclasses
import html
from collections import Counter
from collections.abc import Sequence
from typing import Any

import pandas as pd

from ..errors import brief, printable
from .arrays import is_missing, objects
from .compare import Normalise, normalised, same_cell
from .frame import to_frame
from .frames.foreign import to_pandas
from .judging.calibration import Calibration, calibration_of
from .judging.confidence import confidence_or_none
from .outcome import FAILURES, UNANSWERED
from .report import RUN_COLUMNS

__all__ = ["Score", "score"]

Pair = tuple[int | None, int | None]

_VERDICTS = ("missing", "extra", "different")
_SHOWN = 20
_LONGEST = 200


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Score:
    """The accuracy of a result. A notebook displays it as tables.

    Attributes:
        fields: one row per field, with ``accuracy`` from 0 to 1, the number of ``rows``, and the numbers that are
            ``right``, ``missing`` (only the truth has a value), ``extra`` (only the result has one) and ``different``.
        differences: one row per cell that is not right, under the row's label: ``field, found, expected``.
        rows: the number of rows that were compared.
        unanswered: the number of rows that were not, since they were never sent or were interrupted.
        unmatched: the number of rows of the result without a truth, or of the truth without a result.
        calibration: how often cells are right at each confidence; None if the result was extracted without
            ``confidence=``, or its run is no longer known.
    """

    fields: pd.DataFrame
    differences: pd.DataFrame
    rows: int
    unanswered: int
    unmatched: int
    calibration: Calibration | None = None

    @property
    def accuracy(self) -> float:
        """The share of cells that are right, from 0 to 1; NaN if none were compared."""
        cells = int(self.fields["rows"].sum())
        return int(self.fields["right"].sum()) / cells if cells else float("nan")

    def to_frame(self) -> pd.DataFrame:
        """Return ``fields``."""
        return self.fields

    def __repr__(self) -> str:
        return f"Score({self._summary()})"

    def _summary(self) -> str:
        right, cells = int(self.fields["right"].sum()), int(self.fields["rows"].sum())
        parts = [f"{_percent(self.accuracy)} right, {right:,} of {cells:,} cells", f"{self.rows:,} rows"]
        parts += [f"{self.unanswered:,} not answered"] if self.unanswered else []
        parts += [f"{self.unmatched:,} without a counterpart"] if self.unmatched else []
        return " · ".join(parts)

    def _repr_mimebundle_(self, **_: Any) -> dict[str, str]:
        return {"text/html": self._drawn(), "text/plain": printable(f"{self!r}\n{self.fields.to_string()}")}

    def _drawn(self) -> str:
        heads = ("field", "accuracy", "", "right", "of", *_VERDICTS)
        body = [
            [_text(name), _percent(row["accuracy"]), _bar(row["accuracy"])]
            + [f"{row[head]:,}" for head in ("right", "rows", *_VERDICTS)]
            for name, row in self.fields.iterrows()
        ]
        shown = self.differences.head(_SHOWN)
        cells = [[_text(label), *map(_text, row)] for label, *row in shown.itertuples(name=None)]
        left = len(self.differences) - len(shown)
        more = f"<div>… and {left:,} more in <code>.differences</code></div>" if left else ""
        unlike = f"{len(self.differences):,} cells differ" if len(self.differences) else "no cell differs"
        details = _table(("row", *self.differences.columns), cells, numbers=False) + more
        return (
            f'<div style="{_STYLE}"><div>{html.escape(self._summary())}</div>{_table(heads, body)}'
            + (f"<details><summary>{unlike}</summary>{details}</details>" if cells else f"<div>{unlike}</div>")
            + ("" if self.calibration is None else self.calibration.to_html())
            + "</div>"
        )


def score(
    result: Any, truth: Any, *, fields: Sequence[str] | None = None, normalise: Normalise | None = normalised
) -> Score:
    """Compare a result with the truth, field by field.

    Rows are matched by their labels. Rows with equal labels are matched in order; if one side has more of them, as
    after ``explode``, the others are compared with missing cells. The truth may cover only some rows. A row that failed
    is wrong in every field; a row that was never sent does not count.

    Two cells are equal if they have the same meaning: texts are compared in composed Unicode with single spaces,
    numbers by value (floats with a relative tolerance of a billionth), datetimes in UTC; a blank text is missing. A
    text compared with a number, a boolean, a datetime or a list is read as that type, since truths often come from
    CSV. Case counts; to ignore it, pass ``normalise=lambda text: text.casefold()``.

    Args:
        result: the frame of :func:`extract`, or any other; or values that :func:`to_frame` takes.
        truth: a DataFrame with the same labels and column names (other columns do not matter), a Series of one field,
            or a list of Structs or dicts, one for each row of the result, in its order.
        fields: the columns to compare; None for all that both have.
        normalise: applied to texts before they are compared; None to compare them unchanged.

    Returns:
        A :class:`Score`: right cells by field, and each cell that differs.

    Raises:
        ValueError: no label or no column is in both, ``fields`` names one that is not, or a list has another length
            than the result.

    Example:
        >>> result = pd.DataFrame({"city": ["Ghent", "Ur"], "people": [265_086, 3]})
        >>> score(result, pd.DataFrame({"city": ["Ghent", "Uruk"], "people": ["265086", "3"]}))
        Score(75.0 % right, 3 of 4 cells · 2 rows)
    """
    result = to_pandas(result)
    found = result if isinstance(result, pd.DataFrame) else to_frame(result)
    expected = _truth(to_pandas(truth), found)
    names = _common(found, expected, fields)
    states = found["_status"].tolist() if "_status" in found.columns else [None] * len(found)
    pairs, unmatched = _pairs(found.index, expected.index)
    known = [pair for pair in pairs if pair[0] is None or states[pair[0]] not in UNANSWERED]
    labels = found.index.append(expected.index)
    where = [here if here is not None else len(found) + (there or 0) for here, there in known]
    failed = [here is not None and states[here] in FAILURES for here, _ in known]
    rows, differences, told = [], [], []
    sure = confidence_or_none(found)
    for order, name in enumerate(names):
        ours, theirs = found[name].tolist(), expected[name].tolist()
        counts: Counter[str] = Counter()
        beside = None if sure is None or name not in sure.columns else sure[name].tolist()
        for place, (here, there) in enumerate(known):
            pair = None if here is None else ours[here], None if there is None else theirs[there]
            verdict = _verdict(*pair, failed[place], normalise)
            counts[verdict] += 1
            if beside is not None and here is not None and not failed[place]:
                told.append((beside[here], verdict == "right"))
            if verdict != "right":
                differences.append((where[place], place, order, name, *pair))
        rows.append([counts["right"] / len(known) if known else None, counts["right"], len(known)])
        rows[-1] += [counts[verdict] for verdict in _VERDICTS]
    differences.sort(key=lambda one: one[1:3])  # by row, then by field
    return Score(
        fields=_field_table(names, rows),
        differences=_difference_table(differences, labels, list(found.index.names)),
        rows=len(known),
        unanswered=len(pairs) - len(known),
        unmatched=unmatched,
        calibration=None if sure is None else calibration_of(told),
    )


def _verdict(found: Any, expected: Any, failed: bool, normalise: Normalise | None) -> str:
    if not failed and same_cell(found, expected, normalise):
        return "right"
    if same_cell(found, None, normalise):
        return "missing"
    return "extra" if same_cell(expected, None, normalise) else "different"


def _truth(truth: Any, found: pd.DataFrame) -> pd.DataFrame:
    if isinstance(truth, pd.DataFrame):
        return truth
    if isinstance(truth, pd.Series):
        if truth.name is None:
            raise ValueError("truth: expected a Series with the name of a field; name it, as in truth.rename('city')")
        return truth.to_frame()
    table = to_frame(truth)
    if len(table) != len(found):
        raise ValueError(
            f"truth: expected as many values as the result has rows, {len(found):,}, got {len(table):,}; "
            "a truth for some rows needs their labels: a DataFrame with the same index"
        )
    table.index = found.index
    return table


def _common(found: pd.DataFrame, expected: pd.DataFrame, fields: Sequence[str] | None) -> list[str]:
    wanted = [fields] if isinstance(fields, str) else fields
    both = [name for name in found.columns if name in expected.columns and name not in RUN_COLUMNS]
    absent = [name for name in wanted or () if name not in both]
    if absent or not both:
        what = (
            f"fields: {brief(absent[0])} is not in both" if absent else "no column is in both the result and the truth"
        )
        raise ValueError(f"{what}. The result has {list(found.columns)}, the truth {list(expected.columns)}")
    names = both if wanted is None else list(wanted)
    for name in names:
        if both.count(name) > 1 or list(expected.columns).count(name) > 1:
            raise ValueError(f"there are several columns {name!r}; rename all but one")
    return names


def _pairs(found: pd.Index[Any], expected: pd.Index[Any]) -> tuple[list[Pair], int]:
    """Return the pairs of matching rows, in the result's order, and the number of rows without a counterpart."""
    if found.equals(expected):
        return [(place, place) for place in range(len(found))], 0
    if found.nlevels != expected.nlevels:
        raise ValueError(f"truth: expected labels like the result's, of {found.nlevels} levels, got {expected.nlevels}")
    codes, _ = found.append(expected).factorize(use_na_sentinel=False)
    ours, theirs = _places(codes[: len(found)].tolist()), _places(codes[len(found) :].tolist())
    both = {code for code, _ in ours} & {code for code, _ in theirs}
    if not both:
        raise ValueError(
            f"truth: no label is in both. The result's begin {found[:3].tolist()}, the truth's "
            f"{expected[:3].tolist()}; give the truth the index of the table that was extracted from"
        )
    pairs: list[Pair] = [(place, theirs.get(key)) for key, place in ours.items() if key[0] in both]
    pairs += [(None, place) for key, place in theirs.items() if key[0] in both and key not in ours]
    return pairs, sum(key[0] not in both for key in (*ours, *theirs))


def _places(codes: Sequence[int]) -> dict[tuple[int, int], int]:
    """Return the places of each label's first, second, ... row."""
    seen: Counter[int] = Counter()
    places = {}
    for place, code in enumerate(codes):
        places[code, seen[code]] = place
        seen[code] += 1
    return places


def _field_table(names: list[str], rows: list[list[Any]]) -> pd.DataFrame:
    heads = ("accuracy", "right", "rows", *_VERDICTS)
    table = pd.DataFrame(rows, columns=pd.Index(heads), index=pd.Index(names, name="field"))
    return table.astype(dict.fromkeys(heads, "Int64") | {"accuracy": "Float64"})


def _difference_table(differences: list[Any], labels: pd.Index[Any], names: list[Any]) -> pd.DataFrame:
    columns = {
        "field": pd.array([name for *_, name, _, _ in differences], dtype="string"),
        "found": objects([found for *_, found, _ in differences]),
        "expected": objects([expected for *_, expected in differences]),
    }
    table = pd.DataFrame(columns)
    table.index = labels[[where for where, *_ in differences]].set_names(names)
    return table


# -- display

_STYLE = "font-family: var(--jp-ui-font-family, sans-serif); font-size: 13px; max-width: 100%; overflow-x: auto"
_CELL = "padding: 2px 8px; vertical-align: top; border-bottom: 1px solid var(--jp-border-color2, #ccc)"
_NUMBER = f"{_CELL}; text-align: right; font-variant-numeric: tabular-nums"
_TEXT = f"{_CELL}; text-align: left; white-space: pre-wrap"


def _table(heads: Sequence[Any], rows: Sequence[Sequence[str]], *, numbers: bool = True) -> str:
    """Return an HTML table of cells that are already HTML."""
    styles = [_TEXT, *[_NUMBER if numbers else _TEXT] * (len(heads) - 1)]
    head = "".join(
        f'<th style="{style}">{html.escape(str(one))}</th>' for style, one in zip(styles, heads, strict=True)
    )
    body = "".join(
        "<tr>" + "".join(f'<td style="{style}">{cell}</td>' for style, cell in zip(styles, row, strict=True)) + "</tr>"
        for row in rows
    )
    style = "border-collapse: collapse; font: inherit; margin: 4px 0"
    return f'<table style="{style}"><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>'


def _text(cell: Any) -> str:
    text = "–" if is_missing(cell) else str(cell)
    return html.escape(text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…")


def _percent(share: Any) -> str:
    return "–" if is_missing(share) else f"{100 * share:.1f} %"


def _bar(share: Any) -> str:
    width = 0 if is_missing(share) else round(100 * share)
    return (
        '<div style="width: 100px; height: 8px; margin-top: 4px; background: var(--jp-layout-color2, #eee)">'
        f'<div style="width: {width}px; height: 8px; background: var(--jp-success-color1, #388e3c)"></div></div>'
    )
