"""The input of ``extract`` → rows: an index, and a message for each position."""

from __future__ import annotations

import os
import random
from collections.abc import Callable, Iterable, Iterator, Mapping, MutableSequence, Sequence
from numbers import Integral
from pathlib import Path
from typing import Any

import msgspec
import pandas as pd

from ..content.checks import meant
from ..content.messages import ChatBlock, Message
from ..content.notebook import items_of
from ..content.source import confined
from ..errors import brief, ends_a_process, printable
from .arrays import is_missing
from .cells import CellError, cell_text
from .frames.foreign import foreign_of
from .marks import is_plain_word
from .template import Template, parse_template

__all__ = ["Media", "Rows", "check_data", "rows_of"]

_TEXT = "text"


class Media(msgspec.Struct, frozen=True):
    """The columns of images and files.

    Attributes:
        images: columns of images: paths, bytes, pictures, arrays, addresses, or lists of these.
        files: columns of PDF files: paths or bytes.
        folder: the folder that their paths have to be in; None for any.
    """

    images: tuple[str, ...] = ()
    files: tuple[str, ...] = ()
    folder: Path | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """The names of all these columns."""
        return self.images + self.files


class Rows:
    """The input of a batch, by position; an iterator is read as far as needed.

    Args:
        columns: the cells of each column, by name. Lists, since reading a frame row by row would convert cells to a
            common type: 2**60+1 next to a float would be damaged.
        template: the prompt; None sends every column that is not blank as a line ``name: value``, or with ``bare`` the
            cell alone.
        index: the index of the result; None for 0, 1, 2, ...
        bare: whether the rows are single values without names.
        media: the columns of images and files.
        source: the iterator of further cells of the only column.
        wrap: puts marks around a row without a template, or around each cell of more than a word in a template.

    Attributes:
        before: messages that are sent before each row, such as examples.
    """

    before: list[Message]

    def __init__(
        self,
        columns: Mapping[str, MutableSequence[Any]],
        template: Template | None = None,
        *,
        index: pd.Index[Any] | None = None,
        bare: bool = False,
        media: Media | None = None,
        source: Iterator[Any] | None = None,
        wrap: Callable[[str], str] | None = None,
    ) -> None:
        self.template = template
        self.before = []
        self._columns = columns
        self._index = index
        self._bare = bare
        self._media = media or Media()
        self._source = source
        self._lazy = source is not None
        self._wrap = wrap
        texts = template.names if template is not None else columns
        self._texts = tuple(name for name in texts if name not in self._media.names)

    def __len__(self) -> int:
        """Return the number of rows read so far."""
        if self._index is not None:
            return len(self._index)
        return len(next(iter(self._columns.values()), ()))

    @property
    def index(self) -> pd.Index[Any]:
        """The index of the result."""
        return pd.RangeIndex(len(self)) if self._index is None else self._index

    @property
    def total(self) -> int | None:
        """The number of rows; None while it is unknown."""
        return len(self) if self._source is None else None

    @property
    def stay(self) -> bool:
        """Whether the content of rows is kept; that of an iterator is not."""
        return not self._lazy

    def read(self, count: int) -> None:
        """Read up to ``count`` more rows from an iterator; on the thread of its owner."""
        if self._source is None:
            return
        cells = next(iter(self._columns.values()))
        for _ in range(count):
            try:
                cells.append(next(self._source))
            except StopIteration:
                self._source = None
                return

    def close(self) -> None:
        """Stop reading the iterator."""
        self._source = None

    def forget(self, position: int, *, keep: bool) -> None:
        """Drop the content of a row of an iterator that has ended; ``keep`` it if it may be asked again."""
        if self._lazy and not keep:
            next(iter(self._columns.values()))[position] = None

    def sample(self, count: int) -> int:
        """Keep ``count`` rows, drawn at random but always the same; return how many rows there were.

        Raises:
            ValueError: ``count`` is not a number of rows.
        """
        if isinstance(count, bool) or not isinstance(count, Integral) or count < 1:
            raise ValueError(f"sample: expected a number of at least 1, or None for all rows, got {brief(count)}")
        while self._source is not None:
            self.read(100_000)
        total = len(self)
        chosen = sorted(random.Random(0).sample(range(total), min(count, total)))  # noqa: S311  # no secret depends on it
        kept = {id(cells): [cells[position] for position in chosen] for cells in self._columns.values()}
        self._columns = {name: kept[id(cells)] for name, cells in self._columns.items()}
        self._index = self.index[chosen] if self._index is not None else pd.Index(chosen)
        return total

    @property
    def has_media(self) -> bool:
        """Whether making a message takes so long that it needs a thread."""
        return bool(self._media.names)

    @property
    def names(self) -> tuple[str, ...]:
        """The columns of texts that rows are made of."""
        return self._texts

    def cell(self, name: str, position: int) -> Any:
        """Return a cell unchanged."""
        return self._columns[name][position]

    def change(self, names: Iterable[str], into: Callable[[Any], Any]) -> None:
        """Convert all cells of some columns, such as files to their texts."""
        changed: dict[int, MutableSequence[Any]] = {}
        for name in names:
            cells = self._columns[name]
            if id(cells) not in changed:
                changed[id(cells)] = [into(cell) for cell in cells]
        self._columns = {name: changed.get(id(cells), cells) for name, cells in self._columns.items()}

    def text(self, position: int, texts: dict[str, str] | None = None) -> str | None:
        """Return the text of a row; None if all its cells are missing or blank.

        If another cell is filled, a blank cell is an empty text in a template; without a template it adds no line.

        Args:
            position: the row.
            texts: texts by column to use instead of the cells.

        Raises:
            CellError: a cell has no text.
        """
        texts = self.texts(position) if texts is None else texts
        if not any(texts.values()) and (texts or not self._media.names):
            return None
        return self._filled(texts)

    def texts(self, position: int) -> dict[str, str]:
        """Return a row's texts by column; empty texts for a row of an iterator that was not kept.

        Raises:
            CellError: a cell has no text.
        """
        return {name: self._cell(name, position) for name in self._texts}

    def readable_texts(self, position: int) -> dict[str, str]:
        """Return a row's texts by column, with an empty text for a cell without text."""
        found = {}
        for name in self._texts:
            try:
                found[name] = self._cell(name, position)
            except CellError:
                found[name] = ""
        return found

    def media(self, position: int) -> list[Any]:
        """Return the sources of a row's images and files."""
        return [one for name in self._media.names for one in self._sources(name, position)]

    def example(self, asked: str | Mapping[str, str]) -> str:
        """Return the message that an example's row would have.

        Args:
            asked: the texts of its cells by column, or its only text.

        Raises:
            ValueError: a needed column is missing.
        """
        if isinstance(asked, str):
            if len(set(self._texts)) != 1:
                return self._wrapped(asked) if self.template is None else asked
            asked = dict.fromkeys(self._texts, asked)
        missing = [name for name in self._texts if name not in asked and self.template is not None]
        if missing:
            raise ValueError(f"it has no {missing[0]!r}")
        return self._filled({name: asked[name] for name in self._texts if name in asked})

    def _filled(self, texts: dict[str, str]) -> str:
        if self.template is not None:
            if self._wrap is not None and not self.template.is_bare:
                texts = {name: text if is_plain_word(text) else self._wrapped(text) for name, text in texts.items()}
            return self.template.fill(texts)
        if self._bare:
            return self._wrapped(next(iter(texts.values()), ""))
        return self._wrapped("\n".join(f"{name}: {text}" for name, text in texts.items() if text))

    def _wrapped(self, text: str) -> str:
        return self._wrap(text) if self._wrap is not None and text else text

    def tried_message(self, position: int) -> tuple[str | list[Message] | None, BaseException | None]:
        """Return a row's message or the error of its cells; raise only errors that end a process."""
        try:
            return self.message(position), None
        except BaseException as error:
            if ends_a_process(error):
                raise
            return None, error

    def message(self, position: int, texts: dict[str, str] | None = None) -> str | list[Message] | None:
        """Return a row's message: a text, or a user's turn with media; None if there is nothing to send.

        Args:
            position: the row.
            texts: texts by column to use instead of the cells.

        Raises:
            CellError: a cell has no text.
            MediaError: a cell has no usable image or file.
        """
        text = self.text(position, texts)
        if not self._media.names:
            return text if text is None or not self.before else [*self.before, ChatBlock.user(text)]
        parts = [ChatBlock.image(one) for name in self._media.images for one in self._confined(name, position)]
        parts += [ChatBlock.file(one) for name in self._media.files for one in self._confined(name, position)]
        if not parts:
            return None if not text else [*self.before, ChatBlock.user(text)]
        return [*self.before, ChatBlock.user(text or "", media=parts)]

    def _confined(self, name: str, position: int) -> list[Any]:
        sources, folder = self._sources(name, position), self._media.folder
        return sources if folder is None else [confined(one, folder) for one in sources]

    def _sources(self, name: str, position: int) -> list[Any]:
        cells = items_of(self._columns[name][position])
        return [one for one in cells if not is_missing(one) and not (isinstance(one, str) and not one.strip())]

    def _cell(self, name: str, position: int) -> str:
        try:
            return cell_text(self._columns[name][position])
        except CellError as error:
            raise CellError(f"column {name!r} holds {error}") from error


def rows_of(
    data: Any,
    prompt: str | None,
    *,
    images: str | Sequence[str] | None = None,
    files: str | Sequence[str] | None = None,
    folder: str | os.PathLike[str] | None = None,
    wrap: Callable[[str], str] | None = None,
) -> Rows:
    """Read the input of a batch; an iterator is read later, as rows are needed.

    Args:
        data: a DataFrame, whose columns a prompt names; a Series, named ``{text}`` or by its own name; or any other
            iterable, named ``{text}``.
        prompt: the template, or None.
        images: the columns of images.
        files: the columns of PDF files.
        folder: the folder that the paths of both have to be in; None for any.
        wrap: puts marks around a row without a template, or around each cell of more than a word in a template.

    Raises:
        TypeError: ``data`` is neither a table nor an iterable of rows, or ``prompt`` is not text.
        ValueError: a named column does not exist or occurs twice, or ``folder`` is not a folder.
    """
    if prompt is not None and not isinstance(prompt, str):
        raise TypeError(f"prompt: expected a text such as 'Extract: {{text}}' or None, got {type(prompt).__name__!r}")
    media = Media(_names("images", images), _names("files", files), _folder(folder))
    foreign = foreign_of(data)
    if isinstance(data, pd.DataFrame):
        labels = [str(label) for label in data.columns]
        return _from_frame(
            labels,
            lambda names: {name: data.iloc[:, labels.index(name)].tolist() for name in names},
            data.index,
            prompt,
            media,
            wrap,
        )
    if foreign is not None and not foreign.is_series:
        return _from_frame(foreign.names, foreign.cells, None, prompt, media, wrap)
    source: Iterator[Any] | None = None
    index, names = None, [_TEXT]
    if foreign is not None:
        cells = foreign.cells([_TEXT])[_TEXT]
        names += [name for name in foreign.names if name != _TEXT]
    elif isinstance(data, pd.Series):
        cells, index = data.tolist(), data.index
        if data.name is not None and str(data.name) != _TEXT:
            names.append(str(data.name))
    elif isinstance(_items(data), Iterator):
        cells, source = [], data
    else:
        cells = list(data)
    _check_media(media, names)
    if prompt is None:
        only = {(media.names or names)[0]: cells}
        return Rows(only, index=index, bare=True, media=media, source=source, wrap=wrap)
    template = parse_template(prompt, [name for name in names if name not in media.names], fixed=bool(media.names))
    return Rows(dict.fromkeys(names, cells), template, index=index, media=media, source=source, wrap=wrap)


def _folder(given: Any) -> Path | None:
    if given is None:
        return None
    if not isinstance(given, str | os.PathLike):
        raise TypeError(f"folder: expected the path of a folder or None, got {type(given).__name__!r}")
    path = Path(given).expanduser().resolve()
    if not path.is_dir():
        raise ValueError(f"folder: {str(given)!r} is not a folder; the current folder is {Path.cwd()}")
    return path


def _names(keyword: str, given: str | Sequence[str] | None) -> tuple[str, ...]:
    if given is not None and not isinstance(given, Iterable):
        raise TypeError(f"{keyword}: expected the name of a column, or a list of names, got {brief(given)}")
    names = () if given is None else (given,) if isinstance(given, str) else tuple(given)
    if not all(isinstance(name, str) for name in names):
        raise TypeError(f"{keyword}: expected the name of a column, or a list of names, got {brief(given)}")
    return names


def _check_media(media: Media, names: Sequence[str]) -> None:
    for name in media.names:
        if name not in names:
            raise ValueError(
                f"there is no column {name!r} of images or files.{meant(name, names)} "
                f"The columns are: {printable(', '.join(names))}"
            )


def _from_frame(
    labels: list[str],
    cells: Callable[[Iterable[str]], Mapping[str, MutableSequence[Any]]],
    index: pd.Index[Any] | None,
    prompt: str | None,
    media: Media,
    wrap: Callable[[str], str] | None,
) -> Rows:
    _check_media(media, labels)
    texts = [label for label in labels if label not in media.names]
    template = None if prompt is None else parse_template(prompt, dict.fromkeys(texts), fixed=bool(media.names))
    wanted = dict.fromkeys([*(labels if template is None else template.names), *media.names])
    for name in wanted:
        if labels.count(name) > 1:
            raise ValueError(f"data has {labels.count(name)} columns named {name!r}, so a prompt cannot tell which")
    return Rows(cells(wanted), template, index=index, media=media, wrap=wrap)


def check_data(data: Any) -> None:
    """Refuse what cannot be rows, such as a single text.

    Raises:
        TypeError: the data is not a table or an iterable of rows.
    """
    if isinstance(data, (str, bytes, Mapping, msgspec.Struct, type)) or not isinstance(data, Iterable):
        raise TypeError(
            f"data: expected a DataFrame, a Series or an iterable of texts, got {type(data).__name__!r}; "
            "put a single text into a list"
        )


def _items(data: Any) -> Iterable[Any]:
    check_data(data)
    items: Iterable[Any] = data
    if hasattr(data, "to_pandas"):
        # Iterating over these yields columns or their names, not rows.
        raise TypeError(
            f"data: expected a table of pandas, polars or pyarrow, got {type(data)!r}; call .to_pandas() on it first"
        )
    return items
