"""The models of a grid with their column names."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from ..batch import AsyncModel
from ..run import model_of

__all__ = ["numbered", "options_of", "read_models"]


def read_models(models: Any) -> list[tuple[str, AsyncModel]]:
    """Return the models of a grid with their names; equal names get the options that differ, or a number.

    Args:
        models: a model or its name, several of these, models by name, or None for the embedded model.

    Raises:
        ValueError: there are no models.
        TypeError: one of them is not a model.
    """
    if isinstance(models, Mapping):
        found = [(str(name), model_of(model)) for name, model in models.items()]
    else:
        several = isinstance(models, Iterable) and not isinstance(models, str)
        made = [model_of(model) for model in (models if several else [models])]
        found = list(zip(_names(made), made, strict=True))
    if not found:
        raise ValueError("models: expected at least one, or None for the embedded model, got none")
    return found


def numbered(model: AsyncModel, number: int) -> AsyncModel:
    """Return a model for one of several answers to each request.

    Raises:
        TypeError: the model has no ``numbered``.
    """
    if number == 0:
        return model
    if not callable(getattr(model, "numbered", None)):
        raise TypeError(f"n: {model.name} cannot give several answers; expected mf.Model.chat_completion(...)")
    made: AsyncModel = model.numbered(number)  # type: ignore[attr-defined]  # checked above
    return made


def options_of(model: AsyncModel) -> dict[str, Any]:
    """Return the options of a model by name; empty if it has none."""
    options = getattr(model, "options", None)
    return dict(options) if isinstance(options, Mapping) else {}


def _names(models: list[AsyncModel]) -> list[str]:
    counts = Counter(model.name for model in models)
    told = [model.name if counts[model.name] == 1 else _with_options(model) for model in models]
    seen: Counter[str] = Counter()
    names = []
    for name in told:
        seen[name] += 1
        names.append(name if seen[name] == 1 else f"{name} ({seen[name]})")
    return names


def _with_options(model: AsyncModel) -> str:
    return " ".join([model.name, *(f"{name}={value}" for name, value in options_of(model).items())])
