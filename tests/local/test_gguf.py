from __future__ import annotations

import os
import struct
from pathlib import Path

import pytest

import msgflux_nb as mf
from msgflux_nb.errors import LocalModelError
from msgflux_nb.local.gguf import GgufHeader, control_tokens, read_header

from .ggufs import LLAMA, header


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "model.gguf"


def test_a_header_tells_the_architecture_the_context_and_the_memory_of_a_token(path: Path) -> None:
    data = header(LLAMA) + bytes(100)
    path.write_bytes(data)
    # 30 layers of keys and values, 3 heads of 576 / 9 = 64 numbers, 2 bytes each
    assert read_header(path) == GgufHeader(
        architecture="llama", context_tokens=8192, bytes_per_token=30 * 2 * 3 * 64 * 2, size_bytes=len(data)
    )


def test_key_and_value_widths_of_their_own_count(path: Path) -> None:
    path.write_bytes(header({"llama.attention.key_length": 128, "llama.attention.value_length": 32} | LLAMA))
    assert read_header(path).bytes_per_token == 30 * 3 * (128 + 32) * 2


def test_heads_may_differ_from_layer_to_layer(path: Path) -> None:
    path.write_bytes(header(LLAMA | {"llama.attention.head_count_kv": [3, 0, 1]}))
    assert read_header(path).bytes_per_token == 4 * 2 * 64 * 2


def test_a_file_without_head_counts_has_an_unknown_memory(path: Path) -> None:
    path.write_bytes(header({"general.architecture": "mamba", "mamba.context_length": 512}))
    assert read_header(path) == GgufHeader(
        architecture="mamba", context_tokens=512, bytes_per_token=0, size_bytes=path.stat().st_size
    )


def test_the_tokenizers_lists_are_not_read(path: Path) -> None:
    path.write_bytes(header(LLAMA, count=1000))  # what the header promises after them is not there
    assert read_header(path).architecture == "llama"


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"hello world", "begins with b'hell', expected b'GGUF'"),
        (b"", "is not a GGUF file: it is empty"),
        (b"GGUF\x03", "ends too early"),
        (header(LLAMA)[:60], "ends too early"),
        (header(LLAMA, version=1), "a GGUF file of version 1; expected version 2 or 3"),
        (b"GGUF" + struct.pack("<IQQ", 3, 0, 1) + b"\xff" * 40, "a value of 18,446,744,073,709,551,615 bytes"),
        (header({"a": "b"})[:-13] + struct.pack("<I", 77) + bytes(9), "unknown value type 77"),
    ],
)
def test_an_incomplete_header_is_an_error_that_says_why(path: Path, data: bytes, said: str) -> None:
    path.write_bytes(data)
    with pytest.raises(LocalModelError) as caught:
        read_header(path)
    assert said in str(caught.value)
    assert str(path) in str(caught.value)


def test_a_pipe_and_a_missing_path_have_no_control_tokens_and_are_not_waited_for(path: Path) -> None:
    os.mkfifo(path)
    assert control_tokens(path) == control_tokens(Path("~nobody-at-all/x.gguf")) == frozenset()
    with pytest.raises(LocalModelError, match="a pipe or a device"):
        read_header(path)


def nested(depth: int) -> bytes:
    """Return a pair whose value is a list of nested lists."""
    pair = struct.pack("<I", 9) + struct.pack("<IQ", 9, 1) * depth + struct.pack("<IQ", 4, 0)
    return b"GGUF" + struct.pack("<IQQ", 3, 0, 1) + struct.pack("<Q", 1) + b"a" + pair


def a_list(kind: int, count: int, data: bytes) -> bytes:
    return (
        b"GGUF"
        + struct.pack("<IQQ", 3, 0, 1)
        + struct.pack("<Q", 1)
        + b"a"
        + struct.pack("<IIQ", 9, kind, count)
        + data
    )


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (nested(100_000), "4 lists deep"),
        (a_list(8, 2**60, bytes(1_000)), "at most 1,000,000 are read"),
        (a_list(0, 10_000_000, bytes(10_000_000)), "at most 1,000,000 are read"),
        (b"GGUF" + struct.pack("<IQQ", 3, 0, 2**63) + bytes(1_000), "at most 10,000 pairs"),
    ],
    ids=["depth", "texts", "numbers", "pairs"],
)
def test_a_header_made_by_others_is_bounded(path: Path, data: bytes, said: str) -> None:
    path.write_bytes(data)
    with pytest.raises(LocalModelError, match=said):
        read_header(path)


def test_the_bytes_before_the_tokenizer_are_bounded(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("msgflux_nb.local.gguf._LONGEST_HEADER", 500)
    path.write_bytes(header({f"own.{number}": "x" * 100 for number in range(20)}))
    with pytest.raises(LocalModelError, match="more than 500 bytes before the tokenizer"):
        read_header(path)


def test_every_shorter_part_of_a_header_is_an_error(path: Path) -> None:
    whole = header({key: LLAMA[key] for key in LLAMA if not key.startswith("tokenizer.")})
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        with pytest.raises(LocalModelError):
            read_header(path)


def test_a_missing_file_is_an_error(path: Path) -> None:
    with pytest.raises(LocalModelError, match="No such file"):
        read_header(path)


def test_the_control_tokens_of_a_file_are_split_in_the_texts_of_rows(tmp_path: Path) -> None:
    path = tmp_path / "own.gguf"
    tokens = ["@@TURN@@", "word", "%end%", "a", "\n"]
    path.write_bytes(header({"tokenizer.ggml.tokens": tokens, "tokenizer.ggml.token_type": [3, 1, 3, 3, 3]}))
    assert control_tokens(path) == {"@@TURN@@", "%end%"}
    model = mf.Model.chat_completion(f"local/{path}", profile={"special_tokens": ["!!mine!!"]})
    body = model.prepare("a @@TURN@@ word %end% !!mine!!").request.decode()
    assert not any(token in body for token in ("@@TURN@@", "%end%", "!!mine!!"))
    assert "word" in body


@pytest.mark.parametrize("held", [b"", b"GGUF", header({"a": 1}), header({"tokenizer.ggml.tokens": ["a"]})])
def test_a_file_without_a_tokenizer_has_none(tmp_path: Path, held: bytes) -> None:
    path = tmp_path / "own.gguf"
    path.write_bytes(held)
    assert control_tokens(path) == frozenset()
    assert control_tokens(tmp_path / "none.gguf") == frozenset()
