"""A DataFrame → CSV or an Excel file in which no text is run as a formula.

A spreadsheet runs a text that begins with ``=``, ``+``, ``-`` or ``@``, which a model or a web page may have written
(https://owasp.org/www-community/attacks/CSV_Injection). In CSV such a text gets an apostrophe in front; in Excel it is
marked as text and does not change. Column names and labels are treated in the same way.
"""

from __future__ import annotations

import csv
import datetime
import decimal
import math
import numbers
import re
import unicodedata
import warnings
from collections.abc import Callable
from typing import Any

import pandas as pd

from ...errors import brief
from ..arrays import objects
from ..cells import CellError, cell_text
from ..fields import is_missing, python_value

__all__ = ["to_csv", "to_excel"]

# Some readers skip invisible characters in front of a formula: spaces, controls, formats, and characters that
# Unicode counts among letters and marks but that no font draws.
_UNSEEN = frozenset(("Cc", "Cf", "Cn", "Co", "Cs", "Me", "Mn", "Zl", "Zp", "Zs"))
_UNDRAWN = frozenset("\u115f\u1160\u2800\u3164\uffa0")
_BEGINS_A_FORMULA = frozenset("=+-@\u2212")
_BEGINS_A_CELL = frozenset("\t\r\n")
# Excel reads _x0041_ as the letter A, and _x005F_ as the line before it.
_ESCAPE = re.compile("_(?=x[0-9A-Fa-f]{4}_)")
_NOT_XML = re.compile("[\\x00-\\x08\\x0b\\x0c\\x0e-\\x1f\\ud800-\\udfff\\ufffe\\uffff]")
_NO_TEXT = re.compile("[\\x00\\ud800-\\udfff]")
_LONGEST_TEXT = 32_767
_MOST_ROWS, _MOST_COLUMNS = 1_048_576, 16_384
_SAFE_DIGITS = 15  # Excel's numbers are floats, shown with this many digits
_SAFE_INTEGER = 10**15
_FIRST_DAY = datetime.datetime(1900, 3, 1)  # Excel has a 29 February 1900, and no earlier years
_WIDEST, _NARROWEST, _ROWS_MEASURED = 60, 8, 200


def to_csv(frame: pd.DataFrame, path: Any = None, **options: Any) -> str | None:
    """Write a table as CSV without live formulas.

    Lists, dicts and records are written as JSON; a text that a spreadsheet would run gets an apostrophe in front. Line
    ends in a text become a single line feed.

    Args:
        frame: any DataFrame.
        path: a file, or None for the text.
        options: options of :meth:`pandas.DataFrame.to_csv` with which a spreadsheet reads the same cells.

    Raises:
        ValueError: an option that would let a text begin a new cell or lose its first character.

    Example:
        >>> print(to_csv(pd.DataFrame({"a": ["=1+1", "x"]}), index=False))
        a
        '=1+1
        x
        <BLANKLINE>
    """
    _check_options(options)
    safe = pd.DataFrame({place: _safe_column(frame.iloc[:, place]) for place in range(frame.shape[1])})
    safe.index = _relabelled(frame.index)
    safe.columns = _relabelled(frame.columns)
    written: str | None = safe.to_csv(path, **options)
    return written


def to_excel(frame: pd.DataFrame, path: Any, *, sheet_name: str = "Sheet1", index: bool = True) -> None:
    """Write a table as an Excel file in which no text is a formula.

    Numbers, dates and booleans use Excel's types. Lists, dicts and records are written as JSON. Datetimes with a zone
    are written in UTC; datetimes and durations are exact to the millisecond. Other values that Excel cannot hold
    exactly are text: numbers of more than 15 digits, datetimes before March 1900, times with a zone. Characters that
    XML lacks become U+FFFD, text that Excel would read as an escape (``_x0041_``) is escaped, and text longer than
    Excel's 32,767 characters is cut with a warning.

    Args:
        frame: any DataFrame.
        path: a file, ``.xlsx``, or a binary file object.
        sheet_name: the name of the sheet.
        index: whether to write the labels, as the first columns.

    Raises:
        ImportError: openpyxl is not installed.
        ValueError: there are more rows or columns than a sheet has, or Excel does not allow ``sheet_name``.
    """
    try:
        from openpyxl import Workbook
    except ImportError:
        raise ImportError(
            'to_excel needs openpyxl, which is not installed. Install it with: pip install "openpyxl>=3.1". '
            "to_csv works without it."
        ) from None
    labels = frame.index.nlevels if index else 0
    if len(frame) >= _MOST_ROWS or labels + frame.shape[1] > _MOST_COLUMNS:
        raise ValueError(
            f"to_excel: expected at most {_MOST_ROWS - 1:,} rows and {_MOST_COLUMNS:,} columns, "
            f"got {len(frame):,} and {labels + frame.shape[1]:,}; write a part of it, or CSV"
        )
    book = Workbook(write_only=True)
    writer = _Sheet(book.create_sheet(_checked_name(sheet_name)))
    writer.write(frame, labels)
    book.save(path)
    if writer.cut:
        warnings.warn(
            f"to_excel: {writer.cut:,} cells were longer than the {_LONGEST_TEXT:,} characters that Excel holds, and "
            "are cut; to_csv keeps them whole",
            UserWarning,
            stacklevel=2,
        )


def _check_options(options: dict[str, Any]) -> None:
    """Refuse options with which a text could break out of its cell."""
    refused: dict[str, Callable[[Any], bool]] = {
        "quoting": lambda kind: kind == csv.QUOTE_NONE,
        "quotechar": lambda mark: mark != '"',
        "doublequote": lambda doubled: not doubled,
        "lineterminator": lambda end: end not in (None, "\n", "\r\n"),
        "errors": lambda how: how == "ignore",
    }
    wrong = [name for name, is_wrong in refused.items() if name in options and is_wrong(options[name])]
    if wrong:
        raise ValueError(
            f"to_csv: with {wrong[0]}={options[wrong[0]]!r} part of a text could become another cell, which a "
            "spreadsheet would run as a formula. Leave it out, or use DataFrame.to_csv, which protects from nothing."
        )


def _checked_name(name: str) -> str:
    wrong = not name.strip() or len(name) > 31 or set(name) & set("[]:*?/\\") or name[0] == "'" or name[-1] == "'"
    if wrong or name.lower() == "history" or _NOT_XML.search(name):
        raise ValueError(
            f"sheet_name: expected 1 to 31 characters without any of []:*?/\\ and without ' at its ends, got {name!r}"
        )
    return name


class _Sheet:
    """Writes one sheet.

    Attributes:
        cut: how many texts were cut.
    """

    def __init__(self, sheet: Any) -> None:
        self._sheet = sheet
        self.cut = 0

    def write(self, frame: pd.DataFrame, labels: int) -> None:
        """Write a table with ``labels`` levels of its index as the first columns."""
        from openpyxl.styles import Font
        from openpyxl.utils import get_column_letter

        self._sheet.freeze_panes = f"{get_column_letter(labels + 1)}2"
        names = ["" if name is None else name for name in frame.index.names[:labels]] + list(frame)
        heads = [" ".join(map(_text, name)) if isinstance(name, tuple) else _text(name) for name in names]
        columns = [frame.index.get_level_values(level).tolist() for level in range(labels)]
        columns += [frame.iloc[:, place].tolist() for place in range(frame.shape[1])]
        for place, (head, cells) in enumerate(zip(heads, columns, strict=True), 1):
            self._sheet.column_dimensions[get_column_letter(place)].width = _width([head, *cells[:_ROWS_MEASURED]])
        makers = [self._moment_maker(cells) for cells in columns]
        self._sheet.append([self._text_cell(head, font=Font(bold=True)) for head in heads])
        for row in zip(*columns, strict=True):
            self._sheet.append([self._cell(cell, make) for cell, make in zip(row, makers, strict=True)])

    def _cell(self, cell: Any, moment: Callable[[Any], Any]) -> Any:
        cell = python_value(cell)
        if is_missing(cell):
            return None
        if isinstance(cell, str):
            return self._text_cell(cell)
        if isinstance(cell, datetime.date):
            return moment(cell)
        if _is_exact_number(cell) or (isinstance(cell, datetime.time) and cell.tzinfo is None):
            return cell
        if isinstance(cell, datetime.timedelta) and cell >= datetime.timedelta(0):
            return pd.Timedelta(cell).to_pytimedelta()
        return self._text_cell(_text(cell))

    def _text_cell(self, text: str, **style: Any) -> Any:
        from openpyxl.cell import WriteOnlyCell

        text = _lines(_NOT_XML.sub("\ufffd", text))
        shown = _first_units(text, _LONGEST_TEXT)
        if shown != text:
            self.cut += 1
            text = shown
        is_live = _is_live(text)
        text = _ESCAPE.sub("_x005F_", text)
        if not (is_live or style or text.startswith("#")):
            return text
        cell = WriteOnlyCell(self._sheet, value=text)
        cell.data_type = "s"  # else openpyxl makes a formula of "=1" and an error of "#REF!"
        cell.quotePrefix = is_live  # else editing the cell makes it a formula
        for name, value in style.items():
            setattr(cell, name, value)
        return cell

    def _moment_maker(self, cells: list[Any]) -> Callable[[Any], Any]:
        """Return a function that makes the cell of a date or datetime; without a time if the column has only days."""
        from openpyxl.cell import WriteOnlyCell

        days = all(_is_day(cell) for cell in cells if isinstance(cell, datetime.date) and not is_missing(cell))

        exact = any(isinstance(cell, datetime.datetime) and not is_missing(cell) and cell.microsecond for cell in cells)
        form = "yyyy-mm-dd hh:mm:ss.000" if exact else "yyyy-mm-dd hh:mm:ss"

        def make(cell: datetime.date) -> Any:
            moment = _naive(cell)
            if moment < _FIRST_DAY:
                return self._text_cell(cell.isoformat()[:10] if days else cell.isoformat())
            made = WriteOnlyCell(self._sheet, value=moment)
            made.number_format = "yyyy-mm-dd" if days else form
            return made

        return make


def _safe_column(column: pd.Series[Any]) -> Any:
    """Return a column for CSV: numbers, booleans and datetimes unchanged, text made safe."""
    if not isinstance(column.dtype, pd.ArrowDtype) and (
        pd.api.types.is_bool_dtype(column) or pd.api.types.is_numeric_dtype(column) or column.dtype.kind == "M"
    ):
        return column.array
    return objects([_safe(cell) for cell in column.tolist()])


def _safe(cell: Any) -> Any:
    cell = python_value(cell)
    if is_missing(cell):
        return None
    if isinstance(cell, bool | numbers.Number):
        return cell
    # csv quotes no carriage return before Python 3.13, so the text after it would begin a new row.
    text = _lines(_NO_TEXT.sub("\ufffd", cell if isinstance(cell, str) else _text(cell)))
    return f"'{text}" if _is_live(text) else text


def _is_live(text: str) -> bool:
    """Return whether a spreadsheet may run a text: its first visible character begins a formula."""
    if text[:1] in _BEGINS_A_CELL:
        return True
    seen = next((char for char in text if char not in _UNDRAWN and unicodedata.category(char) not in _UNSEEN), "")
    # Spreadsheets read full-width, small and raised forms of the signs, as typed in East Asia, like the signs.
    return bool(seen) and unicodedata.normalize("NFKC", seen)[0] in _BEGINS_A_FORMULA


def _relabelled(index: pd.Index[Any]) -> Any:
    names = [_safe(name) for name in index.names]
    if isinstance(index, pd.MultiIndex):
        levels = [objects([_safe(label) for label in index.get_level_values(n)]) for n in range(index.nlevels)]
        return pd.MultiIndex.from_arrays(levels, names=names)
    if pd.api.types.is_numeric_dtype(index.dtype) or index.dtype.kind == "M":
        return index.rename(names[0])
    return pd.Index(objects([_safe(label) for label in index]), name=names[0], dtype=object)


def _first_units(text: str, limit: int) -> str:
    """Return a text, or as much of it as Excel holds: it counts UTF-16 units, of which an emoji has two."""
    if len(text) * 2 <= limit or len(text.encode("utf-16-le")) // 2 <= limit:
        return text
    return text.encode("utf-16-le")[: 2 * (limit - 1)].decode("utf-16-le", "ignore") + "…"


def _lines(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n") if "\r" in text else text


def _text(cell: Any) -> str:
    if isinstance(cell, datetime.timedelta):
        return str(cell)
    try:
        return cell_text(cell)
    except CellError:
        return brief(cell, 1_000_000)


def _is_exact_number(cell: Any) -> bool:
    if isinstance(cell, bool):
        return True
    if isinstance(cell, int):
        return abs(cell) < _SAFE_INTEGER
    if isinstance(cell, decimal.Decimal):
        return bool(cell.is_finite() and len(cell.as_tuple().digits) <= _SAFE_DIGITS and abs(cell.adjusted()) < 300)
    return isinstance(cell, float) and math.isfinite(cell)


def _naive(moment: datetime.date) -> datetime.datetime:
    if not isinstance(moment, datetime.datetime):
        return datetime.datetime(moment.year, moment.month, moment.day)
    plain = moment.to_pydatetime(warn=False) if isinstance(moment, pd.Timestamp) else moment
    return plain if plain.tzinfo is None else plain.astimezone(datetime.UTC).replace(tzinfo=None)


def _is_day(moment: datetime.date) -> bool:
    return not isinstance(moment, datetime.datetime) or (
        moment.tzinfo is None and moment.time() == datetime.time() and not getattr(moment, "nanosecond", 0)
    )


def _width(cells: list[Any]) -> int:
    """Return a column's width in characters."""
    longest = max((len(str(cell).partition("\n")[0]) for cell in cells if not is_missing(cell)), default=0)
    return min(max(longest + 2, _NARROWEST), _WIDEST)
