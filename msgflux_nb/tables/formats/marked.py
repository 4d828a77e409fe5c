"""The Arrow extension type that marks a column of Python values in Parquet and Feather.

It is loaded with ``df.mf`` and loads no other module until such a column is read.
"""

from __future__ import annotations

import contextlib
import functools
import importlib
from typing import Any

__all__ = ["marked_type", "register_arrow_type"]

_NAME = "msgflux.values"


def register_arrow_type() -> None:
    """Register the type with Arrow; idempotent. Needs pyarrow."""
    _class()


def marked_type(storage: Any, stored: str) -> Any:
    """Return the Arrow type of a column.

    Args:
        storage: the Arrow type that its cells are stored as.
        stored: how they are stored; see :class:`.ValuesDtype`.
    """
    return _class()(storage, stored)


@functools.cache
def _class() -> Any:
    import pyarrow as pa

    class ValuesType(pa.ExtensionType):  # type: ignore[misc]  # pyarrow has no annotations
        def __init__(self, storage: Any, stored: str) -> None:
            self.stored = stored
            super().__init__(storage, _NAME)

        def __arrow_ext_serialize__(self) -> bytes:
            return self.stored.encode()

        @classmethod
        def __arrow_ext_deserialize__(cls, storage: Any, serialized: bytes) -> Any:
            return cls(storage, serialized.decode())

        def __hash__(self) -> int:
            return hash((self.stored, self.storage_type))

        def __eq__(self, other: object) -> bool:
            mine = (self.stored, self.storage_type)
            return isinstance(other, ValuesType) and mine == (other.stored, other.storage_type)

        def __reduce__(self) -> Any:
            return marked_type, (self.storage_type, self.stored)

        def to_pandas_dtype(self) -> Any:
            # By name: .values imports this module, and a file may be read before any other module of tables is loaded.
            values: Any = importlib.import_module(f"{__package__}.values")
            return values.dtype_of(self.storage_type, self.stored)

    with contextlib.suppress(pa.ArrowKeyError):  # already registered
        pa.register_extension_type(ValuesType(pa.string(), "json"))
    return ValuesType
