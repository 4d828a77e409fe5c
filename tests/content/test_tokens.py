"""Estimates of tokens: by the rules of each provider, and None if a rule is not known."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from msgflux_nb.content import tokens
from msgflux_nb.content.tokens import audio_tokens, image_rule, image_tokens, text_tokens


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("", 0),
        ("a", 1),
        ("What is the capital of Peru?", 7),
        ("Grüße aus Köln", 4),
        ("столица", 4),
        ("العاصمة", 4),
        ("日本の首都", 5),
        ("서울", 2),
        ("😀", 2),
    ],
)
def test_a_text_is_counted_by_its_letters(text: str, tokens: int) -> None:
    assert text_tokens(text) == tokens


@given(st.text(), st.text())
def test_more_text_is_never_fewer_tokens(first: str, second: str) -> None:
    assert text_tokens(first) <= text_tokens(first + second) <= text_tokens(first) + text_tokens(second)


@pytest.mark.parametrize(
    ("model", "size", "tokens"),
    [
        # OpenAI's own examples.
        ("openai/gpt-4o", (1024, 1024), 765),
        ("openai/gpt-4o", (2048, 4096), 1105),
        ("openai/gpt-4.1-mini", (1024, 1024), 1659),
        ("openai/gpt-4.1-mini", (1800, 2400), 2353),
        ("openai/gpt-4.1-mini", (4000, 1474), 2348),
        # As billed, by a user who measured where the rounding turns over.
        ("openai/gpt-4.1", (2049, 513), 1445),
        ("openai/gpt-4.1", (2050, 513), 765),
        ("openai/gpt-4o-mini", (128, 64), 8500),
        ("openrouter/openai/gpt-4o-2024-08-06", (512, 512), 255),
        ("gpt-5", (512, 512), 210),
        ("o3", (1, 1), 225),
        # Anthropic's own example, and its limits.
        ("anthropic/claude-3-5-sonnet-20241022", (1000, 1000), 1334),
        ("claude-opus-4-20250514", (1568, 1568), 1600),
        ("anthropic/claude-sonnet-4.5", (1568, 1568), 1600),
        ("claude-opus-4-7", (1568, 1568), 3279),
        # Google's.
        ("gemini/gemini-2.5-flash", (384, 384), 258),
        ("gemini/gemini-2.5-flash", (385, 100), 258),
        ("gemini/gemini-2.5-flash", (1568, 1000), 1548),
        # Qwen's processor: 28 a token for 2 and 2.5, 32 for 3, and the two marks around.
        ("qwen2.5-vl-7b-instruct", (280, 56), 22),
        ("vllm/Qwen/Qwen2.5-VL-7B-Instruct", (1, 1), 6),
        ("Qwen/Qwen3-VL-8B-Instruct", (320, 64), 22),
    ],
)
def test_an_image_is_counted_by_the_rule_of_its_model(model: str, size: tuple[int, int], tokens: int) -> None:
    assert image_tokens(size, model) == tokens


def test_a_low_detail_costs_its_base_alone() -> None:
    assert image_tokens((4000, 4000), "gpt-4o", detail="low") == 85


def test_a_long_text_is_counted_in_pieces_from_all_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    text = "быстрая лиса и quick fox, 敏捷的狐狸 " * 20_000 + "a" * 600_000
    exact = tokens._counted(text)
    read: list[int] = []
    counted = tokens._counted
    monkeypatch.setattr(tokens, "_counted", lambda piece: read.append(len(piece)) or counted(piece))
    assert text_tokens(text) == pytest.approx(exact, rel=0.02)
    assert read == [50_000]
    assert text_tokens(text[:50_000]) == math.ceil(counted(text[:50_000]))


@pytest.mark.parametrize("model", ["", "local/smollm2-135m", "gpt-5-mini", "gemini-3-pro-preview", "mistral-large"])
def test_a_model_whose_rule_is_not_known_has_no_number(model: str) -> None:
    assert image_tokens((100, 100), model) is None
    assert image_rule(model) == ""


@given(st.sampled_from(["gpt-4o", "gpt-4.1-nano", "claude-3-haiku", "gemini-2.0-flash", "qwen2-vl-2b"]), st.data())
def test_every_image_costs_something_and_none_without_bound(model: str, data: st.DataObject) -> None:
    size = data.draw(st.tuples(st.integers(1, 8000), st.integers(1, 8000)))
    tokens = image_tokens(size, model)
    assert tokens is not None
    assert 1 <= tokens <= 40_000
    assert image_rule(model)


def test_a_sound_is_counted_by_its_seconds() -> None:
    assert audio_tokens(60, "gemini-2.5-flash") == 1920
    assert audio_tokens(0.25, "openai/gpt-4o-audio-preview") == 3
    assert audio_tokens(30, "mistral/voxtral-small-24b") == 375


def test_a_sound_of_unknown_length_or_for_an_unknown_model_has_no_number() -> None:
    assert audio_tokens(None, "gemini-2.5-flash") is None
    assert audio_tokens(60, "scripted/one") is None
