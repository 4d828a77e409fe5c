"""Fuzz targets: readers of files, the environment and a command line: stores, models, settings, tables, types."""

from __future__ import annotations

import contextlib
import io
import json
import os
import sqlite3
import struct
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated, Any
from unittest import mock

import httpx
import msgspec
import pandas as pd

import msgflux_nb as mf
from msgflux_nb.cli import main
from msgflux_nb.generation.schema import wire_schema
from msgflux_nb.http.bounds import bounds
from msgflux_nb.http.environment import proxy_for
from msgflux_nb.local.gguf import control_tokens, read_header
from msgflux_nb.local.pip import _explain
from msgflux_nb.models.keys import keys_of_environment
from msgflux_nb.models.prices import cost_of, is_same_model, listed_price
from msgflux_nb.protocol.profile import Profile, for_model, override
from msgflux_nb.protocol.usage import Usage
from msgflux_nb.storage.answers import open_store
from msgflux_nb.storage.layout import TABLES
from msgflux_nb.storage.recordings.lines import RecordingHeader, to_line
from msgflux_nb.storage.recordings.player import replay, speed_of_environment
from msgflux_nb.tables.formats.coded import decoded

__all__ = ["KEPT"]

VARIABLES = (
    *("HTTPS_PROXY", "NO_PROXY", "OPENAI_API_KEY", "OPENAI_BASE_URL", "MSGFLUX_MAX_ANSWER_MB", "MSGFLUX_REPLAY_SPEED"),
    *("MSGFLUX_LOCAL_MODEL", "AZURE_OPENAI_ENDPOINT"),
)
ADDRESS = httpx.URL("https://a.test/v1")


@contextlib.contextmanager
def _refused() -> Iterator[None]:
    out = io.StringIO()
    with contextlib.suppress(Exception), contextlib.redirect_stdout(out), contextlib.redirect_stderr(out):
        yield


def _store(text: str) -> None:
    """Read a file that consists of the text, one with a table named by the text, and one with the text in its cells."""
    data = text.encode("utf-8", "replace")
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "a.sqlite").write_bytes(data)
        Path(folder, "b.sqlite").write_bytes(b"SQLite format 3\0" + data)
        with _refused(), contextlib.closing(sqlite3.connect(Path(folder, "c.sqlite"))) as connection:
            connection.execute(f'CREATE TABLE "{data.decode().replace(chr(34), "").replace(chr(0), "")}" (a)')
        for name in "abc":
            with _refused():
                mf.runs(Path(folder, f"{name}.sqlite"))
        _cells(Path(folder, "d.sqlite"), data)


def _cells(path: Path, data: bytes) -> None:
    made = path.with_name("made.sqlite")
    with contextlib.closing(open_store(made)) as store:
        store.rows("SELECT 1")
    path.write_bytes(made.read_bytes())
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as connection:
        for table in TABLES:
            columns = [row[1] for row in connection.execute(f"PRAGMA table_info({table})")]
            numbers = ("created", "began", "attempts")
            row = [1 if name in numbers else "a" if name in ("run", "kind") else data for name in columns]
            with contextlib.suppress(sqlite3.Error):
                connection.execute(f"INSERT INTO {table} VALUES ({','.join('?' * len(row))})", row)
    for read in (mf.runs, lambda path: mf.resume("a", store=path)):
        with _refused():
            read(path)
    open_store(path).close()


def _weights(text: str) -> None:
    """Read the text as the header of a model's file, as one value in it, and as many pairs in it."""
    data = text.encode("utf-8", "replace")

    def string(value: bytes) -> bytes:
        return struct.pack("<Q", len(value)) + value

    pairs = b"".join(
        string(b"a%d" % at) + struct.pack("<I", 8) + string(data[at : at + 50]) for at in range(0, 9_000, 50)
    )
    parts = [data[at : at + 50] for at in range(0, len(data), 50)]
    tokens = string(b"tokenizer.ggml.tokens") + struct.pack("<IIQ", 9, 8, len(parts)) + b"".join(map(string, parts))
    kinds = (
        string(b"tokenizer.ggml.token_type") + struct.pack("<IIQ", 9, 5, len(parts)) + struct.pack("<I", 3) * len(parts)
    )
    one = string(b"general.architecture") + struct.pack("<I", 8) + string(data)
    with tempfile.TemporaryDirectory() as folder:
        for number, (count, inner) in enumerate([(9, data), (1, one), (180, pairs), (2, tokens + kinds)]):
            path = Path(folder, f"{number}.gguf")
            path.write_bytes(b"GGUF" + struct.pack("<IQQ", 3, 0, count) + inner)
            with _refused():
                read_header(path)
            control_tokens(path)


def _environment(text: str) -> None:
    """Read each variable of the environment with the text in it."""
    value = text.encode("utf-8", "replace").decode().replace("\0", "")[:100_000]  # Linux takes 128 KB
    with mock.patch.dict(os.environ, dict.fromkeys(VARIABLES, value)):
        for read in (bounds, speed_of_environment, keys_of_environment, lambda: proxy_for(ADDRESS)):
            with _refused():
                read()
        for model in ("openai/m", "azure/m"):
            with _refused():
                mf.Model.chat_completion(model).plan("Hi")


def _header(text: str) -> None:
    """Read a recording that begins with the text, and one with the text in its header."""
    text = text.encode("utf-8", "replace").decode()
    header = {"kind": "recording", "format": 1, "id": text, "date": text, "models": [text], "exchanges": 0}
    known = to_line(RecordingHeader(format=1, id=text, date=text, models=(text,), exchanges=0))
    with tempfile.TemporaryDirectory() as folder:
        for number, line in enumerate([text.encode(), json.dumps(header).encode() + b"\n", known]):
            path = Path(folder, f"{number}.jsonl")
            path.write_bytes(line)
            for command in ("show", "check"):
                with contextlib.suppress(SystemExit), _refused():
                    main(["recordings", command, str(path)])
            with _refused():
                replay(path)


def _command(text: str) -> None:
    value = text.encode("utf-8", "replace").decode().replace("\0", "")
    for words in ([value], ["models", value], ["recordings", "show", value], [f"--{value}"], [value] * 3):
        with contextlib.suppress(SystemExit), _refused():
            main(words)


def _profile(text: str) -> None:
    value = text.encode("utf-8", "replace").decode()
    profile = Profile(provider="growth")
    for changes in ({"modalities": [value]}, {value: 1}, {"special_tokens": [value, *value[:1_000]]}):
        with _refused():
            override(profile, changes)
    for name in (value, f"gpt-4-{value}"):
        with _refused():
            for_model(profile, name)
        with _refused():
            is_same_model(name, name[::-1])
        for listed in (profile, Profile(provider="openai", price_list="openai")):
            with _refused():
                listed_price(listed, name)
            with _refused():
                cost_of(Usage(prompt_tokens=1, completion_tokens=1), listed, name, answered=value)
    with _refused():
        mf.Model.chat_completion(value, api_key=value)


def _table(text: str) -> None:
    """Read a frame whose report holds the text, and cells of a file that hold it."""
    text = text.encode("utf-8", "replace").decode()
    for report in (text, {"run": text, "store": "memory"}, {text: text}):
        frame = pd.DataFrame({"a": [1]})
        frame.attrs["report"] = report
        for read in (lambda: frame.mf.explain(0), lambda: mf.resume(frame)):  # noqa: B023
            with _refused():
                read()
    parts = [text[at : at + 50] for at in range(0, len(text), 50)]
    for cell in (text, json.dumps([{"$set": [part]} for part in parts]), json.dumps({"$dict": [[text, text]]})):
        with _refused():
            decoded(cell)


def _types(text: str) -> None:
    """Read a type with a field for each part of the text."""
    text = text.encode("utf-8", "replace").decode()
    parts = [text[at : at + 500] for at in range(0, len(text), 500)]
    fields = [(f"f{number}", Annotated[str, msgspec.Meta(description=part)]) for number, part in enumerate(parts)]
    with _refused():
        wire_schema(msgspec.defstruct("Made", fields))


def _pip(text: str) -> None:
    for said in (text, f"ERROR{text}", text + "No space left"):
        _explain("a", 1, said)


KEPT: dict[str, Callable[[str], Any]] = {
    "a store": _store,
    "a model's file": _weights,
    "the environment": _environment,
    "the header of a recording": _header,
    "a command line": _command,
    "a profile and its prices": _profile,
    "a table of somebody else's": _table,
    "a type of many fields": _types,
    "what pip says": _pip,
}
