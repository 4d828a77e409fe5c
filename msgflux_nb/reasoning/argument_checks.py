"""What a caller of a driver passes, checked before anything is asked."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from ..content.checks import check_messages
from .prompts import Prompts

__all__ = ["check_answer", "check_count", "check_functions", "check_model", "check_task", "prompts_of"]


def check_model(model: Any) -> None:
    """Refuse what is not a model, such as its name.

    Raises:
        TypeError: it says what came.
    """
    if not hasattr(model, "acall") or isinstance(model, type):
        raise TypeError(f'model: expected mf.Model.chat_completion("provider/model"), got {type(model).__name__}')


def check_task(task: Any) -> None:
    """Refuse a task that is neither a text nor a list of messages.

    Raises:
        BadRequestError: it says what came.
    """
    if not isinstance(task, Iterator):  # which can be read once only, by the call
        check_messages(task)


def check_count(**given: Any) -> None:
    """Refuse what is not a whole number of at least 1.

    Raises:
        ValueError: it names the argument.
    """
    for name, number in given.items():
        if isinstance(number, bool) or not isinstance(number, int) or number < 1:
            raise ValueError(f"{name}: expected at least 1, got {number!r}")


def prompts_of(prompts: Any) -> Prompts:
    """Return the texts to send; the usual ones for None.

    Raises:
        TypeError: they are something else than ``mf.plan.Prompts``.
    """
    if prompts is not None and not isinstance(prompts, Prompts):
        raise TypeError(f'prompts: expected mf.plan.Prompts(propose="...") or None, got {type(prompts).__name__}')
    return Prompts() if prompts is None else prompts


def check_functions(**given: Any) -> None:
    """Refuse what is neither a function nor None.

    Raises:
        TypeError: it names the argument.
    """
    for name, function in given.items():
        if function is not None and not callable(function):
            raise TypeError(f"{name}: expected a function or None, got {type(function).__name__}")


def check_answer(answer: Any) -> None:
    """Refuse anything but a type, such as ``3`` or an instance instead of its class.

    Raises:
        TypeError: it says what came.
    """
    try:
        msgspec.convert(None, answer)
    except msgspec.ValidationError:
        return
    except TypeError:
        if not isinstance(answer, type):  # a class that msgspec does not know is compared by isinstance
            raise TypeError(f"answer: expected a type, such as int or a Struct, got {answer!r}") from None
