"""What a grid asks: its cells, each a prompt, a model, an input and a sample, and the positions that they have."""

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
    """What a table or a score needs to know of a grid."""

    schema: Any
    inputs: Any
    index: pd.Index[Any]
    prompts: list[Prompt]
    models: list[tuple[str, Any]]
    samples: int
    rows: GridRows

    def bill(self, position: int, ledger: Ledger) -> dict[str, Any]:
        """Return what the answer of a cell took."""


class Cell(msgspec.Struct, frozen=True):
    """One answer's place in a grid.

    Attributes:
        place: which input, from 0.
        sample: which answer to it, from 0.
        prompt: which prompt, from 0.
        model: which model, from 0.
    """

    place: int
    sample: int
    prompt: int
    model: int


class GridRows:
    """What the batches of a grid need of its rows: one position for each cell."""

    has_media = False

    def __init__(self, prompts: Sequence[Prompt], inputs: int, models: int, samples: int) -> None:
        self._prompts, self._inputs, self._models, self._samples = prompts, inputs, models, samples

    def __len__(self) -> int:
        return self._inputs * self._samples * len(self._prompts) * self._models

    @property
    def total(self) -> int:
        """How many answers there are to be."""
        return len(self)

    def cell(self, position: int) -> Cell:
        """Return where a position is. Inputs come first, so that a grid that was stopped has whole rows."""
        rest, model = divmod(position, self._models)
        rest, prompt = divmod(rest, len(self._prompts))
        place, sample = divmod(rest, self._samples)
        return Cell(place, sample, prompt, model)

    def position(self, cell: Cell) -> int:
        """Return the position of a cell."""
        row = cell.place * self._samples + cell.sample
        return (row * len(self._prompts) + cell.prompt) * self._models + cell.model

    def tried_message(self, position: int) -> tuple[str | list[Message] | None, BaseException | None]:
        """Return what is sent for a cell, None for nothing, or what its input raised."""
        cell = self.cell(position)
        return self._prompts[cell.prompt].tried_message(cell.place)

    def forget(self, position: int, *, keep: bool) -> None:
        """An answer came; the inputs are kept."""
