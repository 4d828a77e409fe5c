"""The answers of a grid → a table: inputs as rows, prompts and models as columns."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from ..dtypes import columns
from ..frame import frame_from_columns
from ..ledger import Ledger
from ..report import about_columns
from .asked import AskedGrid

__all__ = ["cell_frame", "is_record", "wide_frame"]


def is_record(schema: Any) -> bool:
    """Return whether answers have fields, which then are a level of the columns."""
    return schema is not None and any(column.path for column in columns(schema))


def wide_frame(run: AskedGrid, ledger: Ledger) -> pd.DataFrame:
    """Return the table: one row per input (per sample with ``n``), one group of columns per prompt and model."""
    fields = is_record(run.schema)
    made: dict[tuple[str, ...], Any] = {}
    index = _row_index(run)
    for prompt_number, prompt in enumerate(run.prompts):
        for model_number, (model, _) in enumerate(run.models):
            positions = _column(run, prompt_number, model_number)
            part = _values_frame(run.schema, [ledger.values[position] for position in positions.tolist()], index)
            for name in part.columns:
                made[(prompt.name, model, str(name)) if fields else (prompt.name, model)] = part[name].array
    frame = pd.DataFrame(dict(enumerate(made.values())), index=pd.RangeIndex(len(index)), copy=False)
    names = ["prompt", "model", "field"] if fields else ["prompt", "model"]
    frame.columns = pd.MultiIndex.from_tuples(list(made), names=names)
    frame.index = index
    return frame


def cell_frame(run: AskedGrid, ledger: Ledger) -> pd.DataFrame:
    """Return one row per cell: prompt, model and sample, the answer, its state and its cost."""
    made = _values_frame(run.schema, ledger.values, pd.RangeIndex(len(run.rows)))
    cells = [run.rows.cell(position) for position in range(len(run.rows))]
    names = [prompt.name for prompt in run.prompts]
    models = [name for name, _ in run.models]
    asked: dict[str, Any] = {
        "prompt": pd.Categorical.from_codes([cell.prompt for cell in cells], pd.Index(names)),
        "model": pd.Categorical.from_codes([cell.model for cell in cells], pd.Index(models)),
        "sample": pd.array([cell.sample for cell in cells], dtype="Int64"),
    }
    made = pd.concat([pd.DataFrame(asked), made, pd.DataFrame(about_columns(ledger))], axis=1)
    made.index = run.index[[cell.place for cell in cells]]
    return made


def _values_frame(schema: Any, values: list[Any], index: pd.Index[Any]) -> pd.DataFrame:
    return frame_from_columns(str if schema is None else schema, values, index)


def _column(run: AskedGrid, prompt: int, model: int) -> np.ndarray[Any, Any]:
    """Return the positions of one prompt and model, by input and sample."""
    rows = len(run.index) * run.samples
    return np.arange(rows) * len(run.prompts) * len(run.models) + prompt * len(run.models) + model


def _row_index(run: AskedGrid) -> pd.Index[Any]:
    if run.samples == 1:
        return run.index
    labels = run.index.repeat(run.samples)
    samples = np.tile(np.arange(run.samples), len(run.index))
    levels = [labels.get_level_values(level) for level in range(labels.nlevels)]
    return pd.MultiIndex.from_arrays([*levels, samples], names=[*labels.names, "sample"])
