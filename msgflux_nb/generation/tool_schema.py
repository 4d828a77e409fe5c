"""Describes a Python function as a tool, and converts a model's arguments to the types of its hints.

Nothing here runs a model or waits: a :class:`Tool` binds and calls, and its caller decides when.
"""

from __future__ import annotations

import functools
import inspect
import re
import types
import typing
from collections.abc import Callable, Iterable
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from ..errors import SchemaError, ToolCallError, brief
from .annotations import is_default_of_another, read_annotated
from .choices import with_whole_choices
from .dialect import IN_WORDS
from .docs import read_doc
from .hints import taken_apart
from .nodes import Node
from .outline import outline
from .schema import Dialect, WireSchema, wire_schema
from .tool_forms import check_name, expected_tool, is_server_tool, name_of_tool, read_tool

__all__ = ["TO_THE_MODEL", "Parameter", "Tool", "listed_tools", "tool_schemas", "tools_by_name"]

TO_THE_MODEL = " Call it again with this put right."
"""The last sentence of an error about a call's arguments; it is sent to the model, and not shown to a person."""


class Parameter(msgspec.Struct, frozen=True):
    """One parameter of a tool's function.

    Attributes:
        name: its name in the function and on the wire.
        type: the type to which an argument is converted; ``Any`` if there is no hint.
        positional: whether it can only be given by position.
        default: its default, or ``inspect.Parameter.empty`` if it is required.
    """

    name: str
    type: Any
    positional: bool
    default: Any


class Tool(msgspec.Struct, frozen=True):
    """A Python function that a model may call.

    Attributes:
        name: the name by which the model calls it.
        schema: the entry of ``tools`` in a chat completion.
        function: the function to run.
        parameters: its parameters, in order, without those that a ``functools.partial`` fixes.
        wire: the schema of the parameters.

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

        The docstring describes the tool, except for its section about parameters. A parameter is described by its
        ``Annotated`` (a text, ``Doc``, ``msgspec.Meta``, pydantic's ``Field``), else by the docstring in the style of
        Google, NumPy or Sphinx. The model's arguments are checked against the limits in ``Annotated``.

        Args:
            function: a function, a bound method, an object with ``__call__`` or a ``functools.partial``, plain or
                async.

        Raises:
            SchemaError: the function takes ``*args`` or ``**kwargs``, a hint has no JSON form, or providers do not
                accept its name; the message says which.
        """
        name = _name_of(function)
        signature = _signature_of(function, name)
        doc = read_doc(_docstring_of(function))
        hints = _hints_of(function, signature, name)
        parameters = tuple(
            Parameter(p.name, hint, p.kind is inspect.Parameter.POSITIONAL_ONLY, default)
            for p in signature
            for hint, default in [_without_field(hints[p.name], p.default)]
        )
        wire = _wire_of(name, parameters, doc.parts)
        described = {"description": doc.text} if doc.text else {}
        schema = {"type": "function", "function": {"name": name, **described, "parameters": wire.schema}}
        return cls(name=name, schema=schema, function=function, parameters=parameters, wire=wire)

    @property
    def is_async(self) -> bool:
        """Whether the function is defined with ``async def``, so that ``call`` returns a coroutine."""
        inmost = _inmost(self.function)
        return inspect.iscoroutinefunction(inmost) or inspect.iscoroutinefunction(type(inmost).__call__)

    def bind(self, arguments: Any) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Check a model's arguments and convert them to the hinted types, strictly or else with msgspec's conversions.

        Args:
            arguments: the call's arguments as decoded from JSON.

        Returns:
            The positional and the keyword arguments for the function; omitted ones are left to their defaults.

        Raises:
            ToolCallError: an argument is missing, unknown or of the wrong type. The text names each, with what was
                expected and what came; it is meant to be sent to the model.
        """
        if not isinstance(arguments, dict):
            raise ToolCallError(f"{self.name}: expected its arguments as a JSON object, got {_shown(arguments)}.")
        arguments = with_whole_choices(arguments, self.wire.schema)
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
        faults += [] if faults else self._broken_limits(arguments)
        if faults:
            raise ToolCallError(f"{self.name}: {'; '.join(faults)}.{TO_THE_MODEL}")
        return tuple(positional), named

    def call(self, arguments: Any) -> Any:
        """Call the function with a model's arguments; an async function returns a coroutine.

        Raises:
            ToolCallError: the arguments do not fit, see ``bind``. Exceptions of the function itself pass through.
        """
        positional, named = self.bind(arguments)
        return self.function(*positional, **named)

    def _broken_limits(self, arguments: Node) -> list[str]:
        """Return what is wrong with arguments of the right types: they break limits that msgspec does not know."""
        if self.wire.checked is None:
            return []
        try:
            self.wire.checked(arguments)
        except msgspec.ValidationError as error:
            reason = str(error)
            name = re.split(r"[.\[`]", reason.rpartition("`$.")[2])[0]
            if name not in arguments:
                return [_cut(reason, 300)]
            reason = reason.replace("`$.", "`")
            return [f"{name}: expected {self._expected(name)}, got {_shown(arguments[name])} ({_cut(reason, 200)})"]
        return []

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
        tools: functions, ``Tool``s, and tools in the form of a provider, in any mix: the JSON schema of a function with
            or without its ``type``, in the form of chat completions, the Responses API, Anthropic or Gemini; or a tool
            that runs at the provider, such as ``{"type": "web_search_preview"}``, which is sent as it is.

    Returns:
        One ``{"type": "function", "function": {"name", "description", "parameters"}}`` for each function, in order;
        without a description if the function has no docstring.

    Raises:
        SchemaError: a function cannot be a tool (see ``Tool.of``), a schema has no name, or two tools have the same.

    Example:
        >>> def add(a: int, b: int = 1) -> int:
        ...     '''Add two numbers.'''
        ...     return a + b
        >>> tool_schemas([add])[0]["function"]["parameters"]["required"]
        ['a']
    """
    listed = enumerate(listed_tools(tools))
    schemas = [schema for position, tool in listed for schema in _schemas_of(tool, position)]
    _check_distinct([name_of_tool(schema) for schema in schemas if not is_server_tool(schema)])
    return schemas


def tools_by_name(functions: Iterable[Any] | Callable[..., Any]) -> dict[str, Tool]:
    """Read functions as tools that can be run; a ``Tool`` stays as it is.

    Tools that run at the provider are skipped; ``tool_schemas`` has them.

    Raises:
        SchemaError: a function cannot be a tool, two have the same name, or a tool is a schema without a function.
    """
    tools = []
    for position, function in enumerate(listed_tools(functions)):
        written = None if isinstance(function, Tool) else read_tool(function, f"tools[{position}]")
        if written is None:
            tools.append(function if isinstance(function, Tool) else Tool.of(function))
        elif not all(is_server_tool(schema) for schema in written):
            raise SchemaError(
                f"tools[{position}]: expected a function as a tool that can be run, got the schema of "
                f"{name_of_tool(written[0])!r}. Pass the Python function itself; or ask with tool_schemas=[...] and "
                "run the calls yourself."
            )
    _check_distinct([tool.name for tool in tools])
    return {tool.name: tool for tool in tools}


def listed_tools(tools: Any) -> list[Any]:
    """Return tools as a list; a single tool becomes a list of one.

    Raises:
        SchemaError: the value is neither a tool nor a list of tools.
    """
    if callable(tools) or isinstance(tools, dict | Tool):
        return [tools]
    if isinstance(tools, str | bytes) or not isinstance(tools, Iterable):
        raise SchemaError(f"tools: expected a list of Python functions and dicts, got {_shown(tools)}.")
    return list(tools)


def _check_distinct(names: list[str]) -> None:
    for name in names:
        if names.count(name) > 1:
            raise SchemaError(f"two tools are named {name!r}, so a call could mean either; rename one of them.")


def _schemas_of(tool: Any, position: int) -> list[dict[str, Any]]:
    if isinstance(tool, Tool):
        return [tool.schema]
    place = f"tools[{position}]"
    written = read_tool(tool, place)
    if written is not None:
        return written
    if not callable(tool):
        raise expected_tool(tool, place)
    return [Tool.of(tool).schema]


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
    check_name(name, getattr(inmost, "__qualname__", name))
    return str(name)


def _signature_of(function: Any, name: str) -> list[inspect.Parameter]:
    try:
        parameters = list(inspect.signature(function).parameters.values())
    except (TypeError, ValueError) as error:
        raise SchemaError(f"{name}: its parameters are unknown ({error}); wrap it in a function with hints.") from None
    for parameter in parameters:
        if parameter.kind in (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD):
            raise SchemaError(
                f"{name}: {parameter} cannot be described to a model. Name each parameter. If the function is "
                "decorated, use functools.wraps in the decorator, so that its parameters are seen."
            )
    fixed = function.keywords if isinstance(function, functools.partial) else {}
    return [parameter for parameter in parameters if parameter.name not in fixed]


def _hints_of(function: Any, parameters: list[inspect.Parameter], name: str) -> dict[str, Any]:
    """Evaluate the hints of the parameters only; the return hint may name something unknown here."""
    inmost = _inmost(function)
    sources = (inspect.unwrap(inmost), inspect.unwrap(type(inmost).__call__))
    around: dict[str, Any] = next((source.__globals__ for source in sources if hasattr(source, "__globals__")), {})
    given = {p.name: Any if p.annotation is inspect.Parameter.empty else p.annotation for p in parameters}
    try:
        return typing.get_type_hints(types.SimpleNamespace(__annotations__=given), around, include_extras=True)
    except (NameError, AttributeError, TypeError, SyntaxError) as error:
        raise SchemaError(f"{name}: a hint cannot be read: {error}. Define what it names at the top level.") from None


def _without_field(hint: Any, default: Any) -> tuple[Any, Any]:
    """Read pydantic's ``Field(...)`` that is given as a default: add its metadata to the hint, return its default."""
    if not is_default_of_another(default):
        return hint, default
    held = default.default_factory() if default.default_factory is not None else default.default
    absent = held is ... or type(held).__name__ == "PydanticUndefinedType"
    return Annotated[hint, default], inspect.Parameter.empty if absent else held


def _wire_of(name: str, parameters: tuple[Parameter, ...], descriptions: dict[str, str]) -> WireSchema:
    fields: list[Any] = []
    renamed = {}
    for parameter in parameters:
        field = parameter.name
        if field.startswith("__"):  # msgspec refuses such names
            field = f"mangled{field}"
            renamed[field] = parameter.name
        hint = _described(parameter.type, descriptions.get(parameter.name), f"{name}: $.{parameter.name}")
        fields.append((field, hint) if parameter.default is inspect.Parameter.empty else (field, hint, None))
    try:
        # The function applies its defaults; None here only marks a parameter as optional.
        return wire_schema(msgspec.defstruct("Parameters", fields, kw_only=True, rename=renamed or None), Dialect.PLAIN)
    except SchemaError as error:
        raise SchemaError(f"{name}: {error}") from None


def _described(hint: Any, text: str | None, place: str) -> Any:
    """Add a docstring's text about a parameter, unless its hint has a description."""
    _, added = taken_apart(hint)
    said = any(isinstance(extra, Meta) and extra.description for extra in added)
    if not text or said or "description" in read_annotated(added, place).words:
        return hint
    return Annotated[hint, Meta(description=text)]


def _docstring_of(function: Any) -> str:
    inmost = _inmost(function)
    if inspect.isroutine(inmost):
        return inspect.getdoc(inmost) or ""
    return type(inmost).__call__.__doc__ or type(inmost).__doc__ or ""


def _shown(value: Any) -> str:
    try:
        text = msgspec.json.encode(value).decode()
    except (TypeError, ValueError, RecursionError):
        text = brief(value, 200)
    return _cut(text, 120)


def _cut(text: str, length: int) -> str:
    return text if len(text) <= length else f"{text[:length]}..."
