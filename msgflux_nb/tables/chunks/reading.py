"""Makes the rows of a batch, whole or in pieces; with ``chunk=``, PDF files are read as text."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ...errors import brief
from ..marks import marked
from ..rows import Rows, rows_of
from .chunk import Chunk
from .joined import Merge, PieceJoiner
from .pdf_text import paged_text
from .pieces import RowPieces

__all__ = ["chunk_of", "pieces_of", "rows_to_read"]


def rows_to_read(data: Any, asked: Mapping[str, Any]) -> Rows:
    """Return the rows of a batch.

    Args:
        data: the input of the batch.
        asked: the keywords of the batch.

    Raises:
        ValueError: a named column does not exist.
        ImportError: PDF files are to be read as text, and pypdf is not installed.
    """
    images, files, folder = asked["images"], asked["files"], asked["folder"]
    if asked["chunk"] is None or files is None:
        return rows_of(data, asked["prompt"], wrap=marked, images=images, files=files, folder=folder)
    rows = rows_of(data, asked["prompt"], wrap=marked, images=images, folder=folder)
    while rows.total is None:
        rows.read(100_000)
    names = [files] if isinstance(files, str) else list(files)
    for name in names:
        if name not in rows.names:
            raise ValueError(
                f"files: chunk= reads {name!r} as text. Expected a column {name!r} in the data and, if there is a "
                f"prompt, {{{name}}} in it; got the columns {', '.join(rows.names)}"
            )
    confined = None if folder is None else Path(folder).expanduser().resolve()
    rows.change(names, lambda cell: paged_text(cell, confined))
    return rows


def pieces_of(rows: Rows, chunk: Any, merge: Merge | None) -> tuple[RowPieces | None, PieceJoiner | None]:
    """Return the pieces of rows, and the joiner of their outcomes; None and None without ``chunk``.

    Raises:
        TypeError: ``chunk`` is not a Chunk, or ``merge`` is given without one.
    """
    chunk = chunk_of(chunk)
    if merge is not None and (chunk is None or not callable(merge)):
        raise TypeError("merge: expected a function of a list of answers, together with chunk=mf.Chunk(...)")
    if chunk is None:
        return None, None
    pieces = RowPieces(rows, chunk)
    return pieces, PieceJoiner(pieces, merge)


def chunk_of(given: Any) -> Chunk | None:
    """Return ``chunk=`` as a ``Chunk``; a kept run has it as a dict."""
    if given is None or isinstance(given, Chunk):
        return given
    if isinstance(given, Mapping) and given.keys() <= set(Chunk.__struct_fields__):
        return Chunk(**given)
    raise TypeError(f"chunk: expected mf.Chunk(tokens=1500, overlap=150) or None, got {brief(given)}")
