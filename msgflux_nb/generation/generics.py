"""Fills in the defaults of type variables (PEP 696) for a generic class written without brackets.

msgspec reads a bare ``ChainOfThoughts`` as one whose answer is ``Any``, which no strict schema can express and no
decoder can check. This module can go when msgspec reads defaults itself.
"""

from __future__ import annotations

from typing import Any

__all__ = ["with_defaults"]


def with_defaults(type_: Any) -> Any:
    """Fill in the type variables of a generic class that was written without brackets.

    Returns:
        ``type_[defaults]``; or ``type_`` itself if it is not generic, already has brackets, or has a type variable
        without a default.
    """
    variables = getattr(type_, "__parameters__", ()) if isinstance(type_, type) else ()
    # On Python 3.11 and 3.12, typing.TypeVar has no defaults.
    if not variables or not all(hasattr(variable, "has_default") and variable.has_default() for variable in variables):
        return type_
    return type_[tuple(variable.__default__ for variable in variables)]
