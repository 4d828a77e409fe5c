"""The rows of a batch, cut: each piece is a row of its own for the engine, and knows its place in its row."""

from __future__ import annotations

import bisect
from collections.abc import Sequence

import msgspec

from ...content.messages import Message
from ...errors import ends_a_process
from ..cells import CellError
from ..rows import Rows
from .chunk import Chunk
from .cut import Range, cut
from .pdf_text import PagedText

__all__ = ["Piece", "RowPieces", "page_of"]

_READ_AT_ONCE = 100_000


class Piece(msgspec.Struct, frozen=True):
    """One piece of a row.

    Attributes:
        row: the row's position.
        number: which piece of it, from 0.
        column: the column whose text is cut; None for a row that is sent as it is.
        place: the range of characters in that text.
    """

    row: int
    number: int = 0
    column: str | None = None
    place: Range = (0, 0)


class RowPieces:
    """The pieces of some rows, as the engine takes rows. An iterator is read to its end, or nobody knew its pieces.

    Args:
        rows: the rows.
        chunk: how they are cut.

    Attributes:
        pieces: all of them, row by row.
        of_rows: for each row which pieces are its own.
    """

    def __init__(self, rows: Rows, chunk: Chunk) -> None:
        while rows.total is None:
            rows.read(_READ_AT_ONCE)
        self.rows = rows
        self.pieces: list[Piece] = []
        self.of_rows: list[range] = []
        for position in range(len(rows)):
            first = len(self.pieces)
            self.pieces += self._cut(position, chunk)
            self.of_rows.append(range(first, len(self.pieces)))

    def _cut(self, position: int, chunk: Chunk) -> list[Piece]:
        try:
            texts = self.rows.texts(position)
        except CellError:  # which the engine meets again, as this row's failure
            return [Piece(position)]
        column = max(texts, key=lambda name: len(texts[name]), default=None)
        if column is None:
            return [Piece(position)]
        ranges = cut(texts[column], chunk, self.pages(position, column))
        return [Piece(position, number, column, place) for number, place in enumerate(ranges)] or [Piece(position)]

    def pages(self, position: int, column: str) -> tuple[int, ...]:
        """Return where the pages of a row's text begin; nothing if it has none."""
        cell = self.rows.cell(column, position)
        return cell.pages if isinstance(cell, PagedText) else ()

    def text(self, position: int) -> str:
        """Return the whole text of a row that was cut."""
        column = self.pieces[self.of_rows[position][0]].column
        return "" if column is None else self.rows.texts(position)[column]

    def told(self, number: int) -> str:
        """Return which piece this is, in words."""
        piece = self.pieces[number]
        words = f"piece {piece.number + 1} of {len(self.of_rows[piece.row])}"
        if piece.column is None:
            return words
        pages = self.pages(piece.row, piece.column)
        on = "" if not pages else f", {_pages_told(page_of(pages, piece.place[0]), page_of(pages, piece.place[1] - 1))}"
        return f"{words} (characters {piece.place[0]:,} to {piece.place[1]:,}{on})"

    # -- as the engine sees them ----------------------------------------------------------------------------------

    def __len__(self) -> int:
        return len(self.pieces)

    @property
    def total(self) -> int:
        """How many pieces there are."""
        return len(self.pieces)

    @property
    def has_media(self) -> bool:
        """Whether making a message takes long enough to be done on a thread."""
        return self.rows.has_media

    def read(self, count: int) -> None:
        """There is nothing more to read."""

    def close(self) -> None:
        """There is nothing more to read."""

    def forget(self, number: int, *, keep: bool) -> None:
        """The row is kept: its text is wanted when its pieces are put together."""

    def message(self, number: int) -> str | list[Message] | None:
        """Return what to send for a piece: its row's message, with the piece in place of the text.

        Raises:
            CellError: a cell has no text.
            MediaError: a cell is not an image or file that can be sent.
        """
        piece = self.pieces[number]
        texts = self.rows.texts(piece.row)
        if piece.column is not None:
            texts[piece.column] = texts[piece.column][slice(*piece.place)]
        return self.rows.message(piece.row, texts)

    def tried_message(self, number: int) -> tuple[str | list[Message] | None, BaseException | None]:
        """Return what to send for a piece, or what its cells raised; only what ends a process is raised."""
        try:
            return self.message(number), None
        except BaseException as error:
            if ends_a_process(error):
                raise
            return None, error


def page_of(pages: Sequence[int], character: int) -> int:
    """Return the page of a character, from 1."""
    return bisect.bisect_right(pages, character)


def _pages_told(first: int, last: int) -> str:
    return f"page {first}" if first == last else f"pages {first} to {last}"
