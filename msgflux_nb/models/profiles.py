"""The table of providers: data only.

A row says what is particular about a provider; the fields are explained in ``protocol/profile.py``. To add a
provider, add a row here and golden request bodies in ``tests/models/test_profiles.py``.
"""

from __future__ import annotations

from msgspec import structs

from ..generation.schema import Dialect
from ..protocol.profile import Profile

__all__ = ["COMPATIBLE", "PROFILES"]

# A llama.cpp server that the user started. A whole answer begins with the prefill again, a streamed one does not; the
# grammar constrains the output, but the model is not shown the schema.
_LLAMACPP = Profile(
    provider="llamacpp",
    base_url="http://localhost:8080/v1",
    dialect=Dialect.GRAMMAR,
    schema_in_prompt=True,
    prefill="continue",
    echo=True,
    free=True,
    parallel=2,
)

_ROWS = (
    _LLAMACPP,
    # The same inside this process, through xllamacpp; its address is known when it has started.
    structs.replace(_LLAMACPP, provider="local", base_url=None, modalities=frozenset({"text"})),
    Profile(
        provider="openai",
        base_url="https://api.openai.com/v1",
        key_variable="OPENAI_API_KEY",
        max_tokens_name="max_completion_tokens",
        modalities=frozenset({"text", "image", "audio", "file"}),
    ),
)

PROFILES: dict[str, Profile] = {row.provider: row for row in _ROWS}
"""By provider, the part of a model's name before the slash."""

COMPATIBLE = Profile(provider="openai-compatible")
"""For any server that is named by ``base_url`` alone."""
