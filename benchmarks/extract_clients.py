"""The clients that ``extract.py`` measures: each extracts typed values from texts with concurrent requests.

Their libraries are imported when a client is made, since this module is imported in every environment.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Literal, Optional

AT_ONCE = 256
MODEL = "gpt-4.1-nano"
INSTRUCTION = "Extract the fields from the text."
LONG_SECONDS = 600.0
KEY = "sk-bench-" + "0123456789abcdef" * 3  # as long as a provider's key, since stored answers are searched for it
ENVIRONMENTS = {
    "ours": ["msgflux-nb", "msgspec", "httpx"],
    "openai": ["openai", "pydantic"],
    "instructor": ["instructor", "openai"],
    "langchain-openai": ["langchain-openai", "langchain-core", "openai"],
    "pydantic-ai": ["pydantic-ai-slim", "openai"],
}
Row = tuple[Any, ...]  # name, people, size, capital


def text_of(number: int) -> str:
    """Return the text of a row."""
    return f"City {number} has {number * 10} inhabitants, is large and no capital."


def expected(number: int) -> Row:
    """Return the right values of a row."""
    return f"City {number}", number * 10, "large", False


class Client:
    """Extracts values from texts; prepares everything when it is made."""

    environment = ""

    def __init__(self, url: str) -> None:
        self.url = url
        self.runner = asyncio.Runner()

    def extract(self, texts: list[str]) -> list[Row]:
        """Return a row for each text, in order."""
        return self.runner.run(self.aextract(texts))

    async def aextract(self, texts: list[str]) -> list[Row]:
        """Call ``one`` for each text."""
        raise NotImplementedError


async def gathered(texts: list[str], ask: Callable[[str], Awaitable[Any]]) -> list[Row]:
    """Call for each text behind a semaphore, as users usually write it."""
    turns = asyncio.Semaphore(AT_ONCE)

    async def one(text: str) -> Any:
        async with turns:
            return await ask(text)

    return [row_of(value) for value in await asyncio.gather(*map(one, texts))]


def row_of(value: Any) -> Row:
    """Return a value's fields."""
    return value.name, value.people, value.size, value.capital


def pydantic_city() -> Any:
    """Return the schema for the peers."""
    from pydantic import BaseModel

    class City(BaseModel):
        name: str
        people: Optional[int]  # noqa: UP045  # evaluated at run time, in every version of Python
        size: Literal["small", "large"]
        capital: bool

    return City


class Ours(Client):
    """``extract``, including its table."""

    environment = "ours"
    stored = False

    def __init__(self, url: str) -> None:
        import msgspec

        import msgflux_nb as mf

        super().__init__(url)
        self.schema = msgspec.defstruct(
            "City", [("name", str), ("people", int | None), ("size", Literal["small", "large"]), ("capital", bool)]
        )
        self.library = mf
        self.model = mf.Model.chat_completion(MODEL, base_url=url, api_key=KEY, **self.options())

    def options(self) -> dict[str, Any]:
        """Return further options of the model."""
        return {}

    def extract(self, texts: list[str]) -> list[Row]:
        with tempfile.TemporaryDirectory() as folder:
            frame = self.library.extract(
                texts,
                self.schema,
                model=self.model,
                system_prompt=INSTRUCTION,
                max_concurrency=AT_ONCE,
                store=Path(folder) / "run.sqlite" if self.stored else False,
                progress=False,
            )
        if not (frame["_status"] == "ok").all():
            raise ValueError(str(frame["_error"].dropna().iloc[0]))
        names, people, sizes, capitals = (frame[name].tolist() for name in ("name", "people", "size", "capital"))
        return list(zip(names, people, sizes, capitals, strict=True))


class OursStored(Ours):
    """The same with a store: each answer is written to a file before it counts."""

    stored = True


class OursHttpx(Ours):
    """The same over httpx's transport, as with a user's client."""

    def options(self) -> dict[str, Any]:
        import httpx

        limits = httpx.Limits(max_connections=None, max_keepalive_connections=AT_ONCE)
        return {"http_client": httpx.AsyncHTTPTransport(limits=limits)}


class OpenAI(Client):
    """``client.chat.completions.parse``."""

    environment = "openai"

    async def aextract(self, texts: list[str]) -> list[Row]:
        from openai import AsyncOpenAI

        schema = pydantic_city()
        async with AsyncOpenAI(base_url=self.url, api_key=KEY, timeout=LONG_SECONDS) as client:

            async def ask(text: str) -> Any:
                messages: Any = [{"role": "system", "content": INSTRUCTION}, {"role": "user", "content": text}]
                answer = await client.chat.completions.parse(model=MODEL, messages=messages, response_format=schema)
                return answer.choices[0].message.parsed

            return await gathered(texts, ask)


class Instructor(Client):
    """``client.create(response_model=...)``."""

    environment = "instructor"

    async def aextract(self, texts: list[str]) -> list[Row]:
        import instructor
        from openai import AsyncOpenAI

        schema = pydantic_city()
        async with AsyncOpenAI(base_url=self.url, api_key=KEY, timeout=LONG_SECONDS) as inner:
            client: Any = instructor.from_openai(inner)

            async def ask(text: str) -> Any:
                messages = [{"role": "system", "content": INSTRUCTION}, {"role": "user", "content": text}]
                return await client.chat.completions.create(model=MODEL, messages=messages, response_model=schema)

            return await gathered(texts, ask)


class LangChain(Client):
    """``with_structured_output(...).abatch``."""

    environment = "langchain-openai"

    async def aextract(self, texts: list[str]) -> list[Row]:
        from langchain_openai import ChatOpenAI

        chat: Any = ChatOpenAI(model=MODEL, base_url=self.url, api_key=KEY, timeout=LONG_SECONDS)
        chain = chat.with_structured_output(pydantic_city())
        asked = [[("system", INSTRUCTION), ("human", text)] for text in texts]
        return [row_of(value) for value in await chain.abatch(asked, config={"max_concurrency": AT_ONCE})]


class PydanticAI(Client):
    """``agent.run``."""

    environment = "pydantic-ai"

    async def aextract(self, texts: list[str]) -> list[Row]:
        from openai import AsyncOpenAI
        from pydantic_ai import Agent
        from pydantic_ai.models.openai import OpenAIChatModel
        from pydantic_ai.providers.openai import OpenAIProvider

        async with AsyncOpenAI(base_url=self.url, api_key=KEY, timeout=LONG_SECONDS) as inner:
            model = OpenAIChatModel(MODEL, provider=OpenAIProvider(openai_client=inner))
            agent: Any = Agent(model, output_type=pydantic_city(), system_prompt=INSTRUCTION)

            async def ask(text: str) -> Any:
                return (await agent.run(text)).output

            return await gathered(texts, ask)


CLIENTS: dict[str, type[Client]] = {
    "ours, `extract`": Ours,
    "ours, with a store": OursStored,
    "ours, over httpx's transport": OursHttpx,
    "openai, `parse`": OpenAI,
    "instructor": Instructor,
    "langchain-openai": LangChain,
    "pydantic-ai": PydanticAI,
}
