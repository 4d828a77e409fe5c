"""Finds a planted key: collects all texts that a person, a log or a debugger may see."""

from __future__ import annotations

import asyncio
import base64
import logging
import traceback
import types
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from IPython.core.ultratb import VerboseTB

import msgflux_nb as mf
from msgflux_nb.models.keys import HiddenValues, Key
from tests.scripted import model_at

KEY = "sk-CANARY0123456789abc"
GATEWAY = "gw/CANARY+98765/xyz"


def shapes(secret: str) -> set[str]:
    """Return a secret as text, and the middle of its base64 at each offset."""
    found = {secret[3:15]}
    for before in range(3):
        coded = base64.b64encode(b"\0" * before + secret.encode()).decode()
        found |= {coded[4:-4], base64.urlsafe_b64encode(b"\0" * before + secret.encode()).decode()[4:-4]}
    return found


FORBIDDEN = {"CANARY"} | shapes(KEY) | shapes(GATEWAY)


def assert_clean(text: str) -> None:
    found = [(shape, text[max(0, at - 200) : at + 80]) for shape in FORBIDDEN if (at := text.find(shape)) >= 0]
    assert not found, found


# -- what a person, a log or a debugger may see --------------------------------------------------------------------


def chain(error: BaseException) -> Iterator[BaseException]:
    """Return an exception with its causes and contexts, also suppressed ones."""
    seen: list[BaseException] = []
    waiting: list[BaseException | None] = [error]
    while waiting:
        one = waiting.pop()
        if one is None or any(one is other for other in seen):
            continue
        seen.append(one)
        yield one
        waiting += [one.__cause__, one.__context__, *getattr(one, "exceptions", ())]


def shown(error: BaseException) -> Iterator[str]:
    """Return all texts of an exception, including the variables of every frame."""
    for one in chain(error):
        yield f"{one} {one!r} {one.args!r} {getattr(one, '__notes__', '')}"
        yield from walked(vars(one))
        for frame, _ in traceback.walk_tb(one.__traceback__):
            for name, value in frame.f_locals.items():
                yield f"{frame.f_code.co_qualname} {name}={printed(value)}"
    yield from traceback.TracebackException.from_exception(error, capture_locals=True).format()
    yield VerboseTB(theme_name="nocolor").text(type(error), error, error.__traceback__)


def printed(value: object) -> str:
    try:
        return f"{value!r} {value} {value:}"
    except Exception as fault:
        return f"unprintable: {fault!r}"


OPAQUE = (Key, HiddenValues, types.ModuleType, type, types.FunctionType, types.MethodType)


def walked(value: object, depth: int = 6, seen: set[int] | None = None) -> Iterator[str]:
    """Return what repr, str, vars and dir show of an object and of the objects in it."""
    seen = set() if seen is None else seen
    if id(value) in seen or depth == 0:
        return
    seen.add(id(value))
    yield printed(value)
    if isinstance(value, (*OPAQUE, str, bytes, int, float, type(None))):
        return
    if isinstance(value, dict):
        held = list(value.items())
    elif isinstance(value, list | tuple | set | frozenset):
        held = list(enumerate(value))
    else:
        held = list(getattr(value, "__dict__", {}).items())
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "URL.raw is deprecated")  # httpx warns if each attribute is read
            seen_by_dir = [(name, getattr(value, name, None)) for name in dir(value) if not name.startswith("__")]
        held += [(name, inner) for name, inner in seen_by_dir if not callable(inner)]
    for name, inner in held:
        yield f"{name!r}"
        yield from walked(inner, depth - 1, seen)


# -- both drivers, and clients of ours and of the user's -----------------------------------------------------------


def model_with_secrets(url: str, **options: Any) -> mf.ChatCompletion:
    """Build a model here, so that no frame of a failure holds its secrets."""
    return model_at(url, **{"api_key": KEY, "extra_headers": {"X-Gateway": GATEWAY}, **options})


def failure(
    model: mf.ChatCompletion, driver: str, *, streamed: bool = True, debug: bool | None = None
) -> BaseException:
    """Call the model, close the user's clients, and return the raised error."""

    async def main() -> Any:
        try:
            response = await model.acall("Hi", stream=streamed)
            return (await response.consume()) if streamed else response.consume()
        finally:
            await aclose_clients(model)

    try:
        if driver == "async":
            asyncio.run(main(), debug=debug)
        else:
            try:
                model("Hi", stream=streamed).consume()
            finally:
                for client in model._clients:
                    client.close()
    except BaseException as error:
        return error
    raise AssertionError("it did not fail")


async def aclose_clients(model: mf.ChatCompletion) -> None:
    """Close the clients in the loop that used them, which owns their connections."""
    for client in model._clients:
        await client.aclose()


@contextmanager
def everything_logged() -> Iterator[list[str]]:
    """Collect the output of all loggers at all levels, with tracebacks."""
    lines: list[str] = []
    handler = logging.Handler(0)
    handler.emit = lambda record: lines.append(logging.Formatter().format(record) + repr(record.__dict__))  # type: ignore[method-assign]  # shorter than a class
    root, level = logging.getLogger(), logging.getLogger().level
    root.addHandler(handler)
    root.setLevel(1)
    try:
        yield lines
    finally:
        root.setLevel(level)
        root.removeHandler(handler)
