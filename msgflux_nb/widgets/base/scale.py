"""``display``: sets the scale and the density of all views, open ones included."""

from __future__ import annotations

import weakref
from typing import Any

from ...errors import brief

__all__ = ["DENSITIES", "current", "display", "dress"]

DENSITIES = {"compact": 0.8, "normal": 1.0, "roomy": 1.25}
"""Factors of spacing by name."""

_settings = {"scale": 1.0, "density": 1.0}
_views: weakref.WeakSet[Any] = weakref.WeakSet()


def display(*, scale: float | None = None, density: str | None = None) -> None:
    """Set the scale and the density of all views; open views follow at once.

    A view that becomes too wide changes to its narrow layout.

    Args:
        scale: a factor of all sizes, between 0.5 and 4; 1.6 suits a projector.
        density: ``"compact"``, ``"normal"`` or ``"roomy"``.

    Raises:
        ValueError: a value is not one of these.

    Example:
        >>> display(scale=1.6)
        >>> display(scale=1, density="normal")
    """
    if scale is not None and not 0.5 <= scale <= 4:
        raise ValueError(f"display: expected a scale between 0.5 and 4, got {scale}. 1 is the usual size.")
    if density is not None and density not in DENSITIES:
        raise ValueError(f"display: expected a density of {', '.join(DENSITIES)}, got {brief(density)}.")
    if scale is not None:
        _settings["scale"] = float(scale)
    if density is not None:
        _settings["density"] = DENSITIES[density]
    for view in list(_views):
        view.look = current()


def current() -> dict[str, float]:
    """Return the present scale and density, as pages take them."""
    return dict(_settings)


def dress(view: Any) -> None:
    """Let a view follow ``display`` from now on."""
    _views.add(view)
