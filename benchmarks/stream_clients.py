"""The clients that ``stream.py`` measures: each reads a streamed answer to its end and returns the whole.

Their libraries are imported when a client is made, since this module is imported in every environment.
"""

from __future__ import annotations

import asyncio
import json
import os
import socket
from typing import Any

from loopback import TOOLS

ENVIRONMENTS = {
    "ours": ["msgflux-nb", "msgspec", "httpx"],
    "openai": ["openai"],
    "litellm": ["litellm", "openai"],
    "langchain-openai": ["langchain-openai", "langchain-core", "openai"],
    "pydantic-ai": ["pydantic-ai-slim", "openai"],
}
QUESTION = "Tell me all of it."
BLOCK_BYTES = 262_144
Answer = str | list[str]  # the text, or the arguments of each call


def tools(**more: Any) -> list[dict[str, Any]]:
    query = {"type": "object", "properties": {"query": {"type": "string"}}, "required": ["query"]}
    schema = {**query, "additionalProperties": False}
    return [{"type": "function", "function": {"name": name, "parameters": schema, **more}} for name in TOOLS]


def asked(model: str, **more: Any) -> dict[str, Any]:
    """Return the keywords of a call of openai or litellm."""
    offered = {"tools": tools(**more)} if model.startswith("tools") else {}
    return {"model": model, "messages": [{"role": "user", "content": QUESTION}], **offered}


class ByHand:
    """Joins chunks in OpenAI's form, as users usually write it."""

    def __init__(self) -> None:
        self.texts: list[str] = []
        self.calls: dict[int, list[str]] = {}

    def add(self, chunk: Any) -> None:
        for choice in chunk.choices:
            if choice.delta.content:
                self.texts.append(choice.delta.content)
            for call in choice.delta.tool_calls or ():
                self.calls.setdefault(call.index, []).append(call.function.arguments or "")

    def answer(self) -> Answer:
        return ["".join(parts) for parts in self.calls.values()] or "".join(self.texts)


def of_message(message: Any) -> Answer:
    """Return the answer in a message of OpenAI's form."""
    return [call.function.arguments for call in message.tool_calls or ()] or message.content


class Client:
    """Reads answers; ``model`` selects the answer, as in ``loopback``. This base class joins chunks by hand."""

    environment = ""
    kinds: tuple[str, ...] = ("text", "tools")

    def __init__(self, url: str) -> None:
        self.url = url

    def gatherer(self) -> Any:
        return ByHand()

    def chunks(self, model: str) -> Any:
        raise NotImplementedError

    async def achunks(self, model: str) -> Any:
        raise NotImplementedError

    def read(self, model: str) -> Answer:
        found = self.gatherer()
        for chunk in self.chunks(model):
            found.add(chunk)
        return found.answer()

    async def aread(self, model: str) -> Answer:
        found = self.gatherer()
        async for chunk in await self.achunks(model):
            found.add(chunk)
        return found.answer()


class Ours(Client):
    """Typed events, then the whole answer: text, or calls whose arguments are parsed."""

    environment = "ours"

    def __init__(self, url: str) -> None:
        import msgflux_nb

        self.new, self.more = msgflux_nb.Model.chat_completion, {"base_url": url, "api_key": "x"}

    def asked(self, model: str) -> dict[str, Any]:
        return {"stream": True, "tool_schemas": tools() if model.startswith("tools") else None}

    def wire(self, model: str) -> str:
        """Return the wire in the model's name."""
        last = model.rpartition("-")[2]
        return last if last in ("responses", "messages") else "chat"

    def read(self, model: str) -> Answer:
        stream: Any = self.new(model, wire=self.wire(model), **self.more)(QUESTION, **self.asked(model))
        for _ in stream.events():
            pass
        return self.whole(stream.consume())

    async def aread(self, model: str) -> Answer:
        stream: Any = await self.new(model, wire=self.wire(model), **self.more).acall(QUESTION, **self.asked(model))
        async for _ in stream.events():
            pass
        return self.whole(await stream.consume())

    def whole(self, answer: Any) -> Answer:
        if isinstance(answer, str):
            return answer
        parsed = [call.arguments for call in answer.get_calls()]
        raw = [state.raw for state in answer.states]
        return raw if parsed == [json.loads(text) for text in raw] else []


class OursText(Ours):
    """``for text in stream``."""

    kinds = ("text",)

    def read(self, model: str) -> Answer:
        return "".join(self.new(model, **self.more)(QUESTION, stream=True))

    async def aread(self, model: str) -> Answer:
        return "".join([text async for text in await self.new(model, **self.more).acall(QUESTION, stream=True)])


class OursOverHttpx(Ours):
    """As ``Ours``, over a user's own httpx clients."""

    def __init__(self, url: str) -> None:
        import httpx

        super().__init__(url)
        self.more["http_client"] = (httpx.Client(), httpx.AsyncClient())


class Bare(Client):
    """The lower bound: a socket and msgspec without HTTP; it splits at this server's separators."""

    environment = "ours"

    def __init__(self, url: str) -> None:
        import msgspec

        new: Any = msgspec.defstruct
        call = new("Call", [("index", int), ("function", new("Function", [("arguments", str)], gc=False))], gc=False)
        delta = new("Delta", [("content", str | None, None), ("tool_calls", list[call] | None, None)], gc=False)
        choice = new("Choice", [("delta", delta)], gc=False)
        self.decode = msgspec.json.Decoder(new("Chunk", [("choices", list[choice])], gc=False)).decode
        self.address = ("127.0.0.1", int(url.split(":")[2].split("/")[0]))

    def request(self, model: str) -> bytes:
        body = json.dumps({"stream": True, "model": model}).encode()
        return b"POST / HTTP/1.1\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)

    def feed(self, data: bytes, found: ByHand) -> bytes:
        *events, rest = data.split(b"\n\n\r\n")
        for event in events:
            start = event.find(b"{")
            if start > 0:
                found.add(self.decode(event[start:]))
        return rest

    def read(self, model: str) -> Answer:
        found, rest = ByHand(), b""
        with socket.create_connection(self.address) as line:
            line.sendall(self.request(model))
            while not rest.endswith(b"0\r\n\r\n"):
                rest = self.feed(rest + line.recv(BLOCK_BYTES), found)
        return found.answer()

    async def aread(self, model: str) -> Answer:
        found, rest = ByHand(), b""
        reader, writer = await asyncio.open_connection(*self.address, limit=BLOCK_BYTES)
        writer.write(self.request(model))
        while not rest.endswith(b"0\r\n\r\n"):
            rest = self.feed(rest + await reader.read(BLOCK_BYTES), found)
        writer.close()
        return found.answer()


class OpenAI(Client):
    """``create(stream=True)``, and the chunks put together by hand."""

    environment = "openai"

    def __init__(self, url: str) -> None:
        import openai

        self.client = openai.OpenAI(base_url=url, api_key="x")
        self.aclient = openai.AsyncOpenAI(base_url=url, api_key="x")

    def chunks(self, model: str) -> Any:
        return self.client.chat.completions.create(**asked(model), stream=True)

    async def achunks(self, model: str) -> Any:
        return await self.aclient.chat.completions.create(**asked(model), stream=True)


class OpenAIStream(OpenAI):
    """``stream()``: typed events, and the whole answer at the end."""

    strict = False

    def read(self, model: str) -> Answer:
        with self.client.chat.completions.stream(**asked(model, strict=self.strict)) as stream:
            for _ in stream:
                pass
            return of_message(stream.get_final_completion().choices[0].message)

    async def aread(self, model: str) -> Answer:
        async with self.aclient.chat.completions.stream(**asked(model, strict=self.strict)) as stream:
            async for _ in stream:
                pass
            return of_message((await stream.get_final_completion()).choices[0].message)


class OpenAIStreamStrict(OpenAIStream):
    """The same with strict tools; it parses arguments when the next call begins."""

    kinds = ("tools",)
    strict = True


class LiteLLM(Client):
    """``completion(stream=True)``, and the chunks put together by hand."""

    environment = "litellm"

    def __init__(self, url: str) -> None:
        os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"  # else it fetches one over the network
        import litellm

        litellm.suppress_debug_info = True
        self.litellm, self.more = litellm, {"api_base": url, "api_key": "x", "stream": True}

    def asked(self, model: str) -> dict[str, Any]:
        return {**asked(model), **self.more, "model": f"openai/{model}"}

    def chunks(self, model: str) -> Any:
        return self.litellm.completion(**self.asked(model))

    async def achunks(self, model: str) -> Any:
        return await self.litellm.acompletion(**self.asked(model))


class LiteLLMBuilder(LiteLLM):
    """The same, joined by ``stream_chunk_builder``."""

    class Gatherer:
        def __init__(self, build: Any) -> None:
            self.build, self.held = build, []
            self.add = self.held.append

        def answer(self) -> Answer:
            return of_message(self.build(self.held).choices[0].message)

    def gatherer(self) -> Any:
        return self.Gatherer(self.litellm.stream_chunk_builder)


class LangChain(Client):
    """``stream()``, and the chunks put together by hand."""

    environment = "langchain-openai"

    class Gatherer(ByHand):
        def add(self, chunk: Any) -> None:
            self.texts.append(chunk.content)
            for call in chunk.tool_call_chunks:
                self.calls.setdefault(call["index"], []).append(call["args"] or "")

    def gatherer(self) -> Any:
        return self.Gatherer()

    def model(self, model: str) -> Any:
        from langchain_openai import ChatOpenAI

        chat = ChatOpenAI(model=model, base_url=self.url, api_key="x", stream_usage=True)
        return chat.bind_tools(tools()) if model.startswith("tools") else chat

    def chunks(self, model: str) -> Any:
        return self.model(model).stream(QUESTION)

    async def achunks(self, model: str) -> Any:
        return self.model(model).astream(QUESTION)


class LangChainSum(LangChain):
    """The same, joined by ``chunk + chunk``, as its documentation shows."""

    class Gatherer:
        full: Any = None

        def add(self, chunk: Any) -> None:
            self.full = chunk if self.full is None else self.full + chunk

        def answer(self) -> Answer:
            return [call["args"] for call in self.full.tool_call_chunks] or self.full.content


class PydanticAI(Client):
    """``model_request_stream``: typed events, and the whole answer at the end."""

    environment = "pydantic-ai"

    def __init__(self, url: str) -> None:
        from pydantic_ai.providers.openai import OpenAIProvider

        self.provider = OpenAIProvider(base_url=url, api_key="x")

    def request(self, model: str) -> dict[str, Any]:
        from pydantic_ai.messages import ModelRequest
        from pydantic_ai.models import ModelRequestParameters
        from pydantic_ai.models.openai import OpenAIChatModel
        from pydantic_ai.tools import ToolDefinition

        functions = [tool["function"] for tool in tools()] if model.startswith("tools") else []
        defined = [ToolDefinition(name=each["name"], parameters_json_schema=each["parameters"]) for each in functions]
        return {
            "model": OpenAIChatModel(model, provider=self.provider),
            "messages": [ModelRequest.user_text_prompt(QUESTION)],
            "model_request_parameters": ModelRequestParameters(function_tools=defined),
        }

    def read(self, model: str) -> Answer:
        from pydantic_ai.direct import model_request_stream_sync

        with model_request_stream_sync(**self.request(model)) as stream:
            for _ in stream:
                pass
            return self.whole(stream.response)

    async def aread(self, model: str) -> Answer:
        from pydantic_ai.direct import model_request_stream

        async with model_request_stream(**self.request(model)) as stream:
            async for _ in stream:
                pass
            return self.whole(stream.get())

    def whole(self, response: Any) -> Answer:
        return [part.args for part in response.parts if part.part_kind == "tool-call"] or response.parts[0].content


CLIENTS: dict[str, type[Client]] = {
    "bare: socket and msgspec": Bare,
    "**ours**, events, then the answer": Ours,
    "**ours**, `for text in stream`": OursText,
    "ours over the user's httpx client": OursOverHttpx,
    "openai, `create(stream=True)`": OpenAI,
    "openai, `.stream()`": OpenAIStream,
    "openai, `.stream()`, strict tools": OpenAIStreamStrict,
    "litellm, by hand": LiteLLM,
    "litellm, `stream_chunk_builder`": LiteLLMBuilder,
    "langchain-openai, by hand": LangChain,
    "langchain-openai, `chunk + chunk`": LangChainSum,
    "pydantic-ai, `model_request_stream`": PydanticAI,
}
