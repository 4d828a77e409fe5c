"""Builds the request that one provider understands from what a caller asks for; pure.

The only module that knows the names of a request's fields.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Collection, Sequence
from typing import Any

import msgspec

from ..content.checks import check_messages
from ..content.depth import check_depth
from ..content.keywords import check_keywords
from ..errors import BadRequestError, PrefillError
from ..generation.outline import outline
from ..generation.schema import Dialect, WireSchema, wire_schema
from ..generation.tool_forms import name_of_tool
from .left_out import left_out
from .prefill import PrefillMode, checked_prefill, emulated_messages, prefilled_messages
from .profile import Profile, SchemaMethod, Wire
from .remedy import Remedy, remedied
from .special_tokens import as_texts, described_as_text
from .tool_choice import Choice, choice_of, is_forced
from .turns import outgoing, with_system
from .wire import chosen_wire, wire_body, with_extra

__all__ = ["OPTIONS", "ChatRequest", "Way", "build_request", "schema_methods", "schema_note"]

OPTIONS = frozenset(
    {
        "audio",
        "frequency_penalty",
        "logprobs",
        "max_tokens",
        "modalities",
        "parallel_tool_calls",
        "presence_penalty",
        "reasoning_effort",
        "seed",
        "service_tier",
        "stop",
        "temperature",
        "top_logprobs",
        "top_p",
        "verbosity",
        "web_search_options",
    }
)
"""The options in a request's body; each is sent only if the caller sets it."""


Way = tuple[SchemaMethod, bool, bool, bool]
"""A way of asking for a structure, and whether it is streamed, with tools, with a prefill; a server that refuses it in
one of these cases may accept it in another."""


class ChatRequest(msgspec.Struct, frozen=True, kw_only=True):
    """A request, ready to be sent, with what is needed to read its answer.

    Attributes:
        body: the JSON body; nothing in it is shared with the caller's lists.
        messages: the caller's messages, with the system prompt and without the prefill.
        prefill: the start of the answer; empty if there is none.
        emulated: whether the prefill was requested in words.
        schema: the schema of the answer, or None for text.
        schema_method: how the structure is asked for, or None for text.
        stream: whether the answer is streamed.
        echoed: whether the answer may repeat the prefill; None if that is not known yet.
        base_url: the address of this request, if it is not the model's usual one.
        has_tools: whether the caller's tools are offered.
        forced: whether a call of one of them is required.
        call_as_structure: whether that call is asked for as a structure.
        audio_format: the requested format of sound, or None.
        wire: the format of request and answer.
        later_methods: other ways to ask for the structure if the server refuses this one.
        warnings: sentences about what was changed or left out.
        fixed: fields of the body that the caller wrote; ``wire`` if the caller insists on the wire.
    """

    body: bytes
    messages: list[dict[str, Any]]
    prefill: str = ""
    emulated: bool = False
    schema: WireSchema | None = None
    schema_method: SchemaMethod | None = None
    stream: bool = False
    echoed: bool | None = False
    base_url: str | None = None
    has_tools: bool = False
    forced: bool = False
    call_as_structure: bool = False
    audio_format: str | None = None
    wire: Wire = "chat"
    later_methods: tuple[SchemaMethod, ...] = ()
    warnings: tuple[str, ...] = ()
    fixed: frozenset[str] = frozenset()

    @property
    def way(self) -> Way | None:
        """How the structure is asked for, and in which case; None for text."""
        if self.schema_method is None:
            return None
        return self.schema_method, self.stream, self.has_tools, bool(self.prefill)

    @property
    def schema_tool(self) -> str | None:
        """The tool whose arguments are the structure, or None."""
        return self.schema.name if self.schema is not None and self.schema_method == "tool" else None


def schema_methods(
    profile: Profile, *, prefill: bool = False, tools: bool = False, stream: bool = False
) -> tuple[SchemaMethod, ...]:
    """Return the ways to ask for a structure in this case, the best first."""
    if tools and not profile.tools_with_schema:
        return ("prompt",)
    streamed = profile.schema_methods_streamed if stream else None
    methods = profile.schema_methods if streamed is None else streamed
    if prefill or not profile.forced_tool_choice:
        methods = tuple(method for method in methods if method != "tool")
    return methods or ("prompt",)


def _methods_left(
    profile: Profile, case: tuple[bool, bool, bool], refused: Collection[Way]
) -> tuple[SchemaMethod, ...]:
    """Return the ways that were not refused; if all were, the last one."""
    stream, tools, prefill = case
    known = schema_methods(profile, prefill=prefill, tools=tools, stream=stream)
    return tuple(method for method in known if (method, *case) not in refused) or known[-1:]


def build_request(
    messages: str | Sequence[dict[str, Any]],
    *,
    model: str,
    profile: Profile,
    options: dict[str, Any],
    system_prompt: str | None = None,
    prefilling: str | None = None,
    prefill_mode: PrefillMode = "auto",
    generation_schema: Any = None,
    tool_schemas: Sequence[dict[str, Any] | Callable[..., Any]] | None = None,
    tool_choice: Choice = None,
    stream: bool = False,
    extra_body: dict[str, Any] | None = None,
    refused: Collection[Way] = (),
    echo: bool | None = None,
    call_as_structure: bool = False,
    plain_history: bool = False,
    remedies: Sequence[Remedy] = (),
    wire: Wire | None = None,
    only_wire: Wire | None = None,
    cache_prompt: bool = False,
) -> ChatRequest:
    """Build the request that ``profile`` understands.

    Args:
        messages: the user's text, or a list of message dicts; read, never changed.
        model: the model's name as the provider knows it.
        profile: what is particular about the provider.
        options: values for names in ``OPTIONS``; 0, False and "" are values.
        system_prompt: put first; joined with a system message that is already first.
        prefilling: the start of the answer.
        prefill_mode: ``"auto"`` for a real prefill, ``"emulate"`` for an instruction instead.
        generation_schema: the type to decode to.
        tool_schemas: JSON schemas of tools, Python functions, or both.
        tool_choice: ``"auto"``, ``"required"``, ``"none"``, the name of a tool (the type, for a provider's own tool),
            or a dict in the provider's form.
        stream: whether the answer is streamed.
        extra_body: more fields, sent as they are; they override ours.
        refused: ways of asking for a structure that this server is known to refuse.
        echo: whether the answer repeats the prefill, if the profile does not say and an earlier answer showed it.
        call_as_structure: whether a forced call is asked for as a structure, because the model did not make it.
        plain_history: whether this provider's own fields are left out of earlier turns.
        remedies: changes for what this server refused in earlier requests.
        wire: the wire to use at this endpoint, if the provider's default does not exist there or is refused.
        only_wire: the wire that the caller insists on.
        cache_prompt: whether the provider caches the part that stays the same from request to request (Messages).

    Raises:
        BadRequestError: a message is malformed, a tool is unknown, or the request cannot be written as JSON.
        MediaError: a message holds media that this model does not accept.
        PrefillError: the prefill cannot be continued.
        SchemaError: the type has no JSON form.
    """
    check_keywords(system_prompt, prefilling, generation_schema, stream)
    asked = _asked(messages, system_prompt, profile, {"tools": tool_schemas, **options, **(extra_body or {})})
    tools = _listed_tools(tool_schemas)
    choice = choice_of(tool_choice, tools)
    schema = None if generation_schema is None else _wire_schema(generation_schema, profile.dialect)
    prefill = checked_prefill(prefilling, schema, profile.dialect)
    case = (stream, bool(tools), bool(prefill))
    methods = () if schema is None else _methods_left(profile, case, refused)
    request = ChatRequest(
        body=b"",
        messages=asked,
        prefill=prefill,
        emulated=bool(prefill) and prefill_mode == "emulate",
        schema=schema,
        schema_method=methods[0] if methods else None,
        later_methods=methods[1:],
        stream=stream,
        echoed=_echoed(prefill, prefill_mode, profile, stream, echo),
        base_url=profile.prefill_base_url if prefill and prefill_mode == "auto" else None,
        has_tools=bool(tools),
        forced=is_forced(choice, tools),
        call_as_structure=call_as_structure,
        audio_format=(options.get("audio") or {}).get("format"),
    )
    sent, tools, form, split = _as_texts(request, tools, profile, model, plain_history)
    body: dict[str, Any] = {"model": model, "messages": sent}
    body |= {profile.option_names.get(name, name): options[name] for name in sorted(options)}
    asks_for_call = _call_as_structure(body, tools, choice, profile) if call_as_structure else None
    body |= _tools(tools, choice, profile) if asks_for_call is None else asks_for_call
    body = _with_schema(body, request, profile, form)
    body = _with_start(body, request, profile, reasoning=options.get("reasoning_effort") not in (None, "none"))
    body |= _streamed(profile) if stream else {}
    body, warnings = remedied(body, remedies, model)
    own, begun = extra_body or {}, "" if request.emulated else prefill
    warnings = split + warnings + left_out(asked, body, profile, prefill=begun, extra_body=own, plain=plain_history)
    chosen = chosen_wire(profile, only_wire, wire, body)
    body, more = wire_body(body, chosen, profile, given=asked, cache_prompt=cache_prompt, remedies=remedies)
    fixed = own if only_wire is None else (*own, "wire")
    written = {"wire": chosen, "warnings": warnings + more, "fixed": frozenset(fixed)}
    return msgspec.structs.replace(request, body=_encoded(with_extra(body, own, chosen)), **written)


def _streamed(profile: Profile) -> dict[str, Any]:
    return {"stream": True, **({"stream_options": {"include_usage": True}} if profile.stream_usage else {})}


def _asked(messages: Any, system_prompt: str | None, profile: Profile, others: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the messages after checking that neither they nor the rest of the request is nested too deep."""
    asked = with_system(check_messages(messages, profile.parts), system_prompt)
    check_depth({"messages": asked, **others})
    return asked


def _as_texts(
    request: ChatRequest, tools: list[dict[str, Any]], profile: Profile, model: str, plain: bool
) -> tuple[list[dict[str, Any]], list[dict[str, Any]], dict[str, Any], tuple[str, ...]]:
    """Return messages, tools and the schema in this provider's form, and warnings about what that changed."""
    sent, split = as_texts(outgoing(_with_schema_note(request, profile), profile, model, plain=plain), profile)
    schema = {} if request.schema is None else request.schema.schema
    forms, told = described_as_text([*tools, schema], profile)
    return sent, forms[:-1], forms[-1], split + told


def _listed_tools(tools: Any) -> list[dict[str, Any]]:
    if not tools:
        return []
    from ..generation.tool_schema import tool_schemas  # late: it loads the readers of docstrings

    return tool_schemas(tools)


@functools.lru_cache(maxsize=256)
def _remembered(type_: Any, dialect: Dialect) -> WireSchema:
    return wire_schema(type_, dialect)


def _wire_schema(type_: Any, dialect: Dialect) -> WireSchema:
    """Return the schema of a type; cached, since a batch asks for the same one a million times."""
    try:
        return _remembered(type_, dialect)
    except TypeError:  # the type cannot be hashed, such as Annotated with a list in it
        return wire_schema(type_, dialect)


def _echoed(prefill: str, mode: PrefillMode, profile: Profile, stream: bool, tried: bool | None) -> bool | None:
    if not prefill or mode == "emulate":
        return bool(prefill)
    known = profile.echo_stream if stream else profile.echo
    return tried if known is None else known


def _with_start(body: dict[str, Any], request: ChatRequest, profile: Profile, *, reasoning: bool) -> dict[str, Any]:
    """Add the start of the answer: the prefill, or the start of a forced call if the provider needs that."""
    messages, prefill = body["messages"], request.prefill
    if request.forced and profile.forced_call is not None and not request.call_as_structure:
        if prefill:
            raise PrefillError(
                f"{profile.provider} needs a prefill of its own to force a tool call, so it cannot take yours too. "
                "Leave the prefill or the forced call out."
            )
        stop = body.get("stop")
        stops = [stop] if isinstance(stop, str) else list(stop or ())
        begun = {"role": "assistant", "content": profile.forced_call.prefill}
        ended = {"stop": [*stops, profile.forced_call.stop], "parallel_tool_calls": False}
        return {**body, "messages": [*messages, begun], **ended}
    if request.emulated:
        return {**body, "messages": emulated_messages(messages, prefill)}
    if not prefill:
        return body
    begun_messages = prefilled_messages(messages, prefill, profile, tools="tools" in body, reasoning=reasoning)
    return {**body, "messages": begun_messages, **profile.prefill_body}


def _tools(tools: list[dict[str, Any]], choice: Choice, profile: Profile) -> dict[str, Any]:
    """Return the fields that offer tools; empty without tools."""
    if not tools:
        return {}
    offered = [_fitting_tool(tool, profile.tool_keywords_dropped) for tool in tools]
    if choice in (None, "auto", "none"):
        return {"tools": offered} if choice is None else {"tools": offered, "tool_choice": choice}
    if isinstance(choice, dict):
        return {"tools": offered, "tool_choice": choice}
    names = [name_of_tool(tool) for tool in tools]
    chosen = tools if choice == "required" else [tools[names.index(choice)]]
    if choice != "required" and profile.named_tool_choice and profile.forced_tool_choice:
        kind = chosen[0].get("type")
        if kind in ("function", "custom"):
            return {"tools": offered, "tool_choice": {"type": kind, kind: {"name": choice}}}
        if kind is not None:
            return {"tools": offered, "tool_choice": {"type": kind}}
    forced = profile.required_word if profile.forced_tool_choice else "auto"
    return {"tools": offered if choice == "required" else [offered[names.index(choice)]], "tool_choice": forced}


def _call_as_structure(
    body: dict[str, Any], tools: list[dict[str, Any]], choice: Choice, profile: Profile
) -> dict[str, Any]:
    """Return the fields that ask for a call as a structure: ``{"name": ..., "arguments": {...}}`` under ``"call"``."""
    functions = [tool["function"] for tool in tools if tool.get("type") == "function"]
    forms = []
    for function in functions:
        if choice in ("required", function["name"]):
            arguments = function.get("parameters") or {"type": "object"}
            form = _closed({"name": {"type": "string", "enum": [function["name"]]}, "arguments": arguments})
            forms.append({**form, "description": function.get("description") or "A call of this function."})
    schema = _closed({"call": forms[0] if len(forms) == 1 else {"anyOf": forms}})
    schema = _without(schema, profile.tool_keywords_dropped)
    fields: dict[str, Any] = {}
    if "json_schema" in profile.schema_methods:
        fields["response_format"] = {"type": "json_schema", "json_schema": {"name": "call", "schema": schema}}
    elif "json_object" in profile.schema_methods:
        fields["response_format"] = {"type": "json_object"}
    if profile.schema_in_prompt or "json_schema" not in profile.schema_methods:
        note = f"Answer with JSON that fits this JSON Schema: {_encoded(schema).decode()}"
        fields["messages"] = _with_note(body["messages"], note)
    return fields


def _closed(properties: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": [*properties], "additionalProperties": False}


def _fitting_tool(tool: dict[str, Any], dropped: frozenset[str]) -> dict[str, Any]:
    function = tool.get("function")
    if not dropped or not isinstance(function, dict) or "parameters" not in function:
        return tool
    return {**tool, "function": {**function, "parameters": _without(function["parameters"], dropped)}}


def _without(schema: Any, dropped: frozenset[str]) -> Any:
    """Leave keywords out of a JSON Schema; properties of the same name stay."""
    if isinstance(schema, list):
        return [_without(item, dropped) for item in schema]
    if not isinstance(schema, dict):
        return schema
    kept = {}
    for name, value in schema.items():
        if name in ("properties", "$defs") and isinstance(value, dict):
            kept[name] = {key: _without(inner, dropped) for key, inner in value.items()}
        elif name not in dropped:
            kept[name] = value if name in ("enum", "const", "default", "examples") else _without(value, dropped)
    return kept


def _with_schema(body: dict[str, Any], request: ChatRequest, profile: Profile, form: dict[str, Any]) -> dict[str, Any]:
    """Add the fields that ask for a structure; ``form`` is its schema as it is sent."""
    schema, method = request.schema, request.schema_method
    if schema is None or method == "prompt":
        return body
    if method == "json_object":
        return {**body, "response_format": {"type": "json_object"}}
    asked: dict[str, Any] = {"name": schema.name, "strict": schema.strict and profile.strict_schemas}
    if method == "json_schema":
        asked["schema"] = form
        return {**body, "response_format": {"type": "json_schema", "json_schema": asked}}
    if profile.dialect is not Dialect.OPENAI:
        asked.pop("strict")
    asked |= {"description": "Give the answer.", "parameters": form}
    tool = _fitting_tool({"type": "function", "function": asked}, profile.tool_keywords_dropped)
    others = body.get("tools", [])
    alone = {"type": "function", "function": {"name": schema.name}} if profile.named_tool_choice else None
    choice = profile.required_word if others or alone is None else alone
    return {**body, "tools": [*others, tool], "tool_choice": choice}


def schema_note(schema: WireSchema) -> str:
    """Return the sentence that tells the model the form of a structure."""
    return f"Answer with JSON of this form: {outline(schema.schema)}"


def _with_schema_note(request: ChatRequest, profile: Profile) -> list[dict[str, Any]]:
    """Add the schema to the messages, if the server does not receive it or does not show it to the model."""
    schema, method = request.schema, request.schema_method
    if schema is None or method == "tool" or (method == "json_schema" and not profile.schema_in_prompt):
        return request.messages
    return _with_note(request.messages, schema_note(schema))


def _with_note(messages: list[dict[str, Any]], note: str) -> list[dict[str, Any]]:
    """Add a sentence to the messages.

    It is appended to a system message, which the rows of a batch share, so that servers can cache the prefix. Without a
    system message it is put before the last user text, where a small model follows it best.
    """
    first = messages[0]
    if first["role"] == "system" and isinstance(first.get("content"), str):
        return [{**first, "content": f"{first['content']}\n\n{note}"}, *messages[1:]]
    for position in range(len(messages) - 1, -1, -1):
        message = messages[position]
        content = message.get("content")
        if message["role"] == "user" and isinstance(content, str | list):
            said = f"{note}\n\n{content}" if isinstance(content, str) else [{"type": "text", "text": note}, *content]
            return [*messages[:position], {**message, "content": said}, *messages[position + 1 :]]
    return [*messages, {"role": "user", "content": note}]


def _encoded(body: dict[str, Any]) -> bytes:
    try:
        return msgspec.json.encode(body)
    except (TypeError, ValueError, UnicodeEncodeError, RecursionError) as error:
        raise BadRequestError(f"the request cannot be written as JSON: {error}. Nothing was sent.") from None
