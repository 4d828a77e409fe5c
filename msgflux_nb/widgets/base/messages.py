"""The typed messages of pages: a message that does not fit its handler's type is refused and logged."""

from __future__ import annotations

import functools
import inspect
import logging
from collections.abc import Callable
from typing import Any

import msgspec

__all__ = ["Buffers", "Hello", "PageMessage", "PageMessageError", "decoded", "message_type"]

Buffers = list[memoryview]
"""The type of the bytes that come with a message."""

_LOG = logging.getLogger("msgflux_nb")


class PageMessage(msgspec.Struct, frozen=True):
    """A message from a page; subclasses declare its fields."""


class Hello(PageMessage, frozen=True):
    """A page has loaded or has missed a batch: it knows this run up to the batch of this number."""

    run: int
    seq: int


class PageMessageError(ValueError):
    """A message without a handler, or one that does not fit its handler's type."""


def decoded(view: Any, content: dict[str, Any]) -> tuple[Callable[[Any, Buffers], None], PageMessage]:
    """Return the method of a view that handles a message, and the message as that method's type.

    Args:
        view: a widget with a method ``_on_<type>(message, buffers)`` for each type of message.
        content: the content of the message.

    Raises:
        PageMessageError: the message has no handler, or a field is missing or of another type. It is logged without its
            content.
    """
    name = content.get("type")
    handler = getattr(view, f"_on_{name}", None) if isinstance(name, str) and name.isidentifier() else None
    if handler is None:
        raise _refused(view, f"nobody handles a message of type {str(name)[:40]!r}")
    try:
        return handler, msgspec.convert(content, message_type(handler.__func__))
    except msgspec.ValidationError as error:
        raise _refused(view, f"a message of type {name!r} has another shape than expected: {error}") from None


@functools.cache
def message_type(handler: Callable[..., None]) -> type[PageMessage]:
    """Return the type of message that a handler takes, from the annotation of its first parameter."""
    annotations = inspect.get_annotations(handler, eval_str=True)
    kind: type[PageMessage] = annotations[next(iter(annotations))]
    return kind


def _refused(view: Any, what: str) -> PageMessageError:
    _LOG.warning("the page of %s: %s", type(view).__name__, what)
    return PageMessageError(f"{what}. Nothing was done.")
