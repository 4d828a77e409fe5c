"""A generic class without brackets → the same class with the defaults of its type variables (PEP 696).

msgspec reads a bare ``ChainOfThoughts`` as one whose answer is ``Any``, which no strict schema can say and no decoder
can check. This can go when msgspec reads defaults itself.
"""

from __future__ import annotations

from typing import Any

__all__ = ["with_defaults"]


def with_defaults(type_: Any) -> Any:
    """Fill in the type variables of a generic class that was written bare.

    Returns:
        ``type_[defaults]``; or ``type_`` itself, when it is not generic, has its brackets already, or has a type
        variable without a default.
    """
    variables = getattr(type_, "__parameters__", ()) if isinstance(type_, type) else ()
    # On Python 3.11 and 3.12 a plain typing.TypeVar knows no defaults.
    if not variables or not all(hasattr(variable, "has_default") and variable.has_default() for variable in variables):
        return type_
    return type_[tuple(variable.__default__ for variable in variables)]
