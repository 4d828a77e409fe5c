"""The dialects of JSON Schema that providers take, as data.

Nothing here runs: a dialect is a row of facts, read by :mod:`msgflux_nb.generation.schema`. What each provider
documents changes; a change is a change of a row.
"""

from __future__ import annotations

import enum
from typing import Literal, NamedTuple

import msgspec
from msgspec import inspect

__all__ = ["BOUNDS", "IN_WORDS", "RULES", "TEXT_FORMS", "Dialect", "Rules", "SchemaLimits", "TextForm"]


class Dialect(enum.Enum):
    """How a schema is written, named after who reads it.

    ``OPENAI``: strict mode of ``response_format``: every key required, objects closed, no map, no tuple.
    ``GRAMMAR``: llama.cpp's conversion to a grammar: integer bounds, lengths, anchored patterns.
    ``ANTHROPIC``: hardly any limit except type, enum and format; no recursion.
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
        reader: who sets the limits, for an error.
        properties: properties of all objects together.
        depth: objects and arrays inside each other, the root being the first.
        enum_values: values of all enums together.
        long_enum: an enum of more values than this is a long one.
        long_enum_characters: characters of the values of one long enum.
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
    """What one dialect understands, apart from type, properties, items, enum, anyOf and description.

    Attributes:
        keywords: the limits it enforces; the others are said in the description.
        formats: the formats it enforces, where ``format`` is one of its keywords; None: any.
        integers_only: whether bounds hold for integers alone.
        patterns: ``any``, ``simple`` (no look-around, no groups with options), or ``whole`` (simple, from ^ to $).
        lengths_beside_pattern: whether lengths are enforced next to a pattern.
        most_min_items: the largest ``minItems`` that is enforced; None: any.
        texts: whether dates and their like are told by a ``pattern`` or, where there is one, by a ``format``.
        optional: whether a field with a default is there and ``null``, or ``absent``.
        maps: whether a dict is a list of ``pairs`` or an ``object`` of any keys.
        even_tuples: whether a tuple of one type is an array with bounds; other tuples are objects.
        type_lists: whether ``type`` may be a list.
        closed: whether ``additionalProperties: false`` is understood.
        cycles: where a schema may refer to itself: ``anywhere``, in ``optional`` properties, or ``never``.
        any_json: whether ``Any`` is written as a ``cycle`` of all types, as ``types`` that end at arrays inside
            arrays, or as JSON inside a ``text``.
        measured: whether it stays as it was measured, without what was learnt since: the zone in the pattern of a
            datetime with ``Meta(tz=...)``, a dict told from a list in the same union by ``{"entries": [pairs]}``,
            and a type that holds itself written out where a field describes it.
        limits: the provider's limits of size, if it has any.
    """

    keywords: frozenset[str]
    formats: frozenset[str] | None = None
    integers_only: bool = False
    patterns: Literal["any", "simple", "whole"] = "any"
    lengths_beside_pattern: bool = True
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
"""Each limit as it is said where it cannot be enforced."""

RULES: dict[Dialect, Rules] = {
    # https://platform.openai.com/docs/guides/structured-outputs, section "Supported schemas". That arrays count as
    # levels too was measured by others: "13 levels of nesting exceeds limit of 10".
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
    # Measured with xllamacpp. The embedded model's answers hang on these very schemas, so they stay as they are.
    Dialect.GRAMMAR: Rules(
        keywords=BOUNDS | {"pattern", "format", "minLength", "maxLength", "minItems", "maxItems"},
        integers_only=True,
        patterns="whole",
        measured=True,
    ),
    # What anthropic's SDK leaves in a schema (anthropic/lib/_parse/_transform.py), and "JSON Schema limitations" in
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
    # leaves xgrammar for another backend where it meets multipleOf, uniqueItems or a pattern together with lengths.
    Dialect.VLLM: Rules(
        keywords=BOUNDS | {"pattern", "format", "minLength", "maxLength", "minItems", "maxItems"},
        formats=frozenset(
            ["email", "date", "time", "date-time", "duration", "ipv4", "ipv6", "hostname", "uuid", "uri"],
        ),
        patterns="simple",
        lengths_beside_pattern=False,
        even_tuples=True,
    ),
    Dialect.PLAIN: Rules(
        keywords=frozenset(IN_WORDS),
        texts="format",
        optional="absent",
        maps="object",
        even_tuples=True,
        type_lists=False,  # Gemini's tools take none, and no $ref where one can be helped
        any_json="types",
    ),
}


class TextForm(NamedTuple):
    """How a type that JSON lacks is written as text: as a regular expression, as a format, and in words."""

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
    # msgspec gives a datetime no format unless it is told a time zone, and a grammar without one lets a model write
    # anything. Formats demand an offset (RFC 3339), so what must not have one is told by its pattern alone.
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
    # The format "duration" allows months and years, which no timedelta has.
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
"""By the type in ``msgspec.inspect`` and its ``tz``."""
