"""Makes small GGUF files with a real header and without a model."""

from __future__ import annotations

import struct
from typing import Any


def header(pairs: dict[str, Any], *, version: int = 3, count: int | None = None) -> bytes:
    """Return magic, version, counts and the pairs; whole numbers become uint32, lists of them arrays of uint32."""
    body = b"".join(text(key) + value(item) for key, item in pairs.items())
    return b"GGUF" + struct.pack("<IQQ", version, 0, len(pairs) if count is None else count) + body


def text(value: str) -> bytes:
    return struct.pack("<Q", len(value.encode())) + value.encode()


def value(item: Any) -> bytes:
    match item:
        case str():
            return struct.pack("<I", 8) + text(item)
        case float():
            return struct.pack("<If", 6, item)
        case int():
            return struct.pack("<II", 4, item)
        case [str(), *_]:
            return struct.pack("<IIQ", 9, 8, len(item)) + b"".join(map(text, item))
        case list():
            return struct.pack("<IIQ", 9, 4, len(item)) + struct.pack(f"<{len(item)}I", *item)
    raise TypeError(item)


LLAMA = {
    "general.architecture": "llama",
    "general.languages": ["en", "pt"],
    "llama.context_length": 8192,
    "llama.embedding_length": 576,
    "llama.block_count": 30,
    "llama.attention.head_count": 9,
    "llama.attention.head_count_kv": 3,
    "llama.rope.freq_base": 100000.0,
    "tokenizer.ggml.model": "gpt2",
}
