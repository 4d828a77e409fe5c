"""The model of a widget: a given one, one by its name, or the embedded one."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

__all__ = ["listed", "model_of"]


def listed(given: Any, argument: str, expected: str) -> list[Any]:
    """Return the values of an argument as a list; an empty one for None.

    Args:
        given: what the caller passed.
        argument: its name, for the error.
        expected: what it is, for the error.

    Raises:
        TypeError: they are not values one after another.
    """
    if given is None:
        return []
    if not isinstance(given, Iterable) or isinstance(given, str | bytes | type) or hasattr(given, "columns"):
        raise TypeError(f"{argument}: expected {expected}, got {type(given).__name__}")
    return list(given)


def model_of(model: Any, asker: str) -> Any:
    """Return a model, by its name if a text is given; the embedded model for None.

    Args:
        model: a model, its name, or None.
        asker: the name of the widget, for the error.

    Raises:
        TypeError: ``model`` is neither.
    """
    if model is None or isinstance(model, str):
        from ...models.model import Model

        return Model.chat_completion() if model is None else Model.chat_completion(model)
    if not (callable(model) and hasattr(model, "plan")):
        raise TypeError(
            f"{asker}: expected a model or its name, got {type(model).__name__}. "
            'Model.chat_completion("provider/model") makes one.'
        )
    return model
