"""The contenders of ``extract_harness.py``: ours, and others used as their documentation recommends.

Each takes a table of texts, the server's address and a folder for files with which it can resume after a crash, and
returns a table with the columns ``name``, ``age`` and ``kind``. All ask for 16 rows at once. Each imports its libraries
in its own environment.
"""

from __future__ import annotations

import asyncio
import importlib
import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Literal

import pandas as pd

AT_ONCE = 16
MODEL = "scripted"
PROMPT = "Extract the person from this text: "
FIELDS = ["name", "age", "kind"]

Work = Callable[[pd.DataFrame, str, Path], pd.DataFrame]


def ours(data: pd.DataFrame, url: str, folder: Path) -> pd.DataFrame:
    """``mf.extract`` with a store."""
    import msgspec

    import msgflux_nb as mf

    schema = msgspec.defstruct(
        "Person", [("name", str), ("age", int | None), ("kind", Literal["adult", "child"])], module=__name__
    )
    model = mf.Model.chat_completion(MODEL, base_url=url, api_key="none")
    return mf.extract(
        data,
        schema,
        model=model,
        prompt=PROMPT + "{text}",
        store=folder / "run.sqlite",
        max_concurrency=AT_ONCE,
        progress=False,
    )


def openai_by_hand(data: pd.DataFrame, url: str, folder: Path) -> pd.DataFrame:
    """``parse`` in a pool of threads, as users usually write it."""
    from openai import OpenAI

    client, schema = OpenAI(base_url=url, api_key="none"), _person()

    def ask(text: str) -> Any:
        messages: Any = [{"role": "user", "content": PROMPT + text}]
        return client.chat.completions.parse(model=MODEL, messages=messages, response_format=schema)

    with ThreadPoolExecutor(AT_ONCE) as pool:
        answers = list(pool.map(ask, data["text"]))
    return pd.DataFrame([answer.choices[0].message.parsed.model_dump() for answer in answers], index=data.index)


def instructor_loop(data: pd.DataFrame, url: str, folder: Path) -> pd.DataFrame:
    """instructor's ``create`` for each row, gathered behind a semaphore."""
    import instructor
    from openai import AsyncOpenAI

    client, schema = instructor.from_openai(AsyncOpenAI(base_url=url, api_key="none")), _person()

    async def main() -> list[Any]:
        gate = asyncio.Semaphore(AT_ONCE)

        async def ask(text: str) -> Any:
            async with gate:
                messages: Any = [{"role": "user", "content": PROMPT + text}]
                return await client.chat.completions.create(model=MODEL, messages=messages, response_model=schema)

        return await asyncio.gather(*map(ask, data["text"]))

    return pd.DataFrame([value.model_dump() for value in asyncio.run(main())], index=data.index)


def langchain_batch(data: pd.DataFrame, url: str, folder: Path) -> pd.DataFrame:
    """langchain's ``with_structured_output(...).batch``, its answers cached in SQLite."""
    from langchain_community.cache import SQLiteCache
    from langchain_core.globals import set_llm_cache
    from langchain_openai import ChatOpenAI

    set_llm_cache(SQLiteCache(str(folder / "cache.sqlite")))
    model = ChatOpenAI(model=MODEL, base_url=url, api_key="none").with_structured_output(_person())
    texts = [PROMPT + text for text in data["text"]]
    answers = model.batch(texts, config={"max_concurrency": AT_ONCE}, return_exceptions=True)
    rows = [
        {"error": repr(answer)} if isinstance(answer, Exception) else answer.model_dump()  # type: ignore[union-attr]
        for answer in answers
    ]
    return pd.DataFrame(rows, index=data.index)


def silkloom(data: pd.DataFrame, url: str, folder: Path) -> pd.DataFrame:
    """``df.llm.extract`` with its cache."""
    importlib.import_module("silkloom_core")  # gives tables their ``llm``
    table = data.llm.setup(api_key="none", base_url=url, cache_path=str(folder / "cache.sqlite"))
    return table.extract(
        PROMPT + "{{ text }}\nReturn JSON with keys name, age and kind.",
        model=MODEL,
        max_workers=AT_ONCE,
        json_mode=True,
        verbose=False,
    )


def saturate(data: pd.DataFrame, url: str, folder: Path) -> pd.DataFrame:
    """``pump`` to Parquet, then joined to the table by the text."""
    from saturate import Fixed, pump

    schema = {"name": "Person", "strict": True, "schema": _person().model_json_schema()}

    def request(row: dict[str, Any]) -> dict[str, Any]:
        messages = [{"role": "user", "content": PROMPT + row["text"]}]
        form = {"type": "json_schema", "json_schema": schema}
        return {"model": MODEL, "messages": messages, "response_format": form}

    def parse(row: dict[str, Any], answer: dict[str, Any]) -> dict[str, Any]:
        return {"text": row["text"], **json.loads(answer["choices"][0]["message"]["content"])}

    rows = data[["text"]].to_dict("records")
    pump(rows, request, parse, url, str(folder / "out"), window=Fixed(AT_ONCE), signal_source="none")
    parts = [pd.read_parquet(path) for path in sorted((folder / "out").glob("part-*.parquet"))]
    return data.join(pd.concat(parts).dropna(subset="text").set_index("text"), on="text")


def dataframeit(data: pd.DataFrame, url: str, folder: Path) -> pd.DataFrame:
    """``dataframeit`` with a checkpoint every ten rows, which it reads again if there is one."""
    from dataframeit import dataframeit as run

    checkpoint = folder / "checkpoint.parquet"
    if checkpoint.exists():
        kept = pd.read_parquet(checkpoint)
        data = pd.concat([kept, data.iloc[len(kept) :]])
    return run(
        data,
        _person(),
        PROMPT + "{texto}",
        text_column="text",
        provider="openai",
        model=MODEL,
        api_key="none",
        model_kwargs={"base_url": url},
        parallel_requests=AT_ONCE,
        batch_size=10,
        checkpoint_path=checkpoint,
    )


def _person() -> Any:
    """Return the structure as a pydantic model."""
    from pydantic import BaseModel

    return type(
        "Person", (BaseModel,), {"__annotations__": {"name": str, "age": int | None, "kind": Literal["adult", "child"]}}
    )


CONTENDERS: dict[str, tuple[str, list[str], Work]] = {
    "**ours**": ("ours", [], ours),
    "openai, `parse` in threads": ("openai", ["openai", "pandas"], openai_by_hand),
    "instructor, gathered": ("instructor", ["instructor", "pandas"], instructor_loop),
    "langchain-openai, `.batch`, SQLite cache": (
        "langchain-openai",
        ["langchain-openai", "langchain-community", "pandas"],
        langchain_batch,
    ),
    "silkloom-core": ("silkloom-core", ["silkloom-core"], silkloom),
    "saturate": ("saturate", ["saturate", "pandas", "pydantic"], saturate),
    "dataframeit": ("dataframeit", ["dataframeit[openai]", "pyarrow"], dataframeit),
}
"""By the name in the table: the environment, its packages, and the function."""
