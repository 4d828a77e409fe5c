"""A column whose cells are Python values that no dtype of pandas has: lists, dicts, Decimals, alternatives.

It behaves as an ``object`` column does, and prints as one. What it adds is the way into Arrow: Parquet, Feather and
Dask cannot write an ``object`` column whose cells are unlike, and read a list back as an array of numpy's. Here a column
whose type Arrow has is stored as that, any other as JSON text. An extension type of Arrow's marks both, by which
:func:`pandas.read_parquet` gives the same column back; where this package is not loaded, they are read as what they
are stored as.
"""

from __future__ import annotations

import contextlib
import decimal
import functools
import sys
import uuid
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import pandas as pd
from msgspec import inspect
from pandas._libs.arrays import NDArrayBacked  # type: ignore[attr-defined]  # the stubs leave it out

from .arrow import InexactError, arrow_array, arrow_type, bare, pa
from .coded import decoded, encoded
from .dtypes import alternatives
from .fields import is_missing

__all__ = ["ValuesArray", "ValuesDtype", "register_arrow_type", "values_array", "values_dtype"]

_ARROW_NAME = "msgflux.values"
# How cells are stored: as what the Arrow type has, or as text.
_ARROW, _JSON = "arrow", "json"
_TEXTS: dict[str, tuple[Callable[[Any], str], Callable[[str], Any]]] = {
    _JSON: (encoded, decoded),
    "decimal": (str, decimal.Decimal),
    "uuid": (str, uuid.UUID),
}
_EXAMPLES = {_JSON: "a", "decimal": decimal.Decimal(1), "uuid": uuid.UUID(int=1)}
_STORED: dict[type[inspect.Type], str] = {inspect.DecimalType: "decimal", inspect.UUIDType: "uuid"}
_TEXT_TYPES = {"decimal": decimal.Decimal, "uuid": uuid.UUID}


def values_dtype(kind: inspect.Type | None) -> ValuesDtype:
    """Return the dtype of a column whose cells are of a type; None for any."""
    members = [] if kind is None else alternatives(kind)
    stored = _STORED.get(type(members[0])) if len(members) == 1 else None
    if stored is not None:
        return ValuesDtype(stored)
    found = arrow_type(kind)
    return ValuesDtype() if found is None else ValuesDtype(_ARROW, found)


class ValuesDtype(pd.api.extensions.ExtensionDtype):
    """The dtype of such a column.

    Args:
        stored: how Arrow stores the cells: ``json``, ``decimal`` and ``uuid`` as text; ``arrow`` as ``arrow_type``.
        arrow_type: the Arrow type; None for text.
    """

    _metadata = ("stored", "arrow_type")
    type = object
    kind = "O"
    na_value = None
    name = "object"
    # pandas asks the dtype before it offers `.str`, and takes this for bytes: `.str.len()` and `.str[0]` read lists too.
    base = "S"

    def __init__(self, stored: str = _JSON, arrow_type: Any = None) -> None:
        self.stored = stored
        self.arrow_type = arrow_type

    @classmethod
    def construct_array_type(cls) -> Any:
        """Return the class of the column's array."""
        return ValuesArray

    @classmethod
    def construct_from_string(cls, string: str) -> ValuesDtype:
        """Refuse: pandas' ``object`` is not this dtype."""
        raise TypeError(f"Cannot construct a 'ValuesDtype' from '{string}'")

    @property
    def dtype(self) -> Any:
        """None: Dask asks every dtype for this, before it asks its table how to make an array of it."""
        _tell_dask()
        raise AttributeError("dtype")

    def __repr__(self) -> str:
        return "object"

    def __eq__(self, other: object) -> bool:
        return other == self.name if isinstance(other, str) else super().__eq__(other)

    __hash__ = pd.api.extensions.ExtensionDtype.__hash__

    def _get_common_dtype(self, dtypes: list[Any]) -> Any:
        return ValuesDtype() if all(isinstance(dtype, ValuesDtype) for dtype in dtypes) else None

    def __from_arrow__(self, array: Any) -> ValuesArray:
        chunks = array.chunks if isinstance(array, pa.ChunkedArray) else [array]
        cells: list[Any] = []
        for chunk in chunks:
            cells += (chunk.storage if isinstance(chunk, pa.ExtensionArray) else chunk).to_pylist()
        if self.stored in _TEXTS:
            read = _TEXTS[self.stored][1]
            cells = [None if cell is None else read(cell) for cell in cells]
        return values_array(cells, self)


class ValuesArray(pd.arrays.NumpyExtensionArray):
    """The array of such a column: Python objects, and the way to Arrow."""

    _typ = "extension"
    _internal_fill_value = None

    def __init__(self, values: Any, dtype: ValuesDtype | None = None, copy: bool = False) -> None:
        if isinstance(values, ValuesArray):
            values, dtype = values._ndarray, dtype or values.dtype
        NDArrayBacked.__init__(self, values.copy() if copy else values, dtype or ValuesDtype())

    @classmethod
    def _from_sequence(cls, scalars: Any, *, dtype: Any = None, copy: bool = False) -> ValuesArray:
        return values_array(scalars, dtype if isinstance(dtype, ValuesDtype) else ValuesDtype())

    @classmethod
    def _from_factorized(cls, values: Any, original: ValuesArray) -> ValuesArray:
        return cls(values, original.dtype)

    def _from_backing_data(self, values: Any) -> ValuesArray:
        return type(self)(values, self.dtype)

    def __setitem__(self, key: Any, value: Any) -> None:
        key = pd.api.indexers.check_array_indexer(self, key)
        if pd.api.types.is_integer(key):
            self._ndarray[key] = value
        elif isinstance(value, list | tuple | np.ndarray | pd.Series | pd.api.extensions.ExtensionArray):
            self._ndarray[key] = _objects(list(value))
        else:
            places = np.arange(len(self))[key]
            self._ndarray[places] = _objects([value] * len(places))

    def _explode(self) -> tuple[Any, Any]:
        cells = [cell if isinstance(cell, list | tuple | set | frozenset) else None for cell in self._ndarray]
        counts = np.array([1 if cell is None else max(len(cell), 1) for cell in cells], dtype=np.uint64)
        items: list[Any] = []
        for cell, whole in zip(cells, self._ndarray, strict=True):
            items += [whole] if cell is None else list(cell) or [np.nan]
        return _objects(items), counts

    def _str_map(self, f: Any, na_value: Any = None, dtype: Any = None, convert: bool = True) -> Any:
        return pd.arrays.NumpyExtensionArray(self._ndarray)._str_map(
            f, np.nan if na_value is None else na_value, dtype, convert
        )

    def factorize(self, use_na_sentinel: bool = True) -> tuple[Any, Any]:
        """Return codes and the values that they stand for, as for an ``object`` column."""
        return pd.factorize(self._ndarray, use_na_sentinel=use_na_sentinel)

    def _wrap_ndarray_result(self, result: Any) -> Any:
        return values_array(list(result), ValuesDtype()) if result.dtype == object else pd.array(result)

    def _formatter(self, boxed: bool = False) -> Callable[[Any], str | None]:
        return str if boxed else repr

    def __arrow_array__(self, type: Any = None) -> Any:
        """Return the cells as Arrow stores them: of the column's Arrow type if they fit, else as JSON text.

        Raises:
            InexactError: ``type`` says what they have to be, and they do not fit.
        """
        cells, dtype = self._ndarray.tolist(), self.dtype
        if type is None:
            try:
                return _extended(cells, dtype)
            except InexactError:
                return _extended(cells, ValuesDtype())
        if isinstance(type, pa.BaseExtensionType):
            return _extended(cells, type.to_pandas_dtype())
        # Arrow asks for what an extension type is stored as, and puts the type on itself.
        if type == (dtype.arrow_type or pa.string()):
            return _stored(cells, dtype)
        return pa.array(cells, type=type)


def values_array(cells: Iterable[Any], dtype: ValuesDtype) -> ValuesArray:
    """Return cells as a column of a dtype."""
    return ValuesArray(_objects(cells), dtype)


def register_arrow_type() -> None:
    """Make Arrow know the type of such a column, where pyarrow is; calling it again changes nothing."""
    if pa is not None:
        _arrow_class()


def _tell_dask() -> None:
    """Say to Dask how an array of the dtype is made, as soon as Dask is there."""
    if "dask.dataframe.extensions" not in sys.modules:
        return
    from dask.dataframe.extensions import make_array_nonempty

    make_array_nonempty.register(ValuesDtype)(_nonempty)


def _nonempty(dtype: ValuesDtype) -> ValuesArray:
    is_list = dtype.arrow_type is not None and pa.types.is_list(dtype.arrow_type)
    example = [] if is_list else None if dtype.arrow_type is not None else _EXAMPLES[dtype.stored]
    return values_array([example, example], dtype)


def _objects(cells: Iterable[Any]) -> np.ndarray[Any, Any]:
    return np.fromiter(cells, dtype=object)  # which keeps lists as they are


def _extended(cells: list[Any], dtype: ValuesDtype) -> Any:
    stored = _stored(cells, dtype)
    return pa.ExtensionArray.from_storage(_arrow_class()(stored.type, dtype.stored), stored)


def _stored(cells: list[Any], dtype: ValuesDtype) -> Any:
    cells = [None if is_missing(cell) else cell for cell in cells]
    if dtype.arrow_type is not None:
        return arrow_array(cells, dtype.arrow_type)
    write, only = _TEXTS[dtype.stored][0], _TEXT_TYPES.get(dtype.stored)
    if only is not None and not set(map(type, cells)) <= {only, type(None)}:
        raise InexactError(f"expected cells of {only.__name__}")
    return pa.array([None if cell is None else write(cell) for cell in cells], type=pa.string())


@functools.cache
def _arrow_class() -> Any:
    class ValuesType(pa.ExtensionType):  # type: ignore[misc]  # pyarrow has no annotations
        def __init__(self, storage: Any, stored: str) -> None:
            self.stored = stored
            super().__init__(storage, _ARROW_NAME)

        def __arrow_ext_serialize__(self) -> bytes:
            return self.stored.encode()

        @classmethod
        def __arrow_ext_deserialize__(cls, storage: Any, serialized: bytes) -> Any:
            stored = serialized.decode()
            return cls(storage, stored)

        def __hash__(self) -> int:
            return hash((self.stored, self.storage_type))

        def __eq__(self, other: object) -> bool:
            return isinstance(other, ValuesType) and (self.stored, self.storage_type) == (
                other.stored,
                other.storage_type,
            )

        def __reduce__(self) -> Any:
            return _arrow_type_of, (self.storage_type, self.stored)

        def to_pandas_dtype(self) -> ValuesDtype:
            return ValuesDtype(self.stored, bare(self.storage_type) if self.stored == _ARROW else None)

    with contextlib.suppress(pa.ArrowKeyError):  # it is registered already
        pa.register_extension_type(ValuesType(pa.string(), _JSON))
    return ValuesType


def _arrow_type_of(storage: Any, stored: str) -> Any:
    return _arrow_class()(storage, stored)


register_arrow_type()
_tell_dask()
