"""A column of Python values for which pandas has no dtype: lists, dicts, Decimals, unions.

It behaves and prints like an ``object`` column, but can be stored. Parquet, Feather and Dask cannot write an ``object``
column of different types, and they read a list back as a numpy array. This column is stored as Arrow values if its type
has an Arrow type, else as JSON text. An extension type (:mod:`.marked`) makes :func:`pandas.read_parquet` return the
same column. Without this package, the stored values are read. In a result that is an Arrow table, columns whose stored
type is plain have no extension type (:func:`plain_table`).
"""

from __future__ import annotations

import base64
import datetime
import decimal
import json
import sys
import uuid
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import pandas as pd
from msgspec import inspect
from pandas._libs.arrays import NDArrayBacked

from ..dtypes import alternatives
from ..fields import is_missing
from .arrow import InexactError, arrow_array, arrow_type, bare, pa
from .coded import decoded, encoded, json_cell
from .marked import marked_type, register_arrow_type

__all__ = ["ValuesArray", "ValuesDtype", "dtype_of", "plain_table", "values_array", "values_dtype"]

# How cells are stored: as values of an Arrow type, or as text.
_ARROW, _JSON = "arrow", "json"
# The name of such a column's dtype in pandas' metadata of a plain Arrow table; numpy reads it as ``object``.
_ALIAS = "object_"
_INSTEAD = ";"  # after json: how the column would have been stored, had its cells fitted
_TEXTS: dict[str, tuple[Callable[[Any], str], Callable[[str], Any]]] = {
    _JSON: (encoded, decoded),
    "decimal": (str, decimal.Decimal),
    "uuid": (str, uuid.UUID),
    "time": (datetime.time.isoformat, datetime.time.fromisoformat),
}
_EXAMPLES = {_JSON: "a", "decimal": decimal.Decimal(1), "uuid": uuid.UUID(int=1), "time": datetime.time()}
_TEXT_TYPES = {"decimal": decimal.Decimal, "uuid": uuid.UUID, "time": datetime.time}
_STORED: dict[type[inspect.Type], str] = {
    inspect.DecimalType: "decimal",
    inspect.UUIDType: "uuid",
    inspect.TimeType: "time",  # Arrow's time has no zone
}


def values_dtype(kind: inspect.Type | None) -> ValuesDtype:
    """Return the dtype of a column with cells of a type; None for any type."""
    members = [] if kind is None else alternatives(kind)
    stored = _STORED.get(type(members[0])) if len(members) == 1 else None
    if stored is not None:
        return ValuesDtype(stored)
    found = arrow_type(kind)
    return ValuesDtype() if found is None else ValuesDtype(_ARROW, found)


@pd.api.extensions.register_extension_dtype
class ValuesDtype(pd.api.extensions.ExtensionDtype):
    """The dtype of a column of Python values.

    Args:
        stored: how Arrow stores the cells: ``json``, ``decimal``, ``uuid`` and ``time`` as text, ``arrow`` as
            ``arrow_type``.
        arrow_type: the Arrow type; None for text.
    """

    _metadata = ("stored", "arrow_type")
    type = object
    kind = "O"
    na_value = None
    name = "object"
    # pandas offers `.str` only to dtypes it knows. It takes this one for bytes, so `.str.len()` and `.str[0]` work.
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
        """Return the dtype for the name that :func:`plain_table` writes; pandas' ``object`` is not this dtype."""
        if string == _ALIAS:
            return cls()
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
        if not isinstance(array.type, pa.BaseExtensionType) and not pa.types.is_string(array.type):
            return values_array(array.to_pylist(), _dtype_of_plain(array.type))
        chunks = array.chunks if isinstance(array, pa.ChunkedArray) else [array]
        cells: list[Any] = []
        for chunk in chunks:
            cells += (chunk.storage if isinstance(chunk, pa.ExtensionArray) else chunk).to_pylist()
        stored = getattr(array.type, "stored", self.stored).partition(_INSTEAD)[0]
        if stored in _TEXTS:
            read = _TEXTS[stored][1]
            cells = [None if cell is None else read(cell) for cell in cells]
        return values_array(cells, self)


class ValuesArray(pd.arrays.NumpyExtensionArray):
    """The array of a column of Python values, which converts to Arrow."""

    _typ = "extension"
    _internal_fill_value = None

    def __init__(self, values: Any, dtype: ValuesDtype | None = None, copy: bool = False) -> None:
        if isinstance(values, ValuesArray):
            values, dtype = values._ndarray, dtype or values.dtype
        start: Any = NDArrayBacked.__init__  # the stubs declare it without arguments
        start(self, values.copy() if copy else values, dtype or ValuesDtype())

    @property
    def dtype(self) -> ValuesDtype:
        """The dtype."""
        found: ValuesDtype = self._dtype  # type: ignore[assignment]  # the stubs declare it as any numpy array's
        return found

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
        plain: Any = pd.arrays.NumpyExtensionArray(self._ndarray)
        return plain._str_map(f, np.nan if na_value is None else na_value, dtype, convert)

    def factorize(self, use_na_sentinel: bool = True) -> tuple[Any, Any]:
        """Return codes and their values, as an ``object`` column does."""
        return pd.factorize(self._ndarray, use_na_sentinel=use_na_sentinel)

    def _values_for_json(self) -> Any:
        """Return values that ``to_json`` can write: it has no UUID, and fails for bytes that are not text."""
        return _objects(map(json_cell, self._ndarray))

    def _wrap_ndarray_result(self, result: Any) -> Any:
        return values_array(list(result), ValuesDtype()) if result.dtype == object else pd.array(result)

    def _formatter(self, boxed: bool = False) -> Callable[[Any], str | None]:
        return str if boxed else repr

    def __arrow_array__(self, type: Any = None) -> Any:  # noqa: A002  # pyarrow passes it by this name
        """Return the cells as an Arrow array: of the column's Arrow type if they fit, else as JSON text.

        Raises:
            InexactError: the cells do not fit the requested ``type``.
        """
        cells, dtype = self._ndarray.tolist(), self.dtype
        if type is None:
            try:
                return _marked(_stored(cells, dtype), dtype.stored)
            except InexactError:
                return _marked(_stored(cells, ValuesDtype()), f"{_JSON}{_INSTEAD}{_spelled(dtype)}")
        if isinstance(type, pa.BaseExtensionType):
            how = type.stored.partition(_INSTEAD)[0]
            return pa.ExtensionArray.from_storage(type, _stored(cells, dtype_of(type.storage_type, how)))
        # Arrow asks for an extension type's storage and adds the type itself.
        if type == (dtype.arrow_type or pa.string()):
            return _stored(cells, dtype)
        return pa.array(cells, type=type)


def values_array(cells: Iterable[Any], dtype: ValuesDtype) -> ValuesArray:
    """Return cells as a column of a dtype."""
    return ValuesArray(_objects(cells), dtype)


def dtype_of(storage: Any, stored: str) -> ValuesDtype:
    """Return the dtype of a stored column; for a column stored as JSON, the dtype that it had before."""
    stored, _, had = stored.partition(_INSTEAD)
    if had in _TEXTS:
        return ValuesDtype(had)
    if had:
        schema = pa.ipc.read_schema(pa.py_buffer(base64.b64decode(had)))
        return ValuesDtype(_ARROW, bare(schema.field(0).type))
    return ValuesDtype(stored, bare(storage) if stored == _ARROW else None)


def plain_table(table: Any) -> Any:
    """Return an Arrow table whose lists, records, bytes and times have plain Arrow types, without our extension type.

    ``table.to_pandas()`` gives the same columns as before. What Arrow can only store as text keeps its extension type,
    and so do times with a zone.
    """
    plain = set()
    for place, field in enumerate(table.schema):
        found = _plain_column(table.column(place), getattr(field.type, "stored", None))
        if found is not None:
            table = table.set_column(place, field.name, found)
            plain.add(field.name)
    metadata = table.schema.pandas_metadata
    if not plain or metadata is None:
        return table
    for column in metadata["columns"]:
        if column["field_name"] in plain:
            column["numpy_type"] = _ALIAS
    return table.replace_schema_metadata({**table.schema.metadata, b"pandas": json.dumps(metadata)})


def _plain_column(column: Any, stored: str | None) -> Any:
    """Return a column of Python values as plain Arrow values; None for other columns, or without a plain type."""
    if stored == _ARROW:
        return pa.chunked_array([chunk.storage for chunk in column.chunks], type=column.type.storage_type)
    if stored != "time":
        return None
    cells = list(column.type.to_pandas_dtype().__from_arrow__(column))
    is_zoned = any(cell is not None and cell.tzinfo is not None for cell in cells)
    return None if is_zoned else pa.chunked_array([pa.array(cells, type=pa.time64("us"))])


def _dtype_of_plain(kind: Any) -> ValuesDtype:
    return ValuesDtype("time") if pa.types.is_time(kind) else dtype_of(kind, _ARROW)


def _spelled(dtype: ValuesDtype) -> str:
    """Return a dtype as text, for :func:`dtype_of`."""
    if dtype.arrow_type is None:
        return dtype.stored
    return base64.b64encode(pa.schema([("cells", dtype.arrow_type)]).serialize().to_pybytes()).decode()


def _tell_dask() -> None:
    """Register with Dask how an array of the dtype is made, once Dask is loaded."""
    if "dask.dataframe.extensions" not in sys.modules:
        return
    from dask.dataframe.extensions import make_array_nonempty

    register: Any = make_array_nonempty.register
    register(ValuesDtype)(_nonempty)


def _nonempty(dtype: ValuesDtype) -> ValuesArray:
    is_list = dtype.arrow_type is not None and pa.types.is_list(dtype.arrow_type)
    example = [] if is_list else None if dtype.arrow_type is not None else _EXAMPLES[dtype.stored]
    return values_array([example, example], dtype)


def _objects(cells: Iterable[Any]) -> np.ndarray[Any, Any]:
    return np.fromiter(cells, dtype=object)  # keeps lists


def _marked(storage: Any, stored: str) -> Any:
    return pa.ExtensionArray.from_storage(marked_type(storage.type, stored), storage)


def _stored(cells: list[Any], dtype: ValuesDtype) -> Any:
    cells = [None if is_missing(cell) else cell for cell in cells]
    if dtype.arrow_type is not None:
        return arrow_array(cells, dtype.arrow_type)
    write, only = _TEXTS[dtype.stored][0], _TEXT_TYPES.get(dtype.stored)
    if only is not None and not set(map(type, cells)) <= {only, type(None)}:
        raise InexactError(f"expected only cells of type {only.__name__}")
    return pa.array([None if cell is None else write(cell) for cell in cells], type=pa.string())


if pa is not None:
    register_arrow_type()
_tell_dask()
