"""The cells of a grid, each a prompt, a model, an input and a sample, and their positions in the batch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import msgspec
import pandas as pd

from ...content.messages import Message
from ..ledger import Ledger
from .prompts import Prompt

__all__ = ["AskedGrid", "Cell", "GridRows"]


class AskedGrid(Protocol):
    """The part of a grid that tables and scores use."""

    schema: Any
    inputs: Any
    index: pd.Index[Any]
    prompts: list[Prompt]
    models: list[tuple[str, Any]]
    samples: int
    rows: GridRows

    def bill(self, position: int, ledger: Ledger) -> dict[str, Any]:
        """Return attempts, tokens, cost and time of a cell's answer."""


class Cell(msgspec.Struct, frozen=True):
    """The place of one answer in a grid; all numbers begin with 0.

    Attributes:
        place: the number of the input.
        sample: the number of the answer to it.
        prompt: the number of the prompt.
        model: the number of the model.
    """

    place: int
    sample: int
    prompt: int
    model: int


class GridRows:
    """The rows of a grid for its batches: one position per cell."""

    has_media = False

    def __init__(self, prompts: Sequence[Prompt], inputs: int, models: int, samples: int) -> None:
        self._prompts, self._inputs, self._models, self._samples = prompts, inputs, models, samples

    def __len__(self) -> int:
        return self._inputs * self._samples * len(self._prompts) * self._models

    @property
    def total(self) -> int:
        """The number of answers of the whole grid."""
        return len(self)

    def cell(self, position: int) -> Cell:
        """Return the cell at a position. All cells of an input come together, so that a stopped grid has whole rows."""
        rest, model = divmod(position, self._models)
        rest, prompt = divmod(rest, len(self._prompts))
        place, sample = divmod(rest, self._samples)
        return Cell(place, sample, prompt, model)

    def position(self, cell: Cell) -> int:
        """Return the position of a cell."""
        row = cell.place * self._samples + cell.sample
        return (row * len(self._prompts) + cell.prompt) * self._models + cell.model

    def tried_message(self, position: int) -> tuple[str | list[Message] | None, BaseException | None]:
        """Return a cell's message, None if there is nothing to send, and the error of its input or None."""
        cell = self.cell(position)
        return self._prompts[cell.prompt].tried_message(cell.place)

    def forget(self, position: int, *, keep: bool) -> None:
        """Do nothing: the inputs are kept."""
