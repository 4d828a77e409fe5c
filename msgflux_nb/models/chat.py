"""``ChatCompletion``: one call for every provider, sync and async, whole and streamed."""

from __future__ import annotations

import contextlib
import copy
import functools
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Literal, Unpack, overload

from ..errors import AuthenticationError
from ..http.limits import Timeout
from ..protocol.address import without_secrets
from ..protocol.prefill import PrefillMode
from ..protocol.profile import Profile, Wire
from ..protocol.request import ChatRequest, build_request
from ..protocol.special_tokens import holds_special_token
from ..storage.recordings.active import Active
from .addresses import base_url_of
from .answer import ModelResponse
from .call import Call
from .call_options import CallOptions, Messages, Tools, asked_for
from .exchange import Entry, Exchange
from .keys import HiddenValues, Key, find_key, hide_in_bytes, secrets_of_address
from .recording_context import RecordingContext, active_recording, settings_of
from .replay_endpoint import areplay_endpoint, replay_endpoint
from .server_quirks import Known, NotCopied, ServerQuirks, quirks_of
from .stream import StreamResponse

if TYPE_CHECKING:
    import pandas as pd

    from ..storage.answers import Store
    from ..storage.recordings.player import Player
    from .async_stream import AsyncStreamResponse
    from .batch_call import BatchCall
    from .endpoint import Endpoint
    from .request_template import RequestTemplate

__all__ = ["ChatCompletion"]

_TEMPLATES_KEPT = 16


class ChatCompletion:
    """A model to call; it keeps no state between calls. Made by :meth:`Model.chat_completion`.

    Attributes:
        name: the name that it was asked for by, such as ``"openai/gpt-4.1-nano"``.
        profile: what is known of the provider and of this model.
        options: the options that are sent with each request.
        extra_body: further fields of each request, in the provider's words; None for none.
        prefill_mode: ``"auto"``, or ``"emulate"`` to ask for the start by an instruction.
        player: the player of a model that is a recording; else None.
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
        prefill_mode: PrefillMode,
        wire: Wire | None = None,
        cache_prompt: bool = False,
        store: Store | None,
        clients: tuple[Any, ...],
        built: dict[str, Any] | None = None,
        player: Player | None = None,
    ) -> None:
        self.name = name
        self.profile = profile
        self.options = options
        self.extra_body = extra_body
        self.player = player
        self._model = model
        self._key = key
        self._headers = headers
        self._timeout = timeout
        self._max_retries = max_retries
        self.prefill_mode: PrefillMode = prefill_mode
        self._wire: Wire | None = wire
        self._cache_prompt = cache_prompt
        self._store = store
        self._clients = clients
        self._built = built or {}  # further arguments that a recording keeps
        self._note: str | None = None  # a warning for all of its answers
        self._is_live = False  # ask the network even if a replay is on
        self._sample = 0  # the number of this answer to a request; a cache keeps each
        self._templates: dict[Any, tuple[list[Any], RequestTemplate]] = NotCopied()

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
        tool_schemas: Tools | None = None,
        tool_choice: str | dict[str, Any] | None = None,
        stream: bool = False,
        **unknown: Any,
    ) -> ModelResponse | StreamResponse:
        """Ask the model.

        Args:
            messages: a text, or a list of message dicts; read, never changed.
            system_prompt: put in front of the messages.
            prefilling: the start of the answer, which the model continues; ``prefill`` is another name for it.
            prefill: see ``prefilling``.
            generation_schema: a ``msgspec.Struct`` class, or any type that msgspec decodes; the answer is an instance.
            tool_schemas: tools that the model may call: Python functions, JSON schemas, and what runs at the provider,
                such as ``{"type": "web_search_preview"}``, in any mix.
            tool_choice: ``"auto"``, ``"required"``, ``"none"``, the name of the tool to call, or a dict in the
                provider's form.
            stream: whether to return a stream at once; the answer then arrives while it is read.
            unknown: any other keyword is refused.

        Returns:
            A :class:`ModelResponse`, or with ``stream=True`` a :class:`StreamResponse`.

        Raises:
            MsgfluxError: the call failed; ``errors.py`` lists the kinds.
        """
        asked = {
            "system_prompt": system_prompt,
            "prefilling": prefilling,
            "prefill": prefill,
            "generation_schema": generation_schema,
            "tool_schemas": tool_schemas,
            "tool_choice": tool_choice,
        }
        answer = self.arriving(messages, stream, **asked_for({**asked, **unknown}))
        if stream:
            return answer
        answer.finish()
        return answer.response()

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
        tool_schemas: Tools | None = None,
        tool_choice: str | dict[str, Any] | None = None,
        stream: bool = False,
        **unknown: Any,
    ) -> ModelResponse | AsyncStreamResponse:
        """Ask the model from a coroutine, with the same keywords and results as a plain call."""
        asked = {
            "system_prompt": system_prompt,
            "prefilling": prefilling,
            "prefill": prefill,
            "generation_schema": generation_schema,
            "tool_schemas": tool_schemas,
            "tool_choice": tool_choice,
        }
        answer = self._aarriving(messages, stream, **asked_for({**asked, **unknown}))
        if stream:
            return answer
        await answer.finish()
        return answer.response()

    def plan(self, messages: Messages, *, stream: bool = False, **keywords: Unpack[CallOptions]) -> ChatRequest:
        """Return the request that a call with the same arguments would send first; nothing is sent.

        Raises:
            MsgfluxError: the request cannot be built: a prefill that cannot be continued, a type without a schema.
        """
        build = self._build(messages, stream=stream, **asked_for(keywords))
        known = quirks_of(self.profile, self._model, self._active_recording())
        return build(**known.known._asdict(), echo=known.echo.get(stream))

    def resend(self, request: ChatRequest, *, max_retries: int = 0) -> ModelResponse:
        """Send a request unchanged, ignoring what is known of the server.

        Raises:
            MsgfluxError: the call failed.
        """
        exchange = functools.partial(self._exchange, now=self._active_recording(), max_retries=max_retries)
        call = Call(lambda **_: request, self.profile, self._model, ServerQuirks(), exchange)
        answer = StreamResponse(call, self.endpoint)
        answer.finish()
        return answer.response()

    def __repr__(self) -> str:
        options = "".join(f", {name}={value!r}" for name, value in self.options.items())
        return f"ChatCompletion({self.name!r}{options})"

    @property
    def recorded(self) -> pd.DataFrame | None:
        """The requests that a recording can answer, as a table; None for any other model."""
        return None if self.player is None else self.player.recorded

    @property
    def max_retries(self) -> int:
        """How often a request is sent again after a failure that may pass."""
        return self._max_retries

    @property
    def wire(self) -> Wire:
        """The wire of its requests."""
        return self._wire or self.profile.wire

    @property
    def arguments(self) -> dict[str, Any]:
        """The arguments that it was built with, except those in ``kept_here`` and a recording."""
        return {
            "name": self.name,
            "model": self._model,
            "profile": self.profile,
            "options": self.options,
            "timeout": self._timeout,
            "max_retries": self._max_retries,
            "extra_body": self.extra_body,
            "prefill_mode": self.prefill_mode,
            "wire": self._wire,
            "cache_prompt": self._cache_prompt,
            "built": self._built,
        }

    @property
    def kept_here(self) -> list[str]:
        """The arguments that must not leave this process, by the keywords of ``Model.chat_completion``."""
        kept = {
            "api_key": self._key is not None,
            "extra_headers": bool(self._headers),
            "http_client": bool(self._clients),
            "cache": self._store is not None,
        }
        return [name for name, given in kept.items() if given]

    def numbered(self, number: int) -> ChatCompletion:
        """Return this model for one of several answers to each request; caches and batches keep each separately.

        Args:
            number: the number of the answer, from 0; 0 is the answer of this model itself.
        """
        made = copy.copy(self)
        made._sample = number
        return made

    def prepare(
        self, messages: Messages, *, system_prompt: str | None = None, generation_schema: Any = None
    ) -> BatchCall:
        """Prepare a call for a batch without making it.

        Raises:
            MsgfluxError: the request cannot be built: no message, a type without a schema, an unusable image.
        """
        active = self._active_recording()
        place = self._place(active)
        key = (place, system_prompt, id(generation_schema), str(self.options), str(self.extra_body))
        now = [*vars(self).values()]
        before, template = self._templates.get(key, (None, None))
        if template is None or before != now:
            if len(self._templates) >= _TEMPLATES_KEPT:
                self._templates.clear()
            # The template holds a copy, so that later changes of this model do not reach it.
            model = copy.copy(self)
            template = model._template(place, system_prompt, generation_schema, active)
            self._templates[key] = now, template
        prepared = template.prepare(messages)
        if (other := self._otherwise(active, self.wire, prepared.request)) is None:
            return prepared
        return other.prepare(messages, system_prompt=system_prompt, generation_schema=generation_schema)

    def _place(self, now: Active | None) -> str:
        """Return the part of a kept answer's key that says where it came from; a recording has its own."""
        if now is None:
            return self._numbered_place(base_url_of(self.profile))
        place = self._numbered_place(None if now.player is not None else base_url_of(self.profile))
        return f"{place}#{(now.player or now.recorder).token}"

    def _template(self, place: str, system_prompt: str | None, schema: Any, now: Active | None) -> RequestTemplate:
        from .request_template import RequestTemplate
        from .whole_answers import WholeAnswers

        known = quirks_of(self.profile, self._model, now)
        exchange = functools.partial(self._exchange, now=now, max_retries=0, keep=True)
        direct = now is None and self._store is None
        quick = WholeAnswers(self.aendpoint, timeout=self._timeout) if direct else None

        def build(messages: Any, **changes: Any) -> ChatRequest:
            asked = {"system_prompt": system_prompt, "generation_schema": schema}
            return self._build(messages, stream=False, **asked)(**changes)

        def call(messages: Any, request: ChatRequest, then: Known) -> Call:
            made = functools.partial(build, messages=messages)
            return Call(made, self.profile, self._model, known, exchange, request=request, known=then)

        return RequestTemplate(
            build=build,
            call=call,
            connect=areplay_endpoint if now is not None and now.player is not None else self.aendpoint,
            place=place,
            question=lambda messages: (self._model, messages, system_prompt, self.options, self.extra_body),
            hide=self._hide,
            quirks=known,
            is_changed=self._is_changed,
            quick=quick,
        )

    def _is_changed(self, text: str) -> bool:
        """Whether a text holds control tokens of this server, which are split before it is sent."""
        return self.profile.split_special_tokens and holds_special_token(text, self.profile.special_tokens)

    def _hide(self, data: bytes) -> bytes:
        """Remove the key and the values of headers from what was sent or received."""
        key: Key | None = None
        with contextlib.suppress(AuthenticationError):  # no key: reported when one is needed
            key = find_key(self._key, self.profile.key_variables, self.profile.provider)
        return hide_in_bytes(data, key, self._headers, secrets_of_address(self.profile.base_url or ""))

    @property
    def gate_key(self) -> tuple[Any, ...]:
        """The address, the key and the model; a provider's rate limit covers all calls for which they are equal."""
        return self.profile.base_url or self.profile.provider, self._key, self._model

    def _build(self, messages: Messages, *, stream: bool, **asked: Any) -> Callable[..., ChatRequest]:
        return functools.partial(
            build_request,
            messages=messages,
            model=self._model,
            profile=self.profile,
            options=self.options,
            prefill_mode=self.prefill_mode,
            only_wire=self._wire,
            cache_prompt=self._cache_prompt,
            extra_body=self.extra_body,
            stream=stream,
            **asked,
        )

    def arriving(self, messages: Messages, stream: bool, **asked: Any) -> StreamResponse:
        """Return an answer that can be cancelled; nothing is sent before it is read."""
        call, model = self._call(messages, stream, **asked)
        return StreamResponse(call, replay_endpoint if model is None else model.endpoint)

    def _aarriving(self, messages: Messages, stream: bool, **asked: Any) -> AsyncStreamResponse:
        from .async_stream import AsyncStreamResponse  # imports asyncio, which sync callers do not need

        call, model = self._call(messages, stream, **asked)
        return AsyncStreamResponse(call, areplay_endpoint if model is None else model.aendpoint)

    def _call(self, messages: Messages, stream: bool, **asked: Any) -> tuple[Call, ChatCompletion | None]:
        """Return a call and the model whose endpoint it goes to; the model is None for a replay."""
        now = self._active_recording()
        build = self._build(messages, stream=stream, **asked)
        exchange = functools.partial(self._exchange, now=now)
        call = Call(build, self.profile, self._model, quirks_of(self.profile, self._model, now), exchange)
        if now is None or now.player is None:
            return call, self
        other = self._otherwise(now, call.request.wire, call.request.body)
        return (call, None) if other is None else other._call(messages, stream, **asked)

    def _active_recording(self) -> Active | None:
        """Return the player and the recorder in use; None if nothing is recorded or replayed."""
        return active_recording(self.player, live=self._is_live)

    def _otherwise(self, now: Active | None, wire: Wire, body: bytes) -> ChatCompletion | None:
        """Return the model to ask for what is not recorded; None if the recording has it, or no model was given."""
        player = None if now is None else now.player
        if player is None or not isinstance(player.otherwise, ChatCompletion) or player.has(wire, body):
            return None
        other = copy.copy(player.otherwise)
        other._is_live = other.player is None  # unless it is a recording itself
        other._note = f"this is not in {player.path}: {other.name} was asked instead"
        return other

    def _exchange(
        self, request: ChatRequest, *, now: Active | None = None, max_retries: int | None = None, keep: bool = False
    ) -> Exchange:
        retries = self._max_retries if max_retries is None else max_retries
        context = None
        if now is not None:
            context = RecordingContext(now, self.name, settings_of(self.arguments), self._sample, self._hide)
        made = Exchange(
            request,
            self.profile,
            timeout=self._timeout,
            max_retries=retries,
            entry=self._entry(request, context),
            keep=keep,
            recording=context,
        )
        made.notes = () if self._note is None else (self._note,)
        return made

    def _entry(self, request: ChatRequest, context: RecordingContext | None) -> Entry | None:
        """Return the place of a request in the cache; a replay uses no cache."""
        if self._store is None or (context is not None and context.player is not None):
            return None
        from ..storage.answers import StoreEntry

        place = self._numbered_place(request.base_url or base_url_of(self.profile))
        return StoreEntry(self._store, place, request.body, hide=self._hide)

    def _numbered_place(self, base_url: str | None) -> str:
        """Return the address without secrets and the number of the answer, as a part of a kept answer's key."""
        place = without_secrets(base_url or self.profile.provider)
        return f"{place}#sample={self._sample}" if self._sample else place

    def endpoint(self, request: ChatRequest | None = None) -> Endpoint:
        """Return the endpoint of a request, with its key; start the embedded server if it is needed."""
        from .endpoint import endpoint_of

        return endpoint_of(self.profile, self._model, request, self._key, self._headers, self._clients)

    async def aendpoint(self, request: ChatRequest | None = None) -> Endpoint:
        """As :meth:`endpoint`, without blocking the event loop."""
        if self.profile.base_url is None:  # loading a model takes a second or more
            import asyncio

            return await asyncio.to_thread(self.endpoint, request)
        return self.endpoint(request)
