"""A PDF → its text, page by page; uses pypdf."""

from __future__ import annotations

import io
import itertools
import logging
from pathlib import Path
from typing import Any

from ...content.source import confined, read
from ..cells import UnreadableCell
from ..fields import is_missing

__all__ = ["PagedText", "paged_text"]

_BETWEEN = "\n\n"
_QUIET = logging.NullHandler()


class PagedText(str):
    """A text of several pages.

    Attributes:
        pages: the character at which each page begins.
    """

    pages: tuple[int, ...] = ()


def paged_text(cell: Any, folder: Path | None) -> Any:
    """Return the text of a PDF; for a file that cannot be read, return a cell that fails when its text is wanted.

    Args:
        cell: a path, bytes, or a missing cell, which is returned.
        folder: the folder that paths have to be in; None for any.

    Raises:
        ImportError: pypdf is not installed.
    """
    if is_missing(cell) or (isinstance(cell, str) and not cell.strip()):
        return None
    try:
        from pypdf import PdfReader
    except ImportError:
        raise ImportError(
            'chunk= needs pypdf to read PDF files, and it is not installed. Install it with: pip install "pypdf>=5"'
        ) from None
    logging.getLogger("pypdf").addHandler(_QUIET)  # its messages name no file; a row's error does
    try:
        data = read(cell if folder is None else confined(cell, folder)).data
        if b"%PDF-" not in data[:1024]:
            raise ValueError("expected a PDF, got a file that does not begin with %PDF")
        reader = PdfReader(io.BytesIO(data))
        pages = [page.extract_text().strip() for page in reader.pages]
    except Exception as error:  # pypdf raises all kinds of errors for damaged files
        return UnreadableCell(cell, f"a PDF that cannot be read: {error}")
    text = PagedText(_BETWEEN.join(pages))
    text.pages = tuple(itertools.accumulate((len(page) + len(_BETWEEN) for page in pages[:-1]), initial=0))
    return text
