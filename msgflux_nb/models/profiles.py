"""The table of providers: data only.

A row says what is particular about a provider; the fields are explained in ``protocol/profile.py``. To add a
provider, add a row here and a golden request body in ``tests/models/golden``.
"""

from __future__ import annotations

from msgspec import structs

from ..generation.schema import Dialect
from ..protocol.profile import ForcedCall, Profile

__all__ = ["COMPATIBLE", "PROFILES"]

_TEXT = frozenset({"text"})
_SEES = frozenset({"text", "image"})
_SEES_AND_READS = frozenset({"text", "image", "file"})
_ALL = frozenset({"text", "image", "audio", "file", "video"})

# Servers of the user's own.

# A llama.cpp server. A whole answer begins with the prefill again, a streamed one does not; the grammar constrains the
# output, but the model is not shown the schema.
_LLAMACPP = Profile(
    provider="llamacpp",
    base_url="http://localhost:8080/v1",
    free=True,
    parallel=2,
    dialect=Dialect.GRAMMAR,
    schema_methods=("json_schema", "prompt"),
    schema_in_prompt=True,
    named_tool_choice=False,
    prefill="continue",
    prefill_body={"chat_template_kwargs": {"enable_thinking": False}},  # or it refuses, for a template that can think
    prefill_with_reasoning=False,
    echo=True,
    echo_stream=False,
)

_VLLM = Profile(
    provider="vllm",
    base_url="http://localhost:8000/v1",
    free=True,
    dialect=Dialect.VLLM,
    schema_in_prompt=True,
    prefill="continue",
    prefill_body={"continue_final_message": True, "add_generation_prompt": False},
    prefill_with_tools=False,
    reasoning_name="reasoning",
)

_OWN_SERVERS = (
    _LLAMACPP,
    # The same inside this process, through xllamacpp; its address is known when it has started. SmolLM2 calls a tool
    # only if its answer begins as a call, and goes on calling unless it is stopped. An answer that does not fit is
    # not sent back: so small a model repeats it.
    structs.replace(
        _LLAMACPP,
        provider="local",
        base_url=None,
        modalities=_TEXT,
        reasks=0,
        forced_call=ForcedCall(prefill="<tool_call>\n", stop="</tool_call>"),
    ),
    _VLLM,
    structs.replace(_VLLM, provider="sglang", base_url="http://localhost:30000/v1", reasoning_name="reasoning_content"),
    Profile(
        provider="ollama",
        base_url="http://localhost:11434/v1",
        base_url_variable="OLLAMA_HOST",
        base_url_path="/v1",
        free=True,
        parallel=2,
        dialect=Dialect.GRAMMAR,
        schema_methods=("json_schema", "json_object", "prompt"),
        schema_in_prompt=True,
        named_tool_choice=False,
        prefill="continue",
        echo=None,
        echo_stream=None,
        reasoning_name="reasoning",
    ),
    Profile(
        provider="lmstudio",
        base_url="http://localhost:1234/v1",
        free=True,
        parallel=2,
        dialect=Dialect.GRAMMAR,
        schema_methods=("json_schema", "prompt"),
        schema_in_prompt=True,
        named_tool_choice=False,
        prefill="continue",
        echo=None,
        echo_stream=None,
    ),
)

# Hosted.

_OPENAI = Profile(
    provider="openai",
    base_url="https://api.openai.com/v1",
    key_variables=("OPENAI_API_KEY",),
    price_list="openai",
    option_names={"max_tokens": "max_completion_tokens"},
    modalities=frozenset({"text", "image", "audio", "file"}),
    schema_methods=("json_schema", "tool", "json_object"),
    models={
        "gpt-4-*": {"schema_methods": ["tool", "json_object"]},
        "gpt-3.5-*": {"schema_methods": ["tool", "json_object"], "modalities": ["text"]},
    },
)

_HOSTED = (
    _OPENAI,
    structs.replace(
        _OPENAI,
        provider="azure",
        base_url=None,
        base_url_variable="AZURE_OPENAI_ENDPOINT",
        base_url_path="/openai/v1",
        key_variables=("AZURE_OPENAI_API_KEY",),
        key_header="api-key",
        price_list="azure",
    ),
    Profile(
        provider="openrouter",
        base_url="https://openrouter.ai/api/v1",
        key_variables=("OPENROUTER_API_KEY",),
        price_list="openrouter",
        prefill="continue",
        echo=None,
        echo_stream=None,
        reasoning_name="reasoning",
        echo_reasoning="always",
        models={
            "openai/*": {"prefill": "none"},
            "anthropic/*": {"dialect": "anthropic", "echo": False, "echo_stream": False, "prefill_trimmed": True},
            "anthropic/*-4.[6-9]*": {"prefill": "none"},
            "anthropic/*-[5-9]*": {"prefill": "none"},
            "google/*": {"prefill": "none", "dialect": "gemini"},
        },
    ),
    Profile(
        provider="groq",
        base_url="https://api.groq.com/openai/v1",
        key_variables=("GROQ_API_KEY",),
        price_list="groq",
        option_names={"max_tokens": "max_completion_tokens"},
        modalities=_SEES,
        image_max_bytes=2_900_000,
        image_max_count=5,
        tools_with_schema=False,
        prefill="continue",
        prefill_with_tools=False,
        reasoning_name="reasoning",
        models={"openai/gpt-oss-*": {"prefill": "none", "modalities": ["text"]}},
    ),
    Profile(
        provider="together",
        base_url="https://api.together.xyz/v1",
        key_variables=("TOGETHER_API_KEY",),
        price_list="together",
        modalities=frozenset({"text", "image", "video"}),
        dialect=Dialect.VLLM,
        schema_in_prompt=True,
        reasoning_name="reasoning",
    ),
    Profile(
        provider="fireworks",
        base_url="https://api.fireworks.ai/inference/v1",
        key_variables=("FIREWORKS_API_KEY",),
        price_list="fireworks",
        modalities=_SEES,
        dialect=Dialect.VLLM,
        schema_in_prompt=True,
    ),
    Profile(
        provider="deepseek",
        base_url="https://api.deepseek.com",
        key_variables=("DEEPSEEK_API_KEY",),
        price_list="deepseek",
        modalities=_TEXT,
        schema_methods=("tool", "json_object", "prompt"),
        prefill="prefix",
        prefill_base_url="https://api.deepseek.com/beta",
        echo_reasoning="tool_turns",
    ),
    Profile(
        provider="mistral",
        base_url="https://api.mistral.ai/v1",
        key_variables=("MISTRAL_API_KEY",),
        price_list="mistral",
        option_names={"seed": "random_seed"},
        modalities=frozenset({"text", "image", "audio", "file"}),
        image_max_count=8,
        required_word="any",
        tool_ids="nine_letters",
        prefill="prefix",
        prefill_with_tools=False,
        echo=True,
        echo_stream=True,
        stream_usage=False,  # it reports usage unasked, and refuses what it does not know
    ),
    Profile(
        provider="gemini",
        base_url="https://generativelanguage.googleapis.com/v1beta/openai",
        key_variables=("GEMINI_API_KEY", "GOOGLE_API_KEY"),
        price_list="google",
        modalities=_ALL,
        dialect=Dialect.GEMINI,
        tools_with_schema=False,
        tool_keywords_dropped=frozenset({"additionalProperties", "$schema", "title"}),
        echo_reasoning="never",  # its signatures travel in the tool calls
    ),
    Profile(
        provider="anthropic",
        base_url="https://api.anthropic.com/v1",
        key_variables=("ANTHROPIC_API_KEY",),
        price_list="anthropic",
        modalities=_SEES_AND_READS,
        image_max_count=100,
        dialect=Dialect.ANTHROPIC,
        schema_methods=("tool", "prompt"),  # its compatible API passes response_format over
        prefill="none",
        prefill_with_reasoning=False,
        prefill_trimmed=True,
        models={
            "claude-3*": {"prefill": "continue"},
            "claude-*-4-[0-5]*": {"prefill": "continue"},  # and the dated first ones, such as claude-opus-4-20250514
            "claude-*-4": {"prefill": "continue"},
        },
    ),
    Profile(
        provider="cerebras",
        base_url="https://api.cerebras.ai/v1",
        key_variables=("CEREBRAS_API_KEY",),
        price_list="cerebras",
        option_names={"max_tokens": "max_completion_tokens"},
        modalities=_TEXT,
        tools_with_schema=False,
        reasoning_name="reasoning",
        echo_reasoning="always",
    ),
    Profile(
        provider="sambanova",
        base_url="https://api.sambanova.ai/v1",
        key_variables=("SAMBANOVA_API_KEY",),
        modalities=_SEES,
        reasoning_name="reasoning",
    ),
    Profile(
        provider="xai",
        base_url="https://api.x.ai/v1",
        key_variables=("XAI_API_KEY",),
        price_list="x-ai",
        option_names={"max_tokens": "max_completion_tokens"},
        modalities=_SEES,
    ),
    Profile(
        provider="perplexity",
        base_url="https://api.perplexity.ai",
        key_variables=("PERPLEXITY_API_KEY", "PPLX_API_KEY"),
        price_list="perplexity",
        modalities=_SEES,
        schema_methods=("json_schema", "prompt"),
        stream_usage=False,
    ),
    Profile(
        provider="nvidia",
        base_url="https://integrate.api.nvidia.com/v1",
        key_variables=("NVIDIA_API_KEY",),
        modalities=_SEES,
        dialect=Dialect.VLLM,
        schema_in_prompt=True,
    ),
    Profile(
        provider="huggingface",
        base_url="https://router.huggingface.co/v1",
        key_variables=("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"),
        modalities=_SEES,
        schema_in_prompt=True,
    ),
)

PROFILES: dict[str, Profile] = {row.provider: row for row in (*_OWN_SERVERS, *_HOSTED)}
"""By provider, the part of a model's name before the slash."""

COMPATIBLE = Profile(provider="openai-compatible", echo=None, echo_stream=None)
"""For any server that is named by ``base_url`` alone."""
