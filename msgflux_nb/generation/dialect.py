"""The dialects of JSON Schema that providers accept, as data.

A dialect is a row of facts, which :mod:`msgflux_nb.generation.schema` reads. When a provider changes its rules, only
its row changes.
"""

from __future__ import annotations

import enum
from typing import Literal, NamedTuple

import msgspec
from msgspec import inspect

__all__ = ["BOUNDS", "IN_WORDS", "RULES", "TEXT_FORMS", "Dialect", "Rules", "SchemaLimits", "TextForm"]


class Dialect(enum.Enum):
    """A dialect, named after who reads the schema.

    ``OPENAI``: strict mode of ``response_format``: every key required, objects closed, no map, no tuple.
    ``GRAMMAR``: llama.cpp's conversion to a grammar: integer bounds, lengths, anchored patterns.
    ``ANTHROPIC``: hardly any keyword except type, enum and format; no recursion.
    ``GEMINI``: no pattern, no length; optional keys are left out of ``required``, and only those may recurse.
    ``VLLM``: xgrammar, which vLLM and SGLang use: patterns, lengths and bounds; no ``multipleOf``.
    ``PLAIN``: ordinary JSON Schema, for the parameters of tools and for prompts: every limit is kept, a dict is an
    object, and what has a default need not be given.
    """

    OPENAI = "openai"
    GRAMMAR = "grammar"
    ANTHROPIC = "anthropic"
    GEMINI = "gemini"
    VLLM = "vllm"
    PLAIN = "plain"


class SchemaLimits(msgspec.Struct, frozen=True, kw_only=True):
    """How large a schema may be before a provider refuses it.

    Attributes:
        reader: who sets the limits, for error messages.
        properties: properties of all objects together.
        depth: levels of nested objects and arrays, the root included.
        enum_values: values of all enums together.
        long_enum: an enum with more values than this is long.
        long_enum_characters: characters of all values of one long enum.
        characters: characters of all property names, definition names and enum values together.
    """

    reader: str
    properties: int
    depth: int
    enum_values: int
    long_enum: int
    long_enum_characters: int
    characters: int


class Rules(msgspec.Struct, frozen=True, kw_only=True):
    """What one dialect understands besides type, properties, items, enum, anyOf and description.

    Attributes:
        keywords: the limits that it enforces; the others go into the description.
        formats: the formats that it enforces if ``format`` is one of its keywords; None: any.
        integers_only: whether bounds are enforced for integers only.
        patterns: ``any``, ``simple`` (no look-around, no groups with options), or ``whole`` (simple, from ^ to $).
        lengths_with_pattern: whether lengths are enforced together with a pattern.
        most_min_items: the largest ``minItems`` that is enforced; None: any.
        texts: whether dates and the like are described by a ``pattern`` or, if there is one, by a ``format``.
        optional: how the model keeps a field's default: it writes ``null``, or leaves the field out (``absent``).
        maps: whether a dict is written as a list of ``pairs`` or as an ``object`` with any keys.
        even_tuples: whether a tuple of one type is written as an array with bounds; other tuples are objects.
        type_lists: whether ``type`` may be a list.
        closed: whether ``additionalProperties: false`` is understood.
        cycles: where a schema may refer to itself: ``anywhere``, in ``optional`` properties, or ``never``.
        any_json: whether ``Any`` is written as a ``cycle`` of all types, as ``types`` without arrays inside arrays, or
            as JSON inside a ``text``.
        measured: whether schemas stay as they were measured, without later improvements: the zone in the pattern of a
            datetime with ``Meta(tz=...)``, ``{"entries": [pairs]}`` for a dict next to a list in the same union, and a
            recursive type written out where a field describes it.
        limits: the provider's limits of size, if it has any.
    """

    keywords: frozenset[str]
    formats: frozenset[str] | None = None
    integers_only: bool = False
    patterns: Literal["any", "simple", "whole"] = "any"
    lengths_with_pattern: bool = True
    most_min_items: int | None = None
    texts: Literal["pattern", "format"] = "pattern"
    optional: Literal["null", "absent"] = "null"
    maps: Literal["pairs", "object"] = "pairs"
    even_tuples: bool = False
    type_lists: bool = True
    closed: bool = True
    cycles: Literal["anywhere", "optional", "never"] = "anywhere"
    any_json: Literal["cycle", "types", "text"] = "cycle"
    measured: bool = False
    limits: SchemaLimits | None = None


BOUNDS = frozenset(["minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"])

IN_WORDS = {
    "minimum": "at least {}",
    "maximum": "at most {}",
    "exclusiveMinimum": "more than {}",
    "exclusiveMaximum": "less than {}",
    "multipleOf": "a multiple of {}",
    "minLength": "at least {} characters",
    "maxLength": "at most {} characters",
    "minItems": "at least {} items",
    "maxItems": "at most {} items",
    "minProperties": "at least {} entries",
    "maxProperties": "at most {} entries",
    "uniqueItems": "no item twice",
    "pattern": "matching the pattern {}",
    "format": "as {}",
}
"""Each limit in words, for where it cannot be enforced."""

RULES: dict[Dialect, Rules] = {
    # https://platform.openai.com/docs/guides/structured-outputs, section "Supported schemas". Arrays count as levels
    # too, as an error reported by others shows: "13 levels of nesting exceeds limit of 10".
    Dialect.OPENAI: Rules(
        keywords=BOUNDS | {"pattern", "format", "multipleOf", "minItems", "maxItems"},
        formats=frozenset(
            ["date-time", "time", "date", "duration", "email", "hostname", "ipv4", "ipv6", "uuid"],
        ),
        limits=SchemaLimits(
            reader="OpenAI's strict mode",
            properties=5_000,
            depth=10,
            enum_values=1_000,
            long_enum=250,
            long_enum_characters=15_000,
            characters=120_000,
        ),
    ),
    # Measured with xllamacpp. The embedded model's answers depend on the exact schemas, so they do not change.
    Dialect.GRAMMAR: Rules(
        keywords=BOUNDS | {"pattern", "format", "minLength", "maxLength", "minItems", "maxItems"},
        integers_only=True,
        patterns="whole",
        measured=True,
    ),
    # The keywords that Anthropic's SDK keeps (anthropic/lib/_parse/_transform.py), and "JSON Schema limitations" in
    # https://platform.claude.com/docs/en/build-with-claude/structured-outputs. An open map compiles to an empty one.
    Dialect.ANTHROPIC: Rules(
        keywords=frozenset(["format", "minItems"]),
        formats=frozenset(
            ["date-time", "time", "date", "duration", "email", "hostname", "uri", "ipv4", "ipv6", "uuid"],
        ),
        most_min_items=1,
        texts="format",
        optional="absent",
        type_lists=False,
        cycles="never",
        any_json="text",
    ),
    # GenerationConfig.responseJsonSchema: "Cyclic references ... may only be used within non-required properties.
    # (Nullable properties are not sufficient.)" The older responseSchema refuses additionalProperties and type lists.
    Dialect.GEMINI: Rules(
        keywords=frozenset(["format", "minimum", "maximum", "minItems", "maxItems"]),
        formats=frozenset(["date-time"]),
        texts="format",
        optional="absent",
        even_tuples=True,
        type_lists=False,
        closed=False,
        cycles="optional",
        any_json="text",
    ),
    # https://xgrammar.mlc.ai/docs, "Supported JSON Schema", and has_xgrammar_unsupported_json_features in vLLM, which
    # switches from xgrammar to another backend for multipleOf, uniqueItems or a pattern together with lengths.
    Dialect.VLLM: Rules(
        keywords=BOUNDS | {"pattern", "format", "minLength", "maxLength", "minItems", "maxItems"},
        formats=frozenset(
            ["email", "date", "time", "date-time", "duration", "ipv4", "ipv6", "hostname", "uuid", "uri"],
        ),
        patterns="simple",
        lengths_with_pattern=False,
        even_tuples=True,
    ),
    Dialect.PLAIN: Rules(
        keywords=frozenset(IN_WORDS),
        texts="format",
        optional="absent",
        maps="object",
        even_tuples=True,
        type_lists=False,  # Gemini's tools accept none, and $ref is avoided for them too
        any_json="types",
    ),
}


class TextForm(NamedTuple):
    """How a type that JSON lacks is written as text: its regular expression, its format, and in words."""

    pattern: str
    format: str | None
    words: str


_SECONDS = r"[0-9]{2}:[0-9]{2}:[0-9]{2}"
_DATE = r"[0-9]{4}-[0-9]{2}-[0-9]{2}"
_OFFSET = r"(Z|[+-][0-9]{2}:[0-9]{2})"
_BASE64 = TextForm(
    r"^([A-Za-z0-9+/]{4})*([A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$", None, "bytes, written as base64"
)  # fmt: skip

TEXT_FORMS: dict[tuple[type, bool | None], TextForm] = {
    # msgspec gives a datetime a format only with a time zone, and a grammar without a format lets a model write
    # anything. Formats demand an offset (RFC 3339), so a type without an offset has a pattern only.
    (inspect.DateTimeType, None): TextForm(
        rf"^{_DATE}T{_SECONDS}Z?$", "date-time", "a date and time such as 2024-12-31T23:59:00Z"
    ),
    (inspect.DateTimeType, True): TextForm(
        rf"^{_DATE}T{_SECONDS}{_OFFSET}$", "date-time", "a date and time with its offset, such as 2024-12-31T23:59:00Z"
    ),
    (inspect.DateTimeType, False): TextForm(
        rf"^{_DATE}T{_SECONDS}$", None, "a date and time without an offset, such as 2024-12-31T23:59:00"
    ),
    (inspect.DateType, None): TextForm(rf"^{_DATE}$", "date", "a date such as 2024-12-31"),
    (inspect.TimeType, None): TextForm(rf"^{_SECONDS}$", None, "a time such as 23:59:00"),
    (inspect.TimeType, True): TextForm(rf"^{_SECONDS}{_OFFSET}$", "time", "a time with its offset, such as 23:59:00Z"),
    (inspect.TimeType, False): TextForm(rf"^{_SECONDS}$", None, "a time without an offset, such as 23:59:00"),
    # The format "duration" allows months and years, which a timedelta cannot hold.
    (inspect.TimeDeltaType, None): TextForm(
        r"^-?P([0-9]+D)?(T([0-9]+H)?([0-9]+M)?([0-9]+(\.[0-9]+)?S)?)?$",
        None,
        "a duration in days, hours, minutes and seconds, such as P1DT2H30M",
    ),
    (inspect.UUIDType, None): TextForm(
        r"^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$", "uuid", "a UUID"
    ),
    (inspect.DecimalType, None): TextForm(
        r"^-?[0-9]+(\.[0-9]+)?$", None, "a decimal number, written as text such as 19.99"
    ),
    (inspect.BytesType, None): _BASE64,
    (inspect.ByteArrayType, None): _BASE64,
    (inspect.MemoryViewType, None): _BASE64,
}
"""Text forms by the type in ``msgspec.inspect`` and its ``tz``."""
