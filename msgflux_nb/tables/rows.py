"""What ``extract`` is given → rows: an index, and for each position the text to send."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec
import pandas as pd

from .cells import CellError, cell_text
from .template import Template, parse_template

__all__ = ["Rows", "rows_of"]


class Rows(msgspec.Struct, frozen=True):
    """The input of a batch, by position.

    Attributes:
        index: the index of the result.
        columns: by name, the cells that a prompt may ask for. Lists, since reading a frame row by row would bring
            every cell to a common type: 2**60+1 beside a float is damaged.
        template: the prompt; None sends every column that is not blank as a line ``name: value``, or, where
            ``bare``, the cell alone.
        bare: the rows are single values without names.
    """

    index: pd.Index[Any]
    columns: Mapping[str, Sequence[Any]]
    template: Template | None
    bare: bool = False

    def __len__(self) -> int:
        return len(self.index)

    def text(self, position: int) -> str | None:
        """Return what to send for a row; None if every cell it would be sent is missing or blank.

        A blank cell beside one that is not is an empty text in a template, and no line without one.

        Raises:
            CellError: a cell has no text.
        """
        names = self.template.names if self.template is not None else self.columns
        texts = {name: self._cell(name, position) for name in names}
        if not any(texts.values()):
            return None
        if self.template is not None:
            return self.template.fill(texts)
        if self.bare:
            return next(iter(texts.values()))
        return "\n".join(f"{name}: {text}" for name, text in texts.items() if text)

    def _cell(self, name: str, position: int) -> str:
        try:
            return cell_text(self.columns[name][position])
        except CellError as error:
            raise CellError(f"column {name!r} holds {error}") from error


def rows_of(data: Any, prompt: str | None) -> Rows:
    """Read the input of a batch; an iterable is read to its end, so that there is a row for each item.

    Args:
        data: a DataFrame, whose columns a prompt names; a Series, named ``{text}`` and by its own name; or any other
            iterable, named ``{text}``.
        prompt: the template, or None.

    Raises:
        TypeError: ``data`` is no table and no iterable of rows, or ``prompt`` no text.
        ValueError: the prompt names a column that is not there, or that is there twice.
    """
    if prompt is not None and not isinstance(prompt, str):
        raise TypeError(f"prompt: expected a text such as 'Extract: {{text}}' or None, got {type(prompt).__name__!r}")
    if isinstance(data, pd.DataFrame):
        return _from_frame(data, prompt)
    if isinstance(data, pd.Series):
        cells, index, names = data.tolist(), data.index, ["text"]
        if data.name is not None and str(data.name) != "text":
            names.append(str(data.name))
    else:
        cells = list(_items(data))
        index, names = pd.RangeIndex(len(cells)), ["text"]
    if prompt is None:
        return Rows(index, {"text": cells}, None, bare=True)
    return Rows(index, dict.fromkeys(names, cells), parse_template(prompt, names))


def _from_frame(data: pd.DataFrame, prompt: str | None) -> Rows:
    labels = [str(label) for label in data.columns]
    template = None if prompt is None else parse_template(prompt, dict.fromkeys(labels))
    for name in labels if template is None else template.names:
        if labels.count(name) > 1:
            raise ValueError(f"data has {labels.count(name)} columns named {name!r}, so a prompt cannot tell which")
    wanted = dict.fromkeys(labels if template is None else template.names)
    columns = {name: data.iloc[:, labels.index(name)].tolist() for name in wanted}
    return Rows(data.index, columns, template)


def _items(data: Any) -> Iterable[Any]:
    if isinstance(data, (str, bytes, Mapping, msgspec.Struct)) or not isinstance(data, Iterable):
        raise TypeError(
            f"data: expected a DataFrame, a Series or an iterable of texts, got {type(data).__name__!r}; "
            "put a single text into a list"
        )
    if hasattr(data, "to_pandas") or hasattr(data, "__dask_graph__"):
        # Iterating over these gives columns, or their names, and not rows.
        method = "compute" if hasattr(data, "__dask_graph__") else "to_pandas"
        raise TypeError(
            f"data: expected a pandas DataFrame or Series, got {type(data)!r}; call .{method}() on it first"
        )
    return data
