"""``ChatCompletion``: one call for every provider, sync and async, whole and streamed."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, Literal, TypedDict, Unpack, overload

from ..errors import NotFoundError
from ..protocol.profile import Profile, override
from ..protocol.request import build_request
from .exchange import Exchange
from .keys import HiddenValues, Key, find_key
from .profiles import COMPATIBLE, PROFILES
from .response import AsyncStreamResponse, ModelResponse, StreamResponse
from .retry import DEFAULT_MAX_RETRIES
from .transport import Endpoint, Timeout

__all__ = ["ChatCompletion", "Model"]

DEFAULT_MODEL = "local/smollm2-135m"
Messages = str | Sequence[dict[str, Any]]


class CallOptions(TypedDict, total=False):
    """The keywords of a call beside ``stream``, for type checkers."""

    system_prompt: str | None
    prefilling: str | None
    prefill: str | None
    generation_schema: Any


class Model:
    """The front door to models."""

    @staticmethod
    def chat_completion(
        name: str = DEFAULT_MODEL,
        /,
        *,
        temperature: float | None = None,
        max_tokens: int | None = None,
        top_p: float | None = None,
        stop: str | list[str] | None = None,
        seed: int | None = None,
        presence_penalty: float | None = None,
        frequency_penalty: float | None = None,
        reasoning_effort: str | None = None,
        verbosity: str | None = None,
        base_url: str | None = None,
        api_key: str | None = None,
        timeout: float | Timeout | None = None,
        max_retries: int = DEFAULT_MAX_RETRIES,
        extra_headers: dict[str, str] | None = None,
        extra_body: dict[str, Any] | None = None,
        profile: dict[str, Any] | None = None,
    ) -> ChatCompletion:
        """Return a model to call. Nothing is loaded or sent before the first call.

        Args:
            name: ``"provider/model"``; with ``base_url``, the model's name as that server knows it. Without any, the
                embedded model: offline and without a key. ``"local/path/to.gguf"`` runs a file of yours.
            temperature: 0 for the likeliest answer; higher for more variety. Only sent if given, as all below.
            max_tokens: the longest answer, in tokens.
            top_p: the share of probability to draw from, 0 to 1.
            stop: texts that end the answer.
            seed: for answers that repeat, where the provider offers it.
            presence_penalty: against tokens that have occurred.
            frequency_penalty: against tokens that occur often.
            reasoning_effort: how much a reasoning model thinks, in the provider's words.
            verbosity: how long answers are, in the provider's words.
            base_url: where an OpenAI-compatible API lives; usually ends in ``/v1``.
            api_key: the key; without it, the environment variable of the provider.
            timeout: seconds, or ``Timeout(...)``; None for the defaults.
            max_retries: further tries after a failure that may pass, before the first content.
            extra_headers: sent with each request.
            extra_body: fields to add to each request; they win over ours.
            profile: changes to what is known of the provider, such as ``{"modalities": ["text", "image"]}``.

        Raises:
            NotFoundError: the provider is unknown and there is no ``base_url``.
            TypeError: an option or a profile's field is unknown or of the wrong type.
        """
        given, headers = None if api_key is None else Key(api_key), HiddenValues(extra_headers or {})
        del api_key, extra_headers  # a verbose traceback prints the variables of every frame
        options = {
            "temperature": temperature,
            "max_tokens": max_tokens,
            "top_p": top_p,
            "stop": stop,
            "seed": seed,
            "presence_penalty": presence_penalty,
            "frequency_penalty": frequency_penalty,
            "reasoning_effort": reasoning_effort,
            "verbosity": verbosity,
        }
        row, model = _row_and_model(name, base_url)
        changes = {**(profile or {}), **({"base_url": base_url.rstrip("/")} if base_url else {})}
        return ChatCompletion(
            name=name,
            model=model,
            profile=override(row, changes) if changes else row,
            options={option: value for option, value in options.items() if value is not None},
            key=given,
            headers=headers,
            timeout=Timeout.of(timeout),
            max_retries=max_retries,
            extra_body=extra_body,
        )


class ChatCompletion:
    """A model to call; it keeps nothing between calls. Built by :meth:`Model.chat_completion`.

    Attributes:
        name: as it was asked for, such as ``"openai/gpt-4.1-nano"``.
        profile: what is known of the provider.
        options: what is sent with each request.
    """

    def __init__(
        self,
        *,
        name: str,
        model: str,
        profile: Profile,
        options: dict[str, Any],
        key: Key | None,
        headers: HiddenValues,
        timeout: Timeout,
        max_retries: int,
        extra_body: dict[str, Any] | None,
    ) -> None:
        self.name = name
        self.profile = profile
        self.options = options
        self._model = model
        self._key = key
        self._headers = headers
        self._timeout = timeout
        self._max_retries = max_retries
        self._extra_body = extra_body

    @overload
    def __call__(
        self, messages: Messages, *, stream: Literal[False] = False, **keywords: Unpack[CallOptions]
    ) -> ModelResponse: ...
    @overload
    def __call__(
        self, messages: Messages, *, stream: Literal[True], **keywords: Unpack[CallOptions]
    ) -> StreamResponse: ...
    @overload
    def __call__(
        self, messages: Messages, *, stream: bool, **keywords: Unpack[CallOptions]
    ) -> ModelResponse | StreamResponse: ...
    def __call__(
        self,
        messages: Messages,
        *,
        system_prompt: str | None = None,
        prefilling: str | None = None,
        prefill: str | None = None,
        generation_schema: Any = None,
        stream: bool = False,
    ) -> ModelResponse | StreamResponse:
        """Ask the model.

        Args:
            messages: a text, or a list of message dicts; read, never changed.
            system_prompt: put in front of the messages.
            prefilling: the start of the answer, which the model continues; ``prefill`` is another name for it.
            prefill: see ``prefilling``.
            generation_schema: a ``msgspec.Struct`` class, or any type that msgspec decodes; the answer is an instance.
            stream: whether to return at once and let the answer arrive while it is read.

        Returns:
            A :class:`ModelResponse`, or with ``stream=True`` a :class:`StreamResponse`.

        Raises:
            MsgfluxError: whatever went wrong, by kind; see ``errors.py``.
        """
        exchange = self._exchange(messages, system_prompt, _either(prefilling, prefill), generation_schema, stream)
        answer = StreamResponse(exchange, self._endpoint)
        if stream:
            return answer
        for _ in answer.events():
            pass
        return ModelResponse(exchange)

    @overload
    async def acall(
        self, messages: Messages, *, stream: Literal[False] = False, **keywords: Unpack[CallOptions]
    ) -> ModelResponse: ...
    @overload
    async def acall(
        self, messages: Messages, *, stream: Literal[True], **keywords: Unpack[CallOptions]
    ) -> AsyncStreamResponse: ...
    @overload
    async def acall(
        self, messages: Messages, *, stream: bool, **keywords: Unpack[CallOptions]
    ) -> ModelResponse | AsyncStreamResponse: ...
    async def acall(
        self,
        messages: Messages,
        *,
        system_prompt: str | None = None,
        prefilling: str | None = None,
        prefill: str | None = None,
        generation_schema: Any = None,
        stream: bool = False,
    ) -> ModelResponse | AsyncStreamResponse:
        """Ask the model from a coroutine; the same keywords and values as calling it."""
        exchange = self._exchange(messages, system_prompt, _either(prefilling, prefill), generation_schema, stream)
        answer = AsyncStreamResponse(exchange, self._aendpoint)
        if stream:
            return answer
        async for _ in answer.events():
            pass
        return ModelResponse(exchange)

    def __repr__(self) -> str:
        options = "".join(f", {name}={value!r}" for name, value in self.options.items())
        return f"ChatCompletion({self.name!r}{options})"

    def _exchange(
        self, messages: Messages, system_prompt: str | None, prefilling: str | None, schema: Any, stream: bool
    ) -> Exchange:
        request = build_request(
            messages,
            model=self._model,
            profile=self.profile,
            options=self.options,
            system_prompt=system_prompt,
            prefilling=prefilling,
            generation_schema=schema,
            stream=stream,
            extra_body=self._extra_body,
        )
        return Exchange(request, self.profile, timeout=self._timeout, max_retries=self._max_retries)

    def _endpoint(self) -> Endpoint:
        """Where to send, with the key; starts the embedded server if it is the one."""
        if self.profile.base_url is None:
            from .local import ensure_server

            server = ensure_server(self._model)
            return Endpoint(server.base_url, Key(server.key), self._headers)
        key = find_key(self._key, self.profile.key_variable, self.profile.provider)
        return Endpoint(self.profile.base_url, key, self._headers)

    async def _aendpoint(self) -> Endpoint:
        if self.profile.base_url is None:  # loading a model takes a second or more
            return await asyncio.to_thread(self._endpoint)
        return self._endpoint()


def _row_and_model(name: str, base_url: str | None) -> tuple[Profile, str]:
    provider, slash, model = name.partition("/")
    if slash and model and provider in PROFILES:
        return PROFILES[provider], model
    if base_url:
        return COMPATIBLE, name
    raise NotFoundError(
        f"{name!r} names no provider that is known here. Expected provider/model, with one of: "
        f"{', '.join(sorted(PROFILES))}; or the name of a model on your own server, with base_url=."
    )


def _either(prefilling: str | None, prefill: str | None) -> str | None:
    if prefilling is not None and prefill is not None:
        raise TypeError("prefilling and prefill are two names of the same; give one of them")
    return prefill if prefilling is None else prefilling
