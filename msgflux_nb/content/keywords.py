"""The keywords of a call and the options of a model, checked before anything is sent."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

from ..errors import SchemaError, brief
from .checks import meant
from .depth import refuse_deep

__all__ = ["check_keywords", "check_options", "refuse_unknown"]


def check_keywords(system_prompt: Any, prefilling: Any, generation_schema: Any, stream: Any) -> None:
    """Check a call's keywords, apart from its messages and tools.

    Raises:
        TypeError: a value has the wrong type.
        SchemaError: ``generation_schema`` is an instance instead of a type.
    """
    for name, value in (("system_prompt", system_prompt), ("prefilling", prefilling)):
        if value is not None and not isinstance(value, str):
            raise TypeError(f"{name}: expected a str or None, got {type(value).__name__} ({brief(value)})")
    if not isinstance(stream, bool):
        raise TypeError(f"stream: expected True or False, got {brief(stream)}")
    schema = generation_schema
    if schema is not None and _is_instance(schema):
        name, came = type(schema).__name__, brief(schema, 80)
        raise SchemaError(
            f"generation_schema: expected a type such as {name}, got an instance of it, {came}. Pass the class."
            if hasattr(type(schema), "__struct_fields__") or hasattr(type(schema), "__dataclass_fields__")
            else f"generation_schema: expected a msgspec.Struct class or another type, got {came} ({name})."
        )


def check_options(options: Mapping[str, Any]) -> None:
    """Check the types of a model's options.

    Raises:
        TypeError: an option has the wrong type.
        ValueError: an option's value is out of range, or JSON cannot hold it.
    """
    for name, value in options.items():
        if value is None or name not in _OPTIONS:
            continue
        kinds, words = _OPTIONS[name]
        fits = isinstance(value, kinds) and (bool in kinds or not isinstance(value, bool))
        if fits and name in ("stop", "modalities") and not isinstance(value, str):
            fits = all(isinstance(one, str) for one in value)
        if not fits:
            raise TypeError(f"{name}: expected {words}, got {brief(value)} ({type(value).__name__})")
        if isinstance(value, dict):
            refuse_deep(value, name, ValueError)
        if isinstance(value, float) and not math.isfinite(value):
            raise ValueError(f"{name}: expected {words}, got {value!r}, which JSON does not have")
    if (options.get("max_retries") or 0) < 0:
        raise ValueError(f"max_retries: expected 0 or more, got {options['max_retries']}")


def refuse_unknown(asker: str, unknown: Mapping[str, Any], known: Iterable[str]) -> None:
    """Refuse unknown keywords.

    Raises:
        TypeError: a keyword is unknown; the message suggests the one that may have been meant.
    """
    names = [name for name in known if name not in ("self", "unknown")]
    for name in unknown:
        other = next((word for word in _OTHER_NAMES.get(name, ()) if word in names), None)
        advice = f" Did you mean {other!r}?" if other else meant(name, names)
        if not advice and "Model.chat_completion" not in asker:
            option = name if name in _OPTIONS else next((one for one in _OPTIONS if meant(name, [one])), None)
            advice = (
                f" {option!r} is an option of the model: Model.chat_completion(name, {option}=...)." if option else ""
            )
        raise TypeError(f"{asker}: there is no keyword {name!r}.{advice} The keywords: {', '.join(names)}.")


_OTHER_NAMES = {
    "tools": ("tool_schemas",),
    "tool_schemas": ("tools",),
    "functions": ("tool_schemas", "tools"),
    "schema": ("generation_schema",),
    "response_format": ("generation_schema",),
    "response_model": ("generation_schema", "schema"),
    "output_type": ("generation_schema",),
    "system": ("system_prompt",),
    "instructions": ("system_prompt",),
    "max_completion_tokens": ("max_tokens",),
    "max_output_tokens": ("max_tokens",),
    "retries": ("max_retries",),
    "headers": ("extra_headers",),
    "key": ("api_key",),
    "url": ("base_url",),
    "image": ("images",),
    "concurrency": ("max_concurrency",),
    "workers": ("max_concurrency",),
}
"""Names that other libraries use for our keywords."""

_NUMBER = ((int, float), "a number")
_WHOLE = ((int,), "a whole number")
_TRUTH = ((bool,), "True or False")
_WORD = ((str,), "a str")
_FIELDS = ((dict,), "a dict")
_OPTIONS: dict[str, tuple[tuple[type, ...], str]] = {
    "temperature": _NUMBER,
    "top_p": _NUMBER,
    "presence_penalty": _NUMBER,
    "frequency_penalty": _NUMBER,
    "max_tokens": _WHOLE,
    "seed": _WHOLE,
    "top_logprobs": _WHOLE,
    "max_retries": _WHOLE,
    "logprobs": ((bool, int), "True or False"),
    "parallel_tool_calls": _TRUTH,
    "stop": ((str, list, tuple), "a str or a list of str"),
    "modalities": ((list, tuple), "a list of str"),
    "reasoning_effort": _WORD,
    "verbosity": _WORD,
    "service_tier": _WORD,
    "cache_prompt": _TRUTH,
    "base_url": _WORD,
    "audio": _FIELDS,
    "web_search_options": _FIELDS,
    "extra_headers": _FIELDS,
    "extra_body": _FIELDS,
    "profile": _FIELDS,
}


def _is_instance(schema: Any) -> bool:
    """Whether a value cannot be a type; a type has a ``__module__``, and an alias has an origin."""
    if isinstance(schema, type) or hasattr(schema, "__origin__") or hasattr(schema, "__args__"):
        return False
    cls = type(schema)
    return cls.__module__ not in ("typing", "types", "typing_extensions", "annotationlib")
