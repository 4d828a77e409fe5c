"""Conversations of every kind: some written by hand, and random ones for Hypothesis."""

from __future__ import annotations

import base64
from typing import Any

from hypothesis import strategies as st

import msgflux_nb as mf
from tests.content.pictures import two_halves
from tests.content.sounds import mp3, pdf, tone

CALL = {"id": "call_1", "type": "function", "function": {"name": "get_weather", "arguments": '{"city": "Lima"}'}}

EVERYTHING: list[dict[str, Any]] = [
    {"role": "system", "content": "Answer in one sentence."},
    {"role": "developer", "content": [{"type": "text", "text": "Be kind.", "cache_control": {"type": "ephemeral"}}]},
    mf.ChatBlock.user(
        "What is this?",
        media=[mf.ChatBlock.image(two_halves(), detail="low"), mf.ChatBlock.audio(tone(0.1)), mf.ChatBlock.file(pdf())],
    ),
    {
        "role": "assistant",
        "content": None,
        "tool_calls": [CALL, {"id": "call_2", "type": "custom", "custom": {"name": "sql", "input": "SELECT 1"}}],
        "reasoning_content": "The weather is asked for.",
        "refusal": None,
        "_msgflux": {"provider": "openai", "model": "gpt-4o"},
    },
    {"role": "tool", "tool_call_id": "call_1", "content": '{"celsius": 21.5}'},
    {"role": "tool", "tool_call_id": "call_2", "content": [{"type": "text", "text": "1"}]},
    {
        "role": "user",
        "name": "Ada",
        "content": [
            {"type": "image_url", "image_url": {"url": "https://example.com/a.png", "detail": "high"}},
            {"type": "image_url", "image_url": "https://example.com/b.png"},
            {"type": "video_url", "video_url": {"url": "https://example.com/c.mp4"}},
            {"type": "input_audio", "input_audio": {"data": base64.b64encode(mp3(3)).decode(), "format": "mp3"}},
            {"type": "file", "file": {"file_id": "file-7"}},
            {"type": "image_url", "image_url": {"url": "data:image/png;base64,%%%"}},
            {"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]},
            {"type": "hologram", "depth": 3},
            "a bare text",
        ],
    },
    {"role": "assistant", "content": [{"type": "refusal", "refusal": "No."}], "annotations": [{"type": "url"}]},
    {"role": "assistant", "content": "", "refusal": "I cannot.", "audio": {"id": "audio_1"}},
    {"role": "assistant", "function_call": {"name": "f", "arguments": "{}"}},
    {"role": "function", "name": "f", "content": "1"},
    {"role": "user", "content": {"type": "text", "text": "an object"}},
    {"role": "user", "content": []},
    {"role": "user"},
    {"role": "assistant", "content": "# Title\n\n* one\n* two\n\nand `code`"},
    {"role": "assistant", "content": '{"name": "Maria", "age": 34}'},
    {"role": "user", "content": "Greet {{who}} and {{ other }}."},
]

_texts = st.text(max_size=12) | st.sampled_from(["{{name}}", "half \ud83d", "a\n\n* b", "{}", '{"a": 1}'])
_json = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | _texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_texts, inner, max_size=3),
    max_leaves=6,
)
_typed = st.fixed_dictionaries(
    {},
    optional={
        "type": st.sampled_from(
            ["text", "image_url", "input_audio", "file", "refusal", "video_url", "thinking", "reasoning", "new"]
        ),
        "text": _texts | _json,
        "image_url": st.fixed_dictionaries({"url": st.sampled_from(["https://a.b/c", "data:,x", "data:;base64,iVBO"])})
        | _json,
        "input_audio": st.fixed_dictionaries({"data": _texts, "format": st.just("wav")}) | _json,
        "file": st.fixed_dictionaries({"file_data": _texts, "filename": _texts}) | _json,
        "video_url": st.fixed_dictionaries({"url": _texts}) | _json,
        "refusal": _texts | _json,
        "thinking": _json,
        "cache_control": _json,
    },
)
_calls = st.lists(
    st.fixed_dictionaries(
        {"id": _texts, "type": st.just("function")},
        optional={
            "function": st.fixed_dictionaries({"name": _texts, "arguments": _texts | _json}) | _json,
            "extra_content": _json,
        },
    )
    | _json,
    max_size=3,
)
messages = st.lists(
    st.fixed_dictionaries(
        # A role that is nearly a known one, such as "usr" or "to", counts as a misspelling and is refused.
        {
            "role": st.sampled_from(["system", "developer", "user", "assistant", "tool"])
            | _texts.map("my own {}".format)
        },
        optional={
            "content": _texts | st.lists(_typed | _json, max_size=4) | _json,
            "tool_calls": _calls | _json,
            "tool_call_id": _texts | _json,
            "name": _texts | _json,
            "refusal": _texts | _json,
            "reasoning_content": _texts | _json,
            "reasoning": _json,
            "function_call": _json,
            "_msgflux": st.fixed_dictionaries({"provider": _texts, "model": _texts}) | _json,
            "field:content:0": _json,
            "new field": _json,
        },
    ),
    max_size=4,
)
"""Any list of messages: roles, contents and fields that there are, and such as nobody has thought of."""
