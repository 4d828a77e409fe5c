"""The models to pick from: given ones, those of the notebook, and the embedded one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ...models.chat import ChatCompletion
from ...models.prices import listed_price
from ..base.given_model import model_of

__all__ = ["Models"]


_LONGEST_NAME = 1_000


class Models:
    """Offers models by labels: their names, with a number if two have the same name.

    Args:
        given: models or names of models; the embedded one is always offered.
    """

    def __init__(self, given: Iterable[Any]) -> None:
        self._given = [model_of(one, "Playground") for one in given]
        self._embedded = model_of(None, "Playground")  # kept, so that each pick gives the same object
        self._offers: dict[str, Any] = {}
        self.look({})

    @property
    def labels(self) -> list[str]:
        """The labels of all offered models."""
        return list(self._offers)

    @property
    def prices(self) -> dict[str, str]:
        """The prices of a million tokens, input and output, by label; a model without a known price is left out."""
        told = {label: _price(model) for label, model in self._offers.items()}
        return {label: words for label, words in told.items() if words}

    def look(self, namespace: Mapping[str, Any]) -> None:
        """Look for models in the notebook again."""
        found = [value for name, value in list(namespace.items()) if _is_model(name, value)]
        offers: dict[str, Any] = {}
        for model in [*self._given, *found]:
            if not any(model is offered for offered in offers.values()):
                offers[_free_label(model.name, offers)] = model
        if not any(offered.name == self._embedded.name for offered in offers.values()):
            offers[self._embedded.name] = self._embedded
        self._offers = offers

    def label(self, model: Any) -> str:
        """Return a model's label, "" for None; a new model is offered from now on."""
        if model is None:
            return ""
        found = next((label for label, offered in self._offers.items() if offered is model), None)
        if found is None:
            self._given.append(model)
            found = _free_label(model.name, self._offers)
            self._offers[found] = model
        return found

    def named(self, label: str) -> Any:
        """Return the model with a label, or make a model of this name.

        Raises:
            ValueError: the label is too long for a name.
        """
        offered = self._offers.get(label)
        if offered is None and len(label) > _LONGEST_NAME:
            raise ValueError(f"expected the name of a model, got {len(label):,} characters")
        return model_of(label, "Playground") if offered is None else offered


def _price(model: Any) -> str:
    if not isinstance(model, ChatCompletion):
        return ""
    if model.player is not None:
        return "recorded"
    price = listed_price(model.profile, model.arguments["model"])
    if price is None:
        return ""
    return " / ".join(f"${one:,.2f}" if one >= 0.1 else f"${one:,.3g}" for one in price) if any(price) else "free"


def _is_model(name: str, value: Any) -> bool:
    return not name.startswith("_") and isinstance(value, ChatCompletion)


def _free_label(name: str, taken: Mapping[str, Any]) -> str:
    label, number = name, 1
    while label in taken:
        number += 1
        label = f"{name} ({number})"
    return label
