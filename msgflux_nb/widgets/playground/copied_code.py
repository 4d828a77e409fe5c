"""A question → Python code that asks the same from a cell."""

from __future__ import annotations

import builtins
import keyword
import math
import pprint
import sys
import types
import typing
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from ...content.messages import Message
from ...display.structure import type_name
from ...errors import MsgfluxError
from ...generation.tool_schema import Tool
from ...http.limits import Timeout
from ...models.retry import DEFAULT_MAX_RETRIES
from ..conversation.parts import medium
from ..conversation.variables import as_template, names_in, texts_of
from .answerer import Question

__all__ = ["code_of", "grid_code_of"]

_WIDTH = 100
_MOST_WRAPPED, _LONG_TEXT = 50_000, 500  # characters of all messages, and of one text
_UNNAMED = "Unnamed"


class _Expression:
    """A piece of code inside a value."""

    def __init__(self, code: str) -> None:
        self._code = code

    def __repr__(self) -> str:
        return self._code


def code_of(
    question: Question, model: Any, *, owner: Any, namespace: Mapping[str, Any], made: Mapping[Any, str]
) -> str:
    """Return the code that asks a question.

    After it has run, ``messages`` is the conversation with the answer. Files are taken from the playground if it has a
    name in the notebook; else they are a part of the code.

    Args:
        question: the question.
        model: the model to ask.
        owner: the playground, which has the files.
        namespace: the variables of the notebook.
        made: the code of types that were built by form.
    """
    writer = _Writer(namespace, made)
    files = next(iter(writer.names(owner)), None)
    schema = None if question.type is None else writer.type(question.type)
    tools = [writer.tool(tool) for tool in question.tools]
    asked = writer.model(model)
    messages = _with_references(question.messages, files)
    keywords = [f"tools=[{', '.join(tools)}]"] if tools else []
    keywords += [f"prefilling={question.prefill!r}"] if question.prefill else []
    keywords += [f"generation_schema={schema}"] if schema else []
    call = "mf.run_tools" if tools else asked
    if question.driver is not None:
        call = f"mf.plan.{question.driver.__name__}"
        keywords += [] if question.answer is str else [f"answer={writer.type(question.answer)}"]
        keywords += [f"{name}={value!r}" for name, value in question.plan_options.items()]
    several = bool(tools) or question.driver is not None
    arguments = ", ".join([*([asked] if several else []), "messages", *keywords])
    lines = [
        "import msgflux_nb as mf",
        *dict.fromkeys(writer.imports),
        "",
        *writer.definitions,
        *_listed(messages),
        f"response = {call}({arguments})",
        "messages = response.messages" if several else "messages += response.to_messages()",
        "response",
    ]
    return "\n".join(lines)


def grid_code_of(
    turns: Sequence[Message],
    variables: Mapping[str, str],
    models: Sequence[Any],
    *,
    type_: Any,
    owner: Any,
    namespace: Mapping[str, Any],
    made: Mapping[Any, str],
) -> str:
    """Return the code of a grid with the question as its only prompt and input, to which a person adds more.

    The values of ``{{names}}`` become the input; without names, the text of the last message does.

    Args:
        turns: the conversation, with its ``{{names}}``.
        variables: the values of the names.
        models: the models to ask.
        type_: what the answer is decoded to, or None.
        owner: the playground, which has the files.
        namespace: the variables of the notebook.
        made: the code of types that were built by form.
    """
    writer = _Writer(namespace, made)
    files = next(iter(writer.names(owner)), None)
    names = names_in(text for turn in turns for text in texts_of(turn))
    prompt = [_templated(turn) for turn in turns]
    given = {name: variables.get(name, "") for name in names}
    if not names and prompt and isinstance(prompt[-1].get("content"), str):
        given = {"text": str(turns[-1]["content"])}
        prompt[-1] = {**prompt[-1], "content": "{text}"}
    schema = "" if type_ is None else f", schema={writer.type(type_)}"
    asked = ", ".join(writer.model_itself(model) for model in models)
    lines = [
        "import msgflux_nb as mf",
        "import pandas as pd",
        *dict.fromkeys(writer.imports),
        "",
        *writer.definitions,
        *_listed(_with_references(prompt, files), "prompt"),
        f"inputs = pd.DataFrame([{given!r}])  # a row for each input",
        f'result = mf.grid({{"first": prompt}}, inputs, models=[{asked}]{schema})',
        "mf.GridView(result)",
    ]
    return "\n".join(lines)


def _templated(turn: Message) -> Message:
    content = turn.get("content")
    return {**turn, "content": as_template(content)} if isinstance(content, str) else turn


class _Writer:
    """Writes expressions for objects, and collects the lines that have to come before."""

    def __init__(self, namespace: Mapping[str, Any], made: Mapping[Any, str]) -> None:
        self._namespace = namespace
        self._made = made
        self.imports: list[str] = []
        self.definitions: list[str] = []

    def names(self, value: Any) -> list[str]:
        """Return the variables that hold an object."""
        held = [name for name, one in list(self._namespace.items()) if one is value and not name.startswith("_")]
        return [name for name in held if _is_name(name)]

    def named(self, value: Any) -> str:
        """Return a name for an object: a variable, one of this package, or one to import."""
        for name in self.names(value):
            return name
        name, module = str(getattr(value, "__name__", type(value).__name__)), str(getattr(value, "__module__", ""))
        if not _is_name(name):  # any other name would be run as code
            self.definitions.append(f"# {name!a} is not a Python name: define it as {_UNNAMED} before this cell")
            return _UNNAMED
        if getattr(sys.modules["msgflux_nb"], name, None) is value:
            return f"mf.{name}"
        if (
            module != "__main__"
            and all(map(_is_name, module.split(".")))
            and getattr(sys.modules.get(module), name, None) is value
        ):
            self.imports.append(f"from {module} import {name}")
        elif isinstance(value, type) and value in self._made:
            self.definitions += [self._made[value], ""]
        else:
            self.definitions.append(f"# {name} has no name in this notebook: define it before this cell")
        return name

    def tool(self, tool: Any) -> str:
        """Return a tool: its variable or that of its function; a provider's own tool as a literal."""
        if isinstance(tool, dict) and not self.names(tool):
            return repr(tool)
        known = not isinstance(tool, Tool) or self.names(tool)
        return self.named(tool if known else tool.function)

    def type(self, type_: Any) -> str:
        """Return a type as Python code."""
        origin, parts = typing.get_origin(type_), typing.get_args(type_)
        if origin is None and isinstance(type_, type):
            plain = getattr(builtins, type_.__name__, None) is type_
            return type_.__name__ if plain else "None" if type_ is type(None) else self.named(type_)
        for name in self.names(type_):
            return name
        if origin in (typing.Union, types.UnionType):
            return " | ".join(map(self.type, parts))
        if origin is typing.Annotated or origin is typing.Literal:
            return self._with_values(origin, parts)
        if origin is None:
            return "..." if type_ is ... else type_name(type_)
        return f"{self.type(origin)}[{', '.join(map(self.type, parts))}]"

    def _with_values(self, origin: Any, parts: Sequence[Any]) -> str:
        types_ = [self.type(parts[0])] if origin is typing.Annotated else []
        values = [repr(part) for part in parts[len(types_) :]]
        name = "Annotated" if types_ else "Literal"
        self.imports.append(f"from typing import {name}")
        self.imports += ["import msgspec"] if any(value.startswith("msgspec.") for value in values) else []
        return f"{name}[{', '.join([*types_, *values])}]"

    def model(self, model: Any) -> str:
        """Return a model: its variable, or code that builds it; neither contains a key."""
        for name in self.names(model):
            return name
        self.definitions.append(f"model = {_built(model)}")
        return "model"

    def model_itself(self, model: Any) -> str:
        """Return a model: its variable, or an expression that builds it; neither contains a key."""
        return next(iter(self.names(model)), None) or _built(model)


def _built(model: Any) -> str:
    words = "".join(f", {name}={value!r}" for name, value in _options(model).items())
    return f"mf.Model.chat_completion({model.name!r}{words})"


def _is_name(name: str) -> bool:
    return name.isidentifier() and not keyword.iskeyword(name)


def _listed(messages: list[Any], name: str = "messages") -> list[str]:
    """Return the messages as code, one per line."""
    long = sum(map(_characters, messages)) > _MOST_WRAPPED  # wrapping takes too long for a click
    shown = [_unwrapped(message) for message in messages] if long else messages
    texts = [pprint.pformat(message, width=_WIDTH, sort_dicts=False) for message in shown]
    return [f"{name} = [", *(f"    {line}".replace("\n", "\n    ") + "," for line in texts), "]"]


def _characters(value: Any) -> int:
    if isinstance(value, dict | list):
        return sum(map(_characters, value.values() if isinstance(value, dict) else value))
    return len(value) if isinstance(value, str) else 0


def _unwrapped(value: Any) -> Any:
    """Return a value whose long texts are written on one line each."""
    if isinstance(value, dict):
        return {name: _unwrapped(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_unwrapped(item) for item in value]
    return _Expression(repr(value)) if isinstance(value, str) and len(value) > _LONG_TEXT else value


def _with_references(value: Any, files: str | None) -> Any:
    if files is not None and isinstance(value, dict):
        measured = medium(value)
        if measured is not None:
            return _Expression(f"{files}.media[{measured.digest!r}]")
    if isinstance(value, dict):
        return {name: _with_references(item, files) for name, item in value.items()}
    return [_with_references(item, files) for item in value] if isinstance(value, list) else value


def _options(model: Any) -> dict[str, Any]:
    """Return the keywords of ``Model.chat_completion`` besides the name, without secrets."""
    profile, usual, address = model.profile, _usual(model.name, None), {}
    if usual is None or usual.base_url != profile.base_url:
        usual, address = _usual(model.name, profile.base_url), {"base_url": _shown(profile.base_url)}
    fields = [name for name in profile.__struct_fields__ if name != "provider"]
    changed = {name: getattr(profile, name) for name in fields if getattr(profile, name) != getattr(usual, name, None)}
    own = {name: sorted(value) if isinstance(value, frozenset) else value for name, value in changed.items()}
    beside = {name: model.arguments[name] for name in ("extra_body", "prefill_mode", "wire", "cache_prompt")}
    asked = {name: value for name, value in beside.items() if value not in (None, "auto", False)}
    return {
        **model.options,
        **address,
        **({"profile": msgspec.to_builtins(own)} if own else {}),
        **asked,
        **_limits(model),
    }


def _limits(model: Any) -> dict[str, Any]:
    """Return the limits on time and on retries that are not the usual ones."""
    usual, timeout, retries = Timeout(), model.arguments["timeout"], model.arguments["max_retries"]
    limits = {name: getattr(timeout, name) for name in usual.__struct_fields__}
    changed = {name: value for name, value in limits.items() if value != getattr(usual, name)}
    words = ", ".join(f"{name}={_seconds(value)}" for name, value in changed.items())
    found: dict[str, Any] = {"timeout": _Expression(f"mf.Timeout({words})")} if changed else {}
    return found if retries == DEFAULT_MAX_RETRIES else {**found, "max_retries": retries}


def _seconds(value: float) -> str:
    return 'float("inf")' if value == math.inf else repr(value)


def _shown(base_url: str | None) -> str | None:
    from ...models.keys import scrub

    return base_url and scrub(base_url)


def _usual(name: str, base_url: str | None) -> Any:
    from ...models.model import Model

    try:
        return Model.chat_completion(name, base_url=base_url).profile
    except MsgfluxError:
        return None
