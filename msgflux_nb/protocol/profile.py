"""What is particular about a provider, as data.

No code branches on a provider's name: whatever differs between two providers is a field here, and its value a row in
``models/profiles.py`` that a user may override (``profile={"modalities": ["text", "image"]}``).
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from ..generation.schema import Dialect

__all__ = ["Profile", "override"]


class Profile(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One provider's row.

    Attributes:
        provider: the name before the slash in ``"provider/model"``.
        base_url: where the API lives, without a trailing slash; None when the user has to say.
        key_variable: the environment variable that holds the key; None when no key is needed.
        max_tokens_name: how the limit of the answer is called in a request.
        modalities: what a message may hold: ``text``, ``image``, ``audio``, ``file``, ``video``.
        dialect: which JSON Schema the provider's structured output takes.
        schema_in_prompt: the server only constrains the output and does not show the schema to the model, so the
            request has to.
        prefill: ``"continue"`` where a last assistant message is continued, ``"none"`` where it is not.
        echo: whether a whole answer begins with the prefill again.
        echo_stream: the same for a streamed answer.
        stream_usage: whether ``stream_options.include_usage`` may be sent.
        free: whether calls cost nothing, so that a cost of 0 is a fact and not a guess.
        parallel: how many requests the server answers at once, as far as is known.
    """

    provider: str
    base_url: str | None = None
    key_variable: str | None = None
    max_tokens_name: Literal["max_tokens", "max_completion_tokens"] = "max_tokens"
    modalities: frozenset[str] = frozenset({"text", "image", "audio", "file", "video"})
    dialect: Dialect = Dialect.OPENAI
    schema_in_prompt: bool = False
    prefill: Literal["none", "continue"] = "none"
    echo: bool = False
    echo_stream: bool = False
    stream_usage: bool = True
    free: bool = False
    parallel: int = 8


def override(profile: Profile, changes: dict[str, Any]) -> Profile:
    """Return ``profile`` with some fields changed; values are checked and converted as if read from JSON.

    Raises:
        TypeError: a field does not exist or a value has the wrong type; the message names the fields there are.
    """
    fields = Profile.__struct_fields__
    unknown = sorted(set(changes) - set(fields))
    if unknown:
        raise TypeError(f"unknown profile field {unknown[0]!r}; the fields are: {', '.join(fields)}")
    try:
        return msgspec.convert({**msgspec.to_builtins(profile), **msgspec.to_builtins(changes)}, Profile)
    except msgspec.ValidationError as error:
        raise TypeError(f"profile: {error}") from None
