"""The keywords of a batch: adds defaults and checks them before anything is sent."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, Literal, TypedDict, get_args

import msgspec

from ..content.checks import meant
from ..content.keywords import refuse_unknown
from ..errors import brief
from .batch import AsyncModel, OnError
from .chunks.chunk import Chunk
from .chunks.reading import chunk_of

__all__ = ["KEYWORDS", "LIMITS", "OnStoreError", "Options", "as_kept", "at_once", "checked", "completed"]

OnStoreError = Literal["keep", "stop"]
LIMITS = ("on_error", "max_concurrency", "rpm", "tpm", "max_cost", "on_store_error")
"""The keywords that may change when a run continues."""


class Options(TypedDict, total=False):
    """The keywords of a batch, explained in :func:`extract`."""

    model: AsyncModel | str | None
    prompt: str | None
    system_prompt: str | None
    images: str | Sequence[str] | None
    files: str | Sequence[str] | None
    folder: str | os.PathLike[str] | None
    examples: Iterable[Any] | None
    on_error: OnError
    max_concurrency: int | str
    rpm: float | None
    tpm: float | None
    max_cost: float | None
    store: Any
    on_store_error: OnStoreError
    explode: str | None
    sample: int | None
    confidence: bool | int | None
    chunk: Chunk | None
    merge: Callable[[list[Any]], Any] | None


KEYWORDS = ("schema", *Options.__annotations__, "progress")
"""The names of the keywords."""


def completed(options: Options) -> dict[str, Any]:
    """Return the keywords of a batch with defaults for those that were not given."""
    refuse_unknown("extract", {name: None for name in options if name not in Options.__optional_keys__}, KEYWORDS)
    prompt = options.get("system_prompt")
    if prompt is not None and not isinstance(prompt, str):
        raise TypeError(f"system_prompt: expected a str or None, got {type(prompt).__name__}")
    usual = {"on_error": "keep", "max_concurrency": "auto", "on_store_error": "keep"}
    return {**dict.fromkeys(Options.__optional_keys__), **usual, **options}


def checked(limits: dict[str, Any]) -> dict[str, Any]:
    """Check limits and return them.

    Raises:
        ValueError: a limit has a wrong value.
    """
    for name, choices in (("on_error", get_args(OnError)), ("on_store_error", get_args(OnStoreError))):
        given = limits[name]
        if not isinstance(given, str) or given not in choices:
            near = meant(given, choices) if isinstance(given, str) else ""
            raise ValueError(f"{name}: expected one of {', '.join(map(repr, choices))}, got {brief(given)}.{near}")
    for name in ("rpm", "tpm", "max_cost"):
        _check_positive(name, limits[name])
    return limits


def at_once(max_concurrency: int | str, model: AsyncModel) -> tuple[int, int]:
    """Return the number of concurrent requests at the beginning, and the maximum."""
    parallel = int(model.profile.parallel)
    if isinstance(max_concurrency, str) and max_concurrency == "auto":
        return parallel, max(parallel, int(model.profile.parallel_most))
    if isinstance(max_concurrency, bool) or not isinstance(max_concurrency, int) or max_concurrency < 1:
        raise ValueError(f"max_concurrency: expected a number of at least 1, or 'auto', got {brief(max_concurrency)}")
    return max(parallel, max_concurrency // 4), max_concurrency


def _check_positive(name: str, value: float | None) -> None:
    if value is not None and (isinstance(value, bool) or not isinstance(value, int | float) or not value > 0):
        raise ValueError(f"{name}: expected a number above 0, or None for no limit, got {brief(value)}")


def as_kept(asked: dict[str, Any], examples: list[Any]) -> dict[str, Any]:
    """Return the keywords of a run as plain values, with which it can be resumed."""
    return {
        "system_prompt": asked["system_prompt"],
        **{name: _names(asked[name]) for name in ("images", "files")},
        "folder": None if asked["folder"] is None else str(Path(asked["folder"]).expanduser().absolute()),
        "examples": examples or None,
        "explode": asked["explode"],
        "sample": None if asked["sample"] is None else int(asked["sample"]),
        "confidence": asked["confidence"],
        "chunk": None if asked["chunk"] is None else msgspec.to_builtins(chunk_of(asked["chunk"])),
        # A function cannot be stored: a run that is resumed after a restart asks for it again.
        "merge": None if asked["merge"] is None else getattr(asked["merge"], "__qualname__", "a function"),
    }


def _names(given: str | Sequence[str] | None) -> str | list[str] | None:
    return given if given is None or isinstance(given, str) else list(given)
