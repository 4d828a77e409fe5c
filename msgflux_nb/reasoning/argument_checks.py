"""Checks the arguments of drivers before the model is asked."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from ..content.checks import check_messages
from ..errors import brief
from .prompts import Prompts

__all__ = ["check_answer", "check_count", "check_functions", "check_model", "check_task", "prompts_of"]


def check_model(model: Any) -> None:
    """Refuse what is not a model, such as its name.

    Raises:
        TypeError: ``model`` is not a model; the message names its type.
    """
    if not hasattr(model, "acall") or isinstance(model, type):
        raise TypeError(f'model: expected mf.Model.chat_completion("provider/model"), got {type(model).__name__}')


def check_task(task: Any) -> None:
    """Refuse a task that is neither a text nor a list of messages.

    Raises:
        BadRequestError: ``task`` is neither; the message says what came.
    """
    if not isinstance(task, Iterator):  # an iterator can be read only once, by the call
        check_messages(task)


def check_count(**given: Any) -> None:
    """Refuse arguments that are not a whole number of at least 1.

    Raises:
        ValueError: an argument is not; the message names it.
    """
    for name, number in given.items():
        if isinstance(number, bool) or not isinstance(number, int) or number < 1:
            raise ValueError(f"{name}: expected at least 1, got {brief(number)}")


def prompts_of(prompts: Any) -> Prompts:
    """Return the given prompts, or the default ones for None.

    Raises:
        TypeError: ``prompts`` is neither ``mf.plan.Prompts`` nor None.
    """
    if prompts is not None and not isinstance(prompts, Prompts):
        raise TypeError(f'prompts: expected mf.plan.Prompts(propose="...") or None, got {type(prompts).__name__}')
    return Prompts() if prompts is None else prompts


def check_functions(**given: Any) -> None:
    """Refuse arguments that are neither a function nor None.

    Raises:
        TypeError: an argument is neither; the message names it.
    """
    for name, function in given.items():
        if function is not None and not callable(function):
            raise TypeError(f"{name}: expected a function or None, got {type(function).__name__}")


def check_answer(answer: Any) -> None:
    """Refuse an ``answer`` that is not a type, such as ``3`` or an instance.

    Raises:
        TypeError: ``answer`` is not a type; the message shows it.
    """
    try:
        msgspec.convert(None, answer)
    except msgspec.ValidationError:
        return
    except TypeError:
        if not isinstance(answer, type):  # a class that msgspec does not support is checked by isinstance
            raise TypeError(f"answer: expected a type, such as int or a Struct, got {brief(answer)}") from None
