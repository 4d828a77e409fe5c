"""The table of providers: data only.

A row holds what differs from the defaults; ``protocol/profile.py`` explains the fields, and docs/ARCHITECTURE.md
says under *A provider* what else belongs to a new row.
"""

from __future__ import annotations

from typing import Any

from msgspec import structs

from ..generation.schema import Dialect
from ..protocol.profile import ForcedCall, Profile

__all__ = ["COMPATIBLE", "PROFILES"]

_TEXT = frozenset({"text"})
_SEES = frozenset({"text", "image"})
_SEES_AND_HEARS = frozenset({"text", "image", "audio"})

# Servers of the user's own.

# A llama.cpp server. Whether a whole answer begins with the prefill again depends on its age: builds until mid-2026 do
# so, later ones have an option for it. The grammar constrains the output, but the model is not shown the schema; and
# tool_choice is ignored if the model's template has no tools, so a call that did not come is asked for again.
_LLAMACPP = Profile(
    provider="llamacpp",
    base_url="http://localhost:8080/v1",
    free=True,
    parallel=2,
    parallel_most=2,
    dialect=Dialect.GRAMMAR,
    schema_methods=("json_schema", "prompt"),
    schema_in_prompt=True,
    named_tool_choice=False,
    forced_call_fallback=True,
    prefill="continue",
    prefill_body={"chat_template_kwargs": {"enable_thinking": False}},  # else a thinking template gets no prefill
    prefill_with_reasoning=False,
    echo=None,
    echo_stream=False,
    split_special_tokens=True,
    context_advice="Start llama-server with a larger --ctx-size, and without --context-shift; or send less.",
)

# Their chat templates open the reasoning; a server without a reasoning parser sends it in the content.
_REASONERS: dict[str, dict[str, Any]] = {
    pattern: {"reasoning_in_content": "begun"} for pattern in ("*deepseek-r1*", "*qwq*", "*qwen3*thinking*")
}

# vLLM's two fields for a prefill conflict unless both are set. "echo" is false by default.
_VLLM = Profile(
    provider="vllm",
    base_url="http://localhost:8000/v1",
    free=True,
    several_choices=True,
    dialect=Dialect.VLLM,
    schema_in_prompt=True,
    prefill="continue",
    prefill_body={"continue_final_message": True, "add_generation_prompt": False},
    prefill_with_tools=False,
    reasoning_name="reasoning",  # since 0.11; reasoning_content before
    split_special_tokens=True,
    models=_REASONERS,
)

_OWN_SERVERS = (
    _LLAMACPP,
    # llama.cpp inside this process, by xllamacpp; its address is known when it has started. SmolLM2 calls a tool only
    # if its answer begins as a call, and repeats calls unless it is stopped. An answer that does not fit is not sent
    # back, since so small a model repeats it. This build echoes a prefill in a whole answer but not in a stream.
    structs.replace(
        _LLAMACPP,
        provider="local",
        base_url=None,
        modalities=_TEXT,
        reasks=0,
        forced_call=ForcedCall(prefill="<tool_call>\n", stop="</tool_call>"),
        forced_call_fallback=False,
        echo=True,
    ),
    _VLLM,
    structs.replace(_VLLM, provider="sglang", base_url="http://localhost:30000/v1", reasoning_name="reasoning_content"),
    # Its compatible API ignores tool_choice.
    Profile(
        provider="ollama",
        base_url="http://localhost:11434/v1",
        base_url_variable="OLLAMA_HOST",
        base_url_path="/v1",
        free=True,
        parallel=2,
        parallel_most=2,
        dialect=Dialect.GRAMMAR,
        schema_methods=("json_schema", "json_object", "prompt"),
        schema_in_prompt=True,
        named_tool_choice=False,
        forced_call_fallback=True,
        prefill="continue",
        echo=None,
        echo_stream=None,
        reasoning_name="reasoning",
        split_special_tokens=True,
        context_advice="Ollama cuts what is longer than its context (num_ctx) without an error, and this API takes no "
        "num_ctx: start it with OLLAMA_CONTEXT_LENGTH=32768, or make a model with PARAMETER num_ctx 32768 and `ollama "
        "create`; or send less.",
    ),
    # "Invalid tool_choice type: 'object'. Supported string values: none, auto, required", and a required call may come
    # as text anyway. It takes the response_format types json_schema and text.
    Profile(
        provider="lmstudio",
        base_url="http://localhost:1234/v1",
        free=True,
        parallel=2,
        parallel_most=2,
        dialect=Dialect.GRAMMAR,
        schema_methods=("json_schema", "prompt"),
        schema_in_prompt=True,
        named_tool_choice=False,
        forced_call_fallback=True,
        prefill="continue",
        echo=None,
        echo_stream=None,
        split_special_tokens=True,
        context_advice="Load the model in LM Studio with a larger context length and without a context overflow "
        "policy that cuts; or send less.",
    ),
)

# Hosted.

_OPENAI = Profile(
    provider="openai",
    base_url="https://api.openai.com/v1",
    key_variables=("OPENAI_API_KEY",),
    price_list="openai",
    several_choices=True,
    option_names={"max_tokens": "max_completion_tokens"},
    modalities=frozenset({"text", "image", "audio", "file"}),
    schema_methods=("json_schema", "tool", "json_object"),
    tool_ids="forty_letters",
    # On chat completions, reasoning models refuse tools with an effort; Responses accepts their reasoning back. A name
    # that is not known may be a reasoning model's: a deployment, a fine-tuned one, a new one.
    reasoning_wire="responses",
    encrypted_reasoning=True,
    models={  # structured outputs came with gpt-4o-2024-08-06, JSON mode with gpt-4-turbo
        "gpt-4-*": {"schema_methods": ["tool", "json_object", "prompt"]},
        "gpt-4": {"schema_methods": ["tool", "prompt"], "modalities": ["text"]},
        "gpt-4o-2024-05-13": {"schema_methods": ["tool", "json_object"]},
        "gpt-3.5-*": {"schema_methods": ["tool", "json_object", "prompt"], "modalities": ["text"]},
        "*audio*": {
            "schema_methods": ["tool", "prompt"],
            "modalities": ["text", "audio"],
            "encrypted_reasoning": False,
        },
        "o3-mini*": {"modalities": ["text"]},
        "gpt-oss*": {"reasoning_wire": None},  # on a server of another kind
        **{
            name: {"encrypted_reasoning": False}
            for name in ("gpt-[34]*", "chatgpt-*", "gpt-5-chat*", "o1-mini*", "o1-preview*")
        },
        **{
            name: {"wire": "responses"}
            for name in (
                *("gpt-5", "gpt-5-[!c]*", "gpt-5.*", "gpt-[6-9]*", "*codex*"),
                *("o1", "o1-2*", "o1-pro*", "o[3-9]", "o[3-9]-*"),
            )
        },
    },
)

_HOSTED = (
    _OPENAI,
    # The v1 API, which needs no api-version. The model is the name of a deployment.
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
    # It takes max_tokens only, wants reasoning_details back unchanged, and reports the cost in usage.cost. Its chat
    # completions take tools with an effort for every model. Its Responses API is a beta that may change; it has a
    # Messages API too: wire="messages".
    Profile(
        provider="openrouter",
        base_url="https://openrouter.ai/api/v1",
        tool_ids="forty_letters",  # for models that OpenAI serves
        key_variables=("OPENROUTER_API_KEY",),
        price_list="openrouter",
        prefill="continue",
        echo=None,
        echo_stream=None,
        reasoning_name="reasoning",
        echo_reasoning="always",
        models={
            "openai/*": {"prefill": "none"},
            "x-ai/*": {"prefill": "none"},
            "anthropic/*": {"dialect": "anthropic", "echo": False, "echo_stream": False, "prefill_trimmed": True},
            "anthropic/*-4.[6-9]*": {"prefill": "none"},
            "anthropic/*-[5-9]*": {"prefill": "none"},
            "google/*": {"prefill": "none", "dialect": "gemini"},
        },
    ),
    # "Streaming and tool use are not currently supported with Structured Outputs". Only gpt-oss takes strict ones; the
    # answers of others are validated afterwards, and the 400 then holds what they wrote. The reasoning is in
    # "reasoning" and need not be sent back. At most five images, each up to 4 MB in base64.
    Profile(
        provider="groq",
        base_url="https://api.groq.com/openai/v1",
        key_variables=("GROQ_API_KEY",),
        top_logprobs=0,
        price_list="groq",
        option_names={"max_tokens": "max_completion_tokens"},
        modalities=_SEES,
        image_max_bytes=2_900_000,
        image_max_count=5,
        schema_methods_streamed=("tool", "prompt"),
        strict_schemas=False,
        tools_with_schema=False,
        prefill="continue",
        prefill_with_tools=False,
        reasoning_name="reasoning",
        models={"openai/gpt-oss-*": {"prefill": "none", "modalities": ["text"], "strict_schemas": True}},
    ),
    # Its logprobs is the number of alternatives, not a boolean.
    Profile(
        provider="together",
        base_url="https://api.together.ai/v1",
        key_variables=("TOGETHER_API_KEY",),
        top_logprobs=5,
        logprobs_as_number=True,
        price_list="together",
        modalities=frozenset({"text", "image", "video"}),
        dialect=Dialect.VLLM,
        schema_in_prompt=True,
        reasoning_name="reasoning",
        echo_reasoning="tool_turns",
    ),
    # In JSON mode it may write white space without end unless the messages ask for JSON too.
    Profile(
        provider="fireworks",
        base_url="https://api.fireworks.ai/inference/v1",
        key_variables=("FIREWORKS_API_KEY",),
        top_logprobs=5,
        price_list="fireworks",
        modalities=_SEES,
        dialect=Dialect.VLLM,
        schema_in_prompt=True,
        echo_reasoning="tool_turns",
    ),
    # No json_schema. While it thinks (v4 does unless told not to), no call can be forced, and every earlier turn with
    # calls needs a reasoning_content, which may be empty.
    Profile(
        provider="deepseek",
        base_url="https://api.deepseek.com",
        key_variables=("DEEPSEEK_API_KEY",),
        price_list="deepseek",
        modalities=_TEXT,
        schema_methods=("tool", "json_object", "prompt"),
        strict_schemas=False,  # strict functions exist only under /beta
        prefill="prefix",
        prefill_base_url="https://api.deepseek.com/beta",
        echo_reasoning="tool_turns",
        models={
            "deepseek-reasoner*": {"forced_tool_choice": False, "blank_reasoning": True},
            "deepseek-v[4-9]*": {"forced_tool_choice": False, "blank_reasoning": True},
            "*-vision*": {"modalities": ["text", "image"]},
        },
    ),
    # It refuses unknown fields such as stream_options; usage comes without it. "required" is a newer name of "any". Its
    # thinking comes as parts of the content.
    Profile(
        provider="mistral",
        base_url="https://api.mistral.ai/v1",
        key_variables=("MISTRAL_API_KEY",),
        top_logprobs=0,
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
        stream_usage=False,
    ),
    # Of the compatible API, images and sound are documented, files and video are not. Its signatures travel in the tool
    # calls. From Gemini 3 on, a call without one is refused; Google documents this text for calls that another model
    # wrote. Before Gemini 3, tools and a JSON answer exclude each other.
    Profile(
        provider="gemini",
        base_url="https://generativelanguage.googleapis.com/v1beta/openai",
        key_variables=("GEMINI_API_KEY", "GOOGLE_API_KEY"),
        top_logprobs=19,
        price_list="google",
        thoughts_in_total=True,
        modalities=_SEES_AND_HEARS,
        dialect=Dialect.GEMINI,
        tools_with_schema=False,
        tool_keywords_dropped=frozenset({"additionalProperties", "$schema", "title"}),
        models={
            "gemini-[3-9]*": {
                "tools_with_schema": True,
                "call_fields": {"extra_content": {"google": {"thought_signature": "skip_thought_signature_validator"}}},
            },
        },
    ),
    # Its own Messages API: the compatible one has no caching, no signatures and no documents. Structured outputs came
    # with Sonnet 4.5 and Opus 4.1. From 4.6 on, a model decides how much it thinks, and refuses a prefill. Fable and
    # Mythos refuse a forced tool call.
    Profile(
        provider="anthropic",
        base_url="https://api.anthropic.com/v1",
        key_variables=("ANTHROPIC_API_KEY",),
        top_logprobs=0,
        price_list="anthropic",
        wire="messages",
        max_tokens=16_384,
        modalities=frozenset({"text", "image", "file"}),
        image_max_count=100,
        dialect=Dialect.ANTHROPIC,
        schema_methods=("json_schema", "tool", "prompt"),
        prefill="none",
        prefill_with_reasoning=False,
        prefill_trimmed=True,
        thinking="adaptive",
        models={
            "claude-3*": {
                "prefill": "continue",
                "thinking": "none",
                "max_tokens": 4_096,
                "schema_methods": ["tool", "prompt"],
            },
            "claude-3-[57]*": {"max_tokens": 8_192},
            "claude-3-7*": {"thinking": "budget"},
            # and the dated first ones, such as claude-opus-4-20250514
            "claude-*-4-[0-5]*": {"prefill": "continue", "thinking": "budget"},
            "claude-*-4-0": {"schema_methods": ["tool", "prompt"]},
            "claude-*-4-20*": {"schema_methods": ["tool", "prompt"]},
            "claude-*-4": {"schema_methods": ["tool", "prompt"], "prefill": "continue", "thinking": "budget"},
            "claude-fable-*": {"forced_tool_choice": False},
            "claude-mythos-*": {"forced_tool_choice": False},
        },
    ),
    # Its schemas take no list of types, which the strict dialect writes for a number or null: such a schema is refused
    # and asked for in the next way.
    Profile(
        provider="cerebras",
        base_url="https://api.cerebras.ai/v1",
        key_variables=("CEREBRAS_API_KEY",),
        price_list="cerebras",
        option_names={"max_tokens": "max_completion_tokens"},
        modalities=_TEXT,
        reasoning_name="reasoning",
        echo_reasoning="always",
    ),
    # It takes images in base64 only.
    Profile(
        provider="sambanova",
        base_url="https://api.sambanova.ai/v1",
        key_variables=("SAMBANOVA_API_KEY",),
        modalities=_SEES,
        reasoning_name="reasoning",
    ),
    # Its chat completions are deprecated, and lose the reasoning between turns; what only they have (stop, seed,
    # penalties) still goes there. Models that reason refuse stop and the penalties.
    Profile(
        provider="xai",
        wire="responses",
        base_url="https://api.x.ai/v1",
        key_variables=("XAI_API_KEY",),
        top_logprobs=8,
        price_list="x-ai",
        option_names={"max_tokens": "max_completion_tokens"},
        modalities=_SEES,
        encrypted_reasoning=True,
        models={
            "grok-[23]*": {"encrypted_reasoning": False},
            "*non-reasoning*": {"encrypted_reasoning": False},
        },
    ),
    # No seed. It reports the cost in usage.cost.
    Profile(
        provider="perplexity",
        base_url="https://api.perplexity.ai",
        key_variables=("PERPLEXITY_API_KEY", "PPLX_API_KEY"),
        top_logprobs=0,
        price_list="perplexity",
        modalities=_SEES,
        schema_methods=("json_schema", "prompt"),
        named_tool_choice=False,
        stream_usage=False,
    ),
    # An image of more than 180 kB in base64 would have to be uploaded first.
    Profile(
        provider="nvidia",
        base_url="https://integrate.api.nvidia.com/v1",
        key_variables=("NVIDIA_API_KEY",),
        modalities=_SEES,
        image_max_bytes=130_000,
        dialect=Dialect.VLLM,
        schema_in_prompt=True,
    ),
    # A router: "model:provider" names who answers, and so what it costs.
    Profile(
        provider="huggingface",
        base_url="https://router.huggingface.co/v1",
        key_variables=("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"),
        modalities=_SEES,
        schema_in_prompt=True,
        models={
            f"*:{name}": {"price_list": f"huggingface_{name}"}
            for name in (
                "cerebras",
                "fireworks-ai",
                "groq",
                "hyperbolic",
                "nebius",
                "novita",
                "nscale",
                "ovhcloud",
                "publicai",
                "sambanova",
                "together",
            )
        },
    ),
)

PROFILES: dict[str, Profile] = {row.provider: row for row in (*_OWN_SERVERS, *_HOSTED)}
"""By provider, the part of a model's name before the slash."""

COMPATIBLE = Profile(
    provider="openai-compatible",
    split_special_tokens=True,  # most are open weights
    echo=None,
    echo_stream=None,
    models={"*gemini*": {"thoughts_in_total": True}, **_REASONERS},
)
"""The profile of a server that is given only by ``base_url``."""
