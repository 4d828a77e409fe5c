"""Reads the header of a GGUF file: checks its format, and tells how much memory its model takes.

The layout is described in ggml's ``docs/gguf.md``: magic, version, two counts, then typed key-value pairs.
"""

from __future__ import annotations

import functools
import struct
from pathlib import Path
from typing import Any, BinaryIO

import msgspec

from ..content.source import size_on_disk
from ..errors import LocalModelError

__all__ = ["GGUF_MAGIC", "GgufHeader", "control_tokens", "read_header"]

GGUF_MAGIC = b"GGUF"
# GGUF's numbers for scalar types, with struct's format characters.
_SCALARS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
_STRING, _ARRAY = 8, 9
_LONGEST_BYTES = 16 * 1024 * 1024  # of one string; a damaged length could mean gigabytes
_LONGEST_HEADER = 64 * 1024 * 1024  # bytes before the tokenizer's lists
_MOST_PAIRS = 10_000
_MOST_ITEMS = 1_000_000  # of one list
_DEEPEST = 4  # nested lists
_TOKENS, _TOKEN_KINDS = "tokenizer.ggml.tokens", "tokenizer.ggml.token_type"
_CONTROL = (3,)  # ggml's number for control tokens
_SHOWN = 80  # characters of a text from the file


class GgufHeader(msgspec.Struct, frozen=True, kw_only=True):
    """What a GGUF header says about its model.

    Attributes:
        architecture: such as ``llama`` or ``qwen2``; empty if the file does not say.
        context_tokens: the context length of the model's training; 0 if the file does not say.
        bytes_per_token: memory of the attention cache per token, with 16-bit numbers; 0 if unknown.
        size_bytes: the size of the file, all of which is mapped into memory.
    """

    architecture: str
    context_tokens: int
    bytes_per_token: int
    size_bytes: int


def read_header(path: Path) -> GgufHeader:
    """Read the header of a GGUF file, up to the tokenizer's long lists, which come last by convention.

    Raises:
        LocalModelError: the file cannot be read, is not GGUF, or ends inside its header.
    """
    try:
        size = size_on_disk(path)
        if not size:
            raise LocalModelError(f"{path} is not a GGUF file: it is empty.")
        with path.open("rb") as file:
            pairs = _read_pairs(file, path)
    except OSError as error:
        raise LocalModelError(f"cannot read {path}: {error.strerror or error}") from error
    except (struct.error, ValueError) as error:
        raise LocalModelError(
            f"{path} begins like a GGUF file, but its header cannot be read ({error}). The file may be incomplete or "
            "damaged: fetch or copy it again, or use another one."
        ) from error
    architecture = str(pairs.get("general.architecture", ""))[:_SHOWN]
    return GgufHeader(
        architecture=architecture,
        context_tokens=_whole(pairs.get(f"{architecture}.context_length")),
        bytes_per_token=_bytes_per_token(pairs, architecture),
        size_bytes=size,
    )


def control_tokens(path: Path) -> frozenset[str]:
    """Return the control tokens of a file's tokenizer.

    Empty for a file that is missing or whose tokenizer cannot be read; another function raises that error.
    """
    try:
        path = path.expanduser()
        size, changed = size_on_disk(path), path.stat().st_mtime_ns
        return _control_tokens(path, size, changed) if size else frozenset()
    except (OSError, RuntimeError, struct.error, ValueError, LocalModelError):
        return frozenset()


@functools.lru_cache(maxsize=16)
def _control_tokens(path: Path, _size: int, _changed: int) -> frozenset[str]:
    with path.open("rb") as file:
        pairs = _read_pairs(file, path, until=_TOKEN_KINDS)
    tokens, kinds = pairs.get(_TOKENS), pairs.get(_TOKEN_KINDS)
    if not isinstance(tokens, list) or not isinstance(kinds, list):
        return frozenset()
    control = {token for token, kind in zip(tokens, kinds, strict=False) if kind in _CONTROL and isinstance(token, str)}
    return frozenset(token for token in control if len(token) > 1 and token.strip())


def _read_pairs(file: BinaryIO, path: Path, until: str | None = None) -> dict[str, Any]:
    start = file.read(4)
    if start != GGUF_MAGIC:
        raise LocalModelError(
            f"{path} is not a GGUF file: it begins with {start!r}, expected {GGUF_MAGIC!r}. "
            f"The embedded model needs weights in llama.cpp's GGUF format."
        )
    version, _tensors, count = struct.unpack("<IQQ", _exactly(file, 20))
    if version not in (2, 3):
        raise LocalModelError(
            f"{path} is a GGUF file of version {version}; expected version 2 or 3. Convert it, or use another file."
        )
    if count > _MOST_PAIRS:
        raise ValueError(f"expected at most {_MOST_PAIRS:,} pairs in the header, got {count:,}")
    pairs: dict[str, Any] = {}
    for _ in range(count):
        if file.tell() > _LONGEST_HEADER:
            raise ValueError(f"more than {_LONGEST_HEADER:,} bytes before the tokenizer")
        key = _string(file)
        if until is None and key.startswith("tokenizer."):
            break
        (kind,) = struct.unpack("<I", _exactly(file, 4))
        pairs[key] = _value(file, kind)
        if key == until:
            break
    return pairs


def _value(file: BinaryIO, kind: int, depth: int = 0) -> Any:
    if kind == _STRING:
        return _string(file)
    if kind == _ARRAY:
        item, count = struct.unpack("<IQ", _exactly(file, 12))
        if count > _MOST_ITEMS or depth == _DEEPEST:
            raise ValueError(f"a list of {count:,} items, {depth} lists deep; at most {_MOST_ITEMS:,} are read")
        if item not in _SCALARS:
            return _values(file, item, count, depth)
        width = struct.calcsize(f"<{_SCALARS[item]}")
        return list(struct.unpack(f"<{count}{_SCALARS[item]}", _exactly(file, count * width)))
    if kind not in _SCALARS:
        raise ValueError(f"unknown value type {kind}")
    code = f"<{_SCALARS[kind]}"
    return struct.unpack(code, _exactly(file, struct.calcsize(code)))[0]


def _values(file: BinaryIO, kind: int, count: int, depth: int) -> list[Any]:
    found = []
    for _ in range(count):
        if file.tell() > _LONGEST_HEADER:
            raise ValueError(f"more than {_LONGEST_HEADER:,} bytes before the tokenizer")
        found.append(_value(file, kind, depth + 1))
    return found


def _string(file: BinaryIO) -> str:
    (length,) = struct.unpack("<Q", _exactly(file, 8))
    return _exactly(file, length).decode("utf-8", errors="replace")


def _exactly(file: BinaryIO, count: int) -> bytes:
    if count > _LONGEST_BYTES:
        raise ValueError(f"a value of {count:,} bytes")
    data = file.read(count)
    if len(data) < count:
        raise ValueError("it ends too early")
    return data


def _bytes_per_token(pairs: dict[str, Any], architecture: str) -> int:
    """Return the size of all layers' keys and values, two bytes per number; 0 if a count is missing."""

    def read(name: str) -> Any:
        return pairs.get(f"{architecture}.{name}")

    layers, heads, width = _whole(read("block_count")), read("attention.head_count"), _whole(read("embedding_length"))
    per_layer = read("attention.head_count_kv") or heads
    kv_heads = sum(map(_whole, per_layer)) if isinstance(per_layer, list) else layers * _whole(per_layer)
    head_count = max(map(_whole, heads), default=0) if isinstance(heads, list) else _whole(heads)
    head_width = width // head_count if head_count else 0
    keys = _whole(read("attention.key_length")) or head_width
    values = _whole(read("attention.value_length")) or head_width
    return 2 * kv_heads * (keys + values)


def _whole(value: Any) -> int:
    return value if isinstance(value, int) else 0
