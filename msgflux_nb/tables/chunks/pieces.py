"""The rows of a batch, cut into pieces: for the engine each piece is a row; it knows its place in the real one."""

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
        number: its number in the row, from 0.
        column: the column whose text is cut; None for a row that is sent whole.
        place: its range of characters in that text.
    """

    row: int
    number: int = 0
    column: str | None = None
    place: Range = (0, 0)


class RowPieces:
    """The pieces of some rows, with the interface of rows. An iterator is read to its end, to know its pieces.

    Args:
        rows: the rows.
        chunk: the length and the overlap of pieces.

    Attributes:
        pieces: all pieces, row by row.
        of_rows: for each row, the numbers of its pieces.
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
        except CellError:  # the engine meets it again and records the failure
            return [Piece(position)]
        column = max(texts, key=lambda name: len(texts[name]), default=None)
        if column is None:
            return [Piece(position)]
        ranges = cut(texts[column], chunk, self.pages(position, column))
        return [Piece(position, number, column, place) for number, place in enumerate(ranges)] or [Piece(position)]

    def pages(self, position: int, column: str) -> tuple[int, ...]:
        """Return the characters at which the pages of a row's text begin; empty without pages."""
        cell = self.rows.cell(column, position)
        return cell.pages if isinstance(cell, PagedText) else ()

    def text(self, position: int) -> str:
        """Return the whole text of a row that was cut."""
        column = self.pieces[self.of_rows[position][0]].column
        return "" if column is None else self.rows.texts(position)[column]

    def told(self, number: int) -> str:
        """Return the name of a piece in words."""
        piece = self.pieces[number]
        words = f"piece {piece.number + 1} of {len(self.of_rows[piece.row])}"
        if piece.column is None:
            return words
        pages = self.pages(piece.row, piece.column)
        on = "" if not pages else f", {_pages_told(page_of(pages, piece.place[0]), page_of(pages, piece.place[1] - 1))}"
        return f"{words} (characters {piece.place[0]:,} to {piece.place[1]:,}{on})"

    # -- the interface of rows ----------------------------------------------------------------------------------

    def __len__(self) -> int:
        return len(self.pieces)

    @property
    def total(self) -> int:
        """How many pieces there are."""
        return len(self.pieces)

    @property
    def has_media(self) -> bool:
        """Whether making a message takes so long that it needs a thread."""
        return self.rows.has_media

    def read(self, count: int) -> None:
        """Do nothing: all rows were read when they were cut."""

    def close(self) -> None:
        """Do nothing: all rows were read when they were cut."""

    def forget(self, number: int, *, keep: bool) -> None:
        """Keep the row: its text is needed when its pieces are joined."""

    def message(self, number: int) -> str | list[Message] | None:
        """Return a piece's message: its row's message with the piece in place of the text.

        Raises:
            CellError: a cell has no text.
            MediaError: a cell has no usable image or file.
        """
        piece = self.pieces[number]
        texts = self.rows.texts(piece.row)
        if piece.column is not None:
            texts[piece.column] = texts[piece.column][slice(*piece.place)]
        return self.rows.message(piece.row, texts)

    def tried_message(self, number: int) -> tuple[str | list[Message] | None, BaseException | None]:
        """Return a piece's message or the error of its cells; raise only errors that end a process."""
        try:
            return self.message(number), None
        except BaseException as error:
            if ends_a_process(error):
                raise
            return None, error


def page_of(pages: Sequence[int], character: int) -> int:
    """Return the number of a character's page, from 1."""
    return bisect.bisect_right(pages, character)


def _pages_told(first: int, last: int) -> str:
    return f"page {first}" if first == last else f"pages {first} to {last}"
