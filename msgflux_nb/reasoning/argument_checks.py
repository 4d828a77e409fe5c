"""What a caller of a driver passes, checked before anything is asked."""

from __future__ import annotations

from typing import Any

import msgspec

__all__ = ["check_answer", "check_functions"]


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
