"""A Python function → the tool that a model is shown, and the model's arguments → the types the function hints at.

Nothing here runs a model or waits: a :class:`Tool` binds and calls, and what calls it decides when.
"""

from __future__ import annotations

import functools
import inspect
import re
import types
import typing
from collections.abc import Callable, Iterable, Iterator
from typing import Annotated, Any

import docstring_parser
import msgspec
from msgspec import Meta

from ..errors import SchemaError, ToolCallError
from .dialect import IN_WORDS
from .nodes import Node
from .outline import outline
from .schema import Dialect, WireSchema, wire_schema

__all__ = ["Parameter", "Tool", "tool_schemas", "tools_by_name"]

_NAME = re.compile(r"[a-zA-Z0-9_-]{1,64}")


class Parameter(msgspec.Struct, frozen=True):
    """One parameter of a tool's function.

    Attributes:
        name: as in the function, and on the wire.
        type: what an argument is converted to; ``Any`` where there is no hint.
        positional: whether it can only be given by position.
        default: its default, or ``inspect.Parameter.empty`` where it has to be given.
    """

    name: str
    type: Any
    positional: bool
    default: Any


class Tool(msgspec.Struct, frozen=True):
    """A Python function that a model may call.

    Attributes:
        name: what the model calls it by.
        schema: the entry of ``tools`` in a chat completion.
        function: what runs.
        parameters: its parameters, in order; those that a ``functools.partial`` fixes are not among them.
        wire: the schema of the parameters, and the way back.

    Example:
        >>> def area(width: float, height: float = 1.0) -> float:
        ...     return width * height
        >>> Tool.of(area).call({"width": "2.5"})
        2.5
    """

    name: str
    schema: dict[str, Any]
    function: Callable[..., Any]
    parameters: tuple[Parameter, ...]
    wire: WireSchema

    def __repr__(self) -> str:
        return f"Tool({self.name}({', '.join(parameter.name for parameter in self.parameters)}))"

    @classmethod
    def of(cls, function: Callable[..., Any]) -> Tool:
        """Read a function's hints and docstring.

        The first paragraph of the docstring describes the tool. A parameter is described by a text in its
        ``Annotated``, else by its ``msgspec.Meta(description=...)``, else by the docstring in the style of Google,
        NumPy or Sphinx.

        Args:
            function: a function, a bound method, an object with ``__call__`` or a ``functools.partial``, plain or
                async.

        Raises:
            SchemaError: it takes ``*args`` or ``**kwargs``, a hint has no JSON form, or its name is none that providers
                take; the message says which.
        """
        name = _name_of(function)
        signature = _signature_of(function, name)
        doc = _docstring_of(function)
        hints = _hints_of(function, signature, name)
        parameters = tuple(
            Parameter(p.name, hints[p.name], p.kind is inspect.Parameter.POSITIONAL_ONLY, p.default) for p in signature
        )
        wire = _wire_of(name, parameters, _described_in(doc))
        described = {"description": _first_paragraph(doc)} if _first_paragraph(doc) else {}
        schema = {"type": "function", "function": {"name": name, **described, "parameters": wire.schema}}
        return cls(name=name, schema=schema, function=function, parameters=parameters, wire=wire)

    @property
    def is_async(self) -> bool:
        """Whether the function is defined with ``async def``, so that ``call`` returns a coroutine."""
        inmost = _inmost(self.function)
        return inspect.iscoroutinefunction(inmost) or inspect.iscoroutinefunction(type(inmost).__call__)

    def bind(self, arguments: Any) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Check a model's arguments and convert them to the hinted types: strictly, else with msgspec's conversions.

        Args:
            arguments: the call's arguments as decoded from JSON.

        Returns:
            What to call the function with, by position and by name; what was left out is left to its default.

        Raises:
            ToolCallError: an argument is missing, unknown or of another type. The text names each, what was expected
                and what came, and is meant to go back to the model.
        """
        if not isinstance(arguments, dict):
            raise ToolCallError(f"{self.name}: expected its arguments as a JSON object, got {_shown(arguments)}.")
        faults: list[str] = []
        names = [parameter.name for parameter in self.parameters]
        unknown = [repr(name) for name in arguments if name not in names]
        if unknown:
            known = ", ".join(names) or "none"
            faults.append(f"no parameter is named {_cut(' or '.join(unknown), 200)} (the parameters are: {known})")
        restored = arguments if self.wire.restore is None else self.wire.restore(arguments)
        positional: list[Any] = []
        named: dict[str, Any] = {}
        for parameter in self.parameters:
            value = parameter.default
            if parameter.name in restored:
                value = self._converted(parameter, arguments, restored, faults)
            elif value is inspect.Parameter.empty:
                faults.append(f"{parameter.name} is missing: expected {self._expected(parameter.name)}")
            if parameter.positional:
                positional.append(value)
            elif parameter.name in restored:
                named[parameter.name] = value
        if faults:
            raise ToolCallError(f"{self.name}: {'; '.join(faults)}. Call it again with this put right.")
        return tuple(positional), named

    def call(self, arguments: Any) -> Any:
        """Call the function with a model's arguments; an async one returns a coroutine.

        Raises:
            ToolCallError: the arguments do not fit, see ``bind``; what the function itself raises passes through.
        """
        positional, named = self.bind(arguments)
        return self.function(*positional, **named)

    def _converted(self, parameter: Parameter, given: Node, restored: Node, faults: list[str]) -> Any:
        reason = ""
        for strict in (True, False):
            try:
                return msgspec.convert(restored[parameter.name], parameter.type, strict=strict, str_keys=True)
            except msgspec.ValidationError as error:
                reason = reason or str(error).replace("`$", f"`{parameter.name}")
        expected = self._expected(parameter.name)
        faults.append(
            f"{parameter.name}: expected {expected}, got {_shown(given[parameter.name])} ({_cut(reason, 200)})"
        )
        return None

    def _expected(self, name: str) -> str:
        node = self.wire.schema["properties"][name]
        text = outline({**node, "$defs": self.wire.schema.get("$defs", {})})
        return _cut(f"{text} {IN_WORDS['format'].format(node['format'])}" if "format" in node else text, 400)


def tool_schemas(tools: Iterable[Any] | Callable[..., Any]) -> list[dict[str, Any]]:
    """Describe Python functions as the ``tools`` of a chat completion.

    Args:
        tools: functions, ``Tool``s and JSON schemas of tools, in any mix; the schemas are passed on as they are.

    Returns:
        One ``{"type": "function", "function": {"name", "description", "parameters"}}`` each, in order; without a
        description where the function has no docstring.

    Raises:
        SchemaError: a function cannot be a tool (see ``Tool.of``), a schema has no name, or two tools have the same.

    Example:
        >>> def add(a: int, b: int = 1) -> int:
        ...     '''Add two numbers.'''
        ...     return a + b
        >>> tool_schemas([add])[0]["function"]["parameters"]["required"]
        ['a']
    """
    listed = _listed(tools)
    schemas = [_schema_of(tool, position) for position, tool in enumerate(listed)]
    _check_distinct([schema[schema["type"]]["name"] for schema in schemas])
    return schemas


def tools_by_name(functions: Iterable[Any] | Callable[..., Any]) -> dict[str, Tool]:
    """Read functions as tools that can be run; what is a ``Tool`` already stays as it is.

    Raises:
        SchemaError: a function cannot be a tool, or two have the same name.
    """
    tools = [function if isinstance(function, Tool) else Tool.of(function) for function in _listed(functions)]
    _check_distinct([tool.name for tool in tools])
    return {tool.name: tool for tool in tools}


def _listed(tools: Any) -> list[Any]:
    return [tools] if callable(tools) or isinstance(tools, dict | Tool) else list(tools)


def _check_distinct(names: list[str]) -> None:
    for name in names:
        if names.count(name) > 1:
            raise SchemaError(f"two tools are named {name!r}, so a call could mean either; rename one of them.")


def _schema_of(tool: Any, position: int) -> dict[str, Any]:
    if isinstance(tool, Tool):
        return tool.schema
    if not isinstance(tool, dict):
        return Tool.of(tool).schema
    inner = tool.get(tool.get("type", ""))
    if not isinstance(inner, dict) or not isinstance(inner.get("name"), str):
        raise SchemaError(
            f'tools[{position}]: expected {{"type": "function", "function": {{"name": ..., "parameters": ...}}}}, got '
            f"{_shown(tool)}. A Python function can be passed as it is."
        )
    _check_name(inner["name"], f"tools[{position}]")
    return tool


def _check_name(name: str, place: str) -> None:
    if _NAME.fullmatch(name) is None:
        raise SchemaError(
            f"{place}: a tool's name is 1 to 64 of the letters a-z and A-Z, digits, _ and -, not {name!r}. "
            "Define it with def under such a name."
        )


def _inmost(function: Any) -> Any:
    while isinstance(function, functools.partial):
        function = function.func
    return function


def _name_of(function: Any) -> str:
    if isinstance(function, type) or not callable(function):
        raise SchemaError(
            f"expected a function as a tool, got {_shown(function)}. To fill a class, pass generation_schema."
        )
    inmost = _inmost(function)
    name = getattr(inmost, "__name__", None) or type(inmost).__name__
    _check_name(name, getattr(inmost, "__qualname__", name))
    return str(name)


def _signature_of(function: Any, name: str) -> list[inspect.Parameter]:
    try:
        parameters = list(inspect.signature(function).parameters.values())
    except (TypeError, ValueError) as error:
        raise SchemaError(f"{name}: its parameters are unknown ({error}); wrap it in a function with hints.") from None
    for parameter in parameters:
        if parameter.kind in (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD):
            raise SchemaError(
                f"{name}: {parameter} cannot be described to a model. Name each parameter; a decorator keeps those of "
                "its function with functools.wraps."
            )
    fixed = function.keywords if isinstance(function, functools.partial) else {}
    return [parameter for parameter in parameters if parameter.name not in fixed]


def _hints_of(function: Any, parameters: list[inspect.Parameter], name: str) -> dict[str, Any]:
    """Evaluate the hints of the parameters alone: what a function returns need not be known here."""
    inmost = _inmost(function)
    sources = (inspect.unwrap(inmost), inspect.unwrap(type(inmost).__call__))
    around: dict[str, Any] = next((source.__globals__ for source in sources if hasattr(source, "__globals__")), {})
    given = {p.name: Any if p.annotation is inspect.Parameter.empty else p.annotation for p in parameters}
    try:
        return typing.get_type_hints(types.SimpleNamespace(__annotations__=given), around, include_extras=True)
    except (NameError, AttributeError, TypeError, SyntaxError) as error:
        raise SchemaError(f"{name}: a hint cannot be read: {error}. Define what it names at the top level.") from None


def _wire_of(name: str, parameters: tuple[Parameter, ...], descriptions: dict[str, str]) -> WireSchema:
    fields: list[Any] = []
    renamed = {}
    for parameter in parameters:
        field = parameter.name
        if field.startswith("__"):  # msgspec takes no such name
            field = f"mangled{field}"
            renamed[field] = parameter.name
        hint = _described(parameter.type, descriptions.get(parameter.name))
        fields.append((field, hint) if parameter.default is inspect.Parameter.empty else (field, hint, None))
    try:
        # The defaults stay with the function: here None only says that there is one.
        return wire_schema(msgspec.defstruct("Parameters", fields, kw_only=True, rename=renamed or None), Dialect.PLAIN)
    except SchemaError as error:
        raise SchemaError(f"{name}: {error}") from None


def _described(hint: Any, text: str | None) -> Any:
    extras = hint.__metadata__ if typing.get_origin(hint) is Annotated else ()
    said = next((extra for extra in extras if isinstance(extra, str)), None)
    if said is None and any(isinstance(extra, Meta) and extra.description for extra in extras):
        return hint
    return Annotated[hint, Meta(description=said or text)] if said or text else hint


def _docstring_of(function: Any) -> docstring_parser.Docstring:
    inmost = _inmost(function)
    if inspect.isroutine(inmost):
        text = inspect.getdoc(inmost) or ""
    else:
        text = inspect.cleandoc(type(inmost).__call__.__doc__ or type(inmost).__doc__ or "")
    try:
        return docstring_parser.parse(text)
    except Exception:  # 0.18 raises an IndexError for a line ": :"; its text can still be told
        unparsed = docstring_parser.Docstring()
        unparsed.short_description = text
        return unparsed


def _first_paragraph(doc: docstring_parser.Docstring) -> str:
    return " ".join((doc.description or "").partition("\n\n")[0].split())


def _described_in(doc: docstring_parser.Docstring) -> dict[str, str]:
    return dict(_descriptions(doc))


def _descriptions(doc: docstring_parser.Docstring) -> Iterator[tuple[str, str]]:
    for parameter in doc.params:
        for name in parameter.arg_name.split(","):  # NumPy describes several at once
            if parameter.description:
                yield name.strip(), " ".join(parameter.description.split())


def _shown(value: Any) -> str:
    try:
        text = msgspec.json.encode(value).decode()
    except (TypeError, ValueError, RecursionError):
        text = repr(value)
    return _cut(text, 120)


def _cut(text: str, length: int) -> str:
    return text if len(text) <= length else f"{text[:length]}..."
