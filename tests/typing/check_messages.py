"""ChatBlock as a type checker sees it. Checked by mypy, never run."""

from __future__ import annotations

from pathlib import Path
from typing import Any, assert_type

import numpy as np
from PIL import Image

import msgflux_nb as mf
from msgflux_nb.content.media import Loaded, MediaReport, load_image


def messages_and_parts_are_plain_dicts() -> None:
    assert_type(mf.ChatBlock.user("Hi"), dict[str, Any])
    assert_type(mf.ChatBlock.system("Be brief."), dict[str, Any])
    assert_type(mf.ChatBlock.assistant("Sure"), dict[str, Any])
    assert_type(mf.ChatBlock.tool("call_1", {"a": 1}), dict[str, Any])
    assert_type(mf.ChatBlock.text("Hi"), dict[str, Any])
    assert_type(mf.ChatBlock.image("photo.jpg", detail="low"), dict[str, Any])
    assert_type(mf.ChatBlock.audio(b""), dict[str, Any])
    assert_type(mf.ChatBlock.file(Path("a.pdf"), filename="b.pdf"), dict[str, Any])
    assert_type(mf.ChatBlock.video("https://example.org/a.mp4"), dict[str, Any])


def every_source_is_taken() -> None:
    sources = [Path("a.png"), b"", Image.new("RGB", (1, 1)), np.zeros((2, 2))]
    mf.ChatBlock.user("Look", media=sources)
    mf.ChatBlock.user("Look", media="photo.jpg")


def options_are_keywords_and_texts_are_texts() -> None:
    mf.ChatBlock.user("Look", ["photo.jpg"])  # type: ignore[call-arg]  # media is a keyword
    mf.ChatBlock.image("photo.jpg", "low")  # type: ignore[call-arg]  # detail is a keyword
    mf.ChatBlock.system(None)  # type: ignore[arg-type]  # a text is a str
    mf.ChatBlock.video(b"")  # type: ignore[arg-type]  # a video is a URL


def a_loaded_image_tells_what_was_done() -> None:
    assert_type(load_image("photo.jpg"), Loaded)
    assert_type(load_image("photo.jpg").report, MediaReport)
    assert_type(load_image("photo.jpg").report.sent_size, tuple[int, int])
