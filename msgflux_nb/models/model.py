"""``Model``: makes a ``ChatCompletion`` from a model's name and options."""

from __future__ import annotations

import inspect
import os
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any, Never

from ..content.checks import meant
from ..content.keywords import check_options, refuse_unknown
from ..errors import NotFoundError, brief
from ..http.limits import Timeout
from ..local.default import RECOMMENDED, default_weights
from ..local.gguf import control_tokens
from ..protocol.prefill import PrefillMode
from ..protocol.profile import Profile, Wire, for_model, override
from ..protocol.wire import WIRES
from .addresses import tidy
from .chat import ChatCompletion
from .keys import HiddenValues, Key
from .profiles import COMPATIBLE, PROFILES
from .retry import DEFAULT_MAX_RETRIES

if TYPE_CHECKING:
    from ..storage.answers import Store

__all__ = ["Model", "model_of_settings"]


class Model:
    """Makes models to call."""

    @staticmethod
    def chat_completion(
        name: str | None = None,
        /,
        *,
        temperature: float | None = None,
        max_tokens: int | None = None,
        top_p: float | None = None,
        stop: str | list[str] | None = None,
        seed: int | None = None,
        presence_penalty: float | None = None,
        frequency_penalty: float | None = None,
        logprobs: bool | None = None,
        top_logprobs: int | None = None,
        reasoning_effort: str | None = None,
        modalities: list[str] | None = None,
        audio: dict[str, Any] | None = None,
        verbosity: str | None = None,
        parallel_tool_calls: bool | None = None,
        web_search_options: dict[str, Any] | None = None,
        base_url: str | None = None,
        api_key: str | None = None,
        timeout: float | Timeout | None = None,
        max_retries: int = DEFAULT_MAX_RETRIES,
        extra_headers: dict[str, str] | None = None,
        extra_body: dict[str, Any] | None = None,
        profile: dict[str, Any] | None = None,
        prefill_mode: PrefillMode = "auto",
        cache: str | os.PathLike[str] | None = None,
        wire: Wire | None = None,
        cache_prompt: bool = False,
        service_tier: str | None = None,
        http_client: Any = None,
        **unknown: Never,
    ) -> ChatCompletion:
        """Return a model to call. Nothing is loaded or sent before the first call.

        Args:
            name: ``"provider/model"``; with ``base_url``, the model's name as that server knows it. Without any, the
                embedded model: offline and without a key; ``MSGFLUX_LOCAL_MODEL`` may name another one.
                ``"local/path/to.gguf"`` runs your own file.
            temperature: 0 for the likeliest answer, higher for more variety. All options are sent only if given.
            max_tokens: the maximum length of the answer, in tokens.
            top_p: the share of probability to draw from, 0 to 1.
            stop: texts that end the answer.
            seed: for answers that repeat, if the provider offers it.
            presence_penalty: a penalty for tokens that have occurred.
            frequency_penalty: a penalty that grows with each occurrence of a token.
            logprobs: whether each token comes with its probability.
            top_logprobs: how many alternatives to each token come with their probabilities.
            reasoning_effort: how much a reasoning model thinks, in the provider's words.
            modalities: the kinds of answer, such as ``["text", "audio"]``.
            audio: options of the sound, such as ``{"voice": "alloy", "format": "wav"}``.
            verbosity: how long answers are, in the provider's words.
            parallel_tool_calls: whether one turn may hold several tool calls.
            web_search_options: options of models that search the web.
            base_url: the address of an OpenAI-compatible API; usually ends in ``/v1``.
            api_key: the key; by default, the value of the provider's environment variable.
            timeout: seconds, or ``Timeout(...)``; None for the defaults.
            max_retries: how often a request is sent again after a failure that may pass, before the first content.
            extra_headers: sent with each request.
            extra_body: fields to add to each request; they replace fields of the same name.
            profile: changes to what is known of the provider, such as ``{"modalities": ["text", "image"]}``.
            prefill_mode: ``"auto"`` for a real prefill, or an error if the provider has none; ``"emulate"`` to ask for
                the start by an instruction.
            cache: a file or folder in which answers are kept; the same request is then answered from there.
            wire: the API to use, if not the provider's usual one: ``"chat"`` (chat completions), ``"responses"``
                (OpenAI's) or ``"messages"`` (Anthropic's).
            cache_prompt: whether to mark tools, system text and all messages but the last for the provider's cache;
                providers that cache by themselves need no mark.
            service_tier: the tier of speed and price, in the provider's words.
            http_client: your own ``httpx`` client or transport, used unchanged; a tuple of two, sync and async, for
                calls with and without ``await``.
            unknown: any other keyword is refused.

        Raises:
            NotFoundError: the provider is unknown and there is no ``base_url``.
            StoreError: ``cache`` cannot be used.
            TypeError: an option or a profile's field is unknown or of the wrong type.
        """
        given, headers, wrong = _hidden(api_key, extra_headers)
        del api_key, extra_headers  # a verbose traceback prints the variables of every frame
        name = _checked_name(name, wrong, unknown, cache, (prefill_mode, wire))
        options = {
            "temperature": temperature,
            "max_tokens": max_tokens,
            "top_p": top_p,
            "stop": stop,
            "seed": seed,
            "presence_penalty": presence_penalty,
            "frequency_penalty": frequency_penalty,
            "logprobs": logprobs,
            "top_logprobs": top_logprobs,
            "reasoning_effort": reasoning_effort,
            "modalities": modalities,
            "audio": audio,
            "verbosity": verbosity,
            "parallel_tool_calls": parallel_tool_calls,
            "web_search_options": web_search_options,
            "service_tier": service_tier,
        }
        kept: dict[str, Any] = {"extra_body": extra_body, "max_retries": max_retries}
        check_options({**options, **kept, "profile": profile, "base_url": base_url, "cache_prompt": cache_prompt})
        if name.startswith("replay/") and base_url is None:
            return _replayed(name, options, max_retries, Timeout.of(timeout))
        row, model = _row_and_model(name, base_url, profile or {})
        ways: dict[str, Any] = {"name": name, "prefill_mode": prefill_mode, "wire": wire, "cache_prompt": cache_prompt}
        return ChatCompletion(
            **ways,
            **kept,
            model=model,
            profile=row,
            options=_given(options),
            key=given,
            headers=headers,
            timeout=Timeout.of(timeout),
            store=None if cache is None else _store(cache),
            clients=_clients(http_client),
            built=_built(profile or {}, base_url),
        )


def _wrong_secrets(api_key: Any, headers: Any) -> str | None:
    """Return what is wrong with a key or headers, without their values; None if nothing is."""
    if api_key is not None and not isinstance(api_key, str):
        return f"api_key: expected a str or None, got {type(api_key).__name__}"
    if headers is not None and not isinstance(headers, Mapping):
        return f"extra_headers: expected a dict, got {type(headers).__name__}"
    for header, value in (headers or {}).items():
        if not isinstance(header, str) or not isinstance(value, str):
            return f"extra_headers: expected str for each header, got {brief(header, 40)}: a {type(value).__name__}"
    return None


def _hidden(api_key: Any, headers: Any) -> tuple[Key | None, HiddenValues, str | None]:
    """Wrap a key and headers so that tracebacks do not show them; return what is wrong with them too."""
    wrong = _wrong_secrets(api_key, headers)
    if wrong is not None:
        return None, HiddenValues({}), wrong
    return None if api_key is None else Key(api_key), HiddenValues(headers or {}), None


def _checked_name(
    name: Any, wrong: str | None, unknown: dict[str, Any], cache: Any, words: tuple[object, object]
) -> str:
    """Return the model's name, or the embedded model's; raise for arguments that are wrong."""
    names = [one for one in inspect.signature(Model.chat_completion).parameters if one != "name"]
    refuse_unknown("Model.chat_completion", unknown, names)
    if name is None:
        name = f"local/{default_weights()}"
    if not isinstance(name, str):
        raise TypeError(f'name: expected a str such as "openai/gpt-4.1-nano", got {type(name).__name__}')
    if wrong is not None:
        raise TypeError(wrong)
    if cache is not None and not isinstance(cache, str | os.PathLike):
        raise TypeError(f"cache: expected a path or None, got {brief(cache)} ({type(cache).__name__})")
    prefill_mode, wire = words
    if prefill_mode not in ("auto", "emulate"):
        raise TypeError(f'prefill_mode: expected "auto" or "emulate", got {brief(prefill_mode)}')
    if wire not in (None, *WIRES):
        raise TypeError(f"wire: expected one of {', '.join(WIRES)}, or None; got {brief(wire)}")
    return name


def _row_and_model(name: str, base_url: str | None, changes: dict[str, Any]) -> tuple[Profile, str]:
    """Return the provider's row for this model with the user's changes, and the model's name there."""
    provider, slash, model = name.partition("/")
    own = base_url is not None and name.startswith("openai/gpt-oss")  # a model of the Hugging Face hub, not of OpenAI
    if provider == "local" and slash and not base_url:
        _check_local(model)
    if slash and model and provider in PROFILES and not own:
        row = for_model(PROFILES[provider], model)
        if provider == "local" and model.endswith(".gguf"):
            control = control_tokens(Path(model)) | row.special_tokens
            changes = {**changes, "special_tokens": control.union(changes.get("special_tokens", ()))}
    elif base_url:
        row, model = for_model(COMPATIBLE, name), name
    else:
        if provider in PROFILES:
            raise NotFoundError(
                f"{name!r} is a provider without a model. Expected provider/model, such as {provider}/NAME."
            )
        raise NotFoundError(
            f"{name!r} names no provider that is known here.{meant(provider, PROFILES)} Expected provider/model, with "
            f"one of: {', '.join(sorted(PROFILES))}; or the name of a model on your own server, with base_url=."
        )
    if base_url:
        elsewhere = {"base_url": tidy(base_url), "base_url_variable": None, "prefill_base_url": None}
        changes = {**elsewhere, **changes}
    return override(row, changes) if changes else row, model


def _given(options: dict[str, Any]) -> dict[str, Any]:
    return {option: value for option, value in options.items() if value is not None}


def _built(changes: dict[str, Any], base_url: str | None) -> dict[str, Any]:
    """Return the arguments of a model, besides its options, that a recording keeps."""
    plain = {field: value for field, value in changes.items() if "base_url" not in field and "key" not in field}
    return {"profile": plain, "own_server": base_url is not None}


def _replayed(name: str, options: dict[str, Any], max_retries: int, timeout: Timeout) -> ChatCompletion:
    """Return the model of a recording as it was built then, with the options that are given now."""
    from ..storage.recordings.player import Player, speed_of_environment
    from ..storage.recordings.recording import read_recordings, settings_of

    path = _recording_path(name.partition("/")[2])
    player = Player(read_recordings(path), path, speed=speed_of_environment())
    asked, settings = next(iter(settings_of(player.recordings).items()), (f"local/{default_weights()}", {}))
    settings = {**settings, "options": {**settings.get("options", {}), **_given(options)}}
    return model_of_settings(asked, settings, name=name, player=player, max_retries=max_retries, timeout=timeout)


def _recording_path(named: str) -> Path:
    """Return the path of a recording; a bare name that is not a file names one of the package's."""
    path = Path(named)
    if path.name == named and not path.suffix and not path.exists():
        shipped = Path(str(files("msgflux_nb"))) / "course" / "recordings" / f"{named}.jsonl"
        return shipped if shipped.is_file() else path
    return path


def model_of_settings(
    asked: str, settings: dict[str, Any], base_url: str | None = None, **others: Any
) -> ChatCompletion:
    """Return a model as it was built when it was recorded.

    Args:
        asked: the name that it was asked for by.
        settings: the recorded arguments.
        base_url: the address of the user's own server, which is not recorded.
        others: arguments of :class:`ChatCompletion` to change.
    """
    if settings.get("own_server") and base_url is None:
        base_url = "http://replay.invalid/v1"
    row, model = _row_and_model(asked, base_url, settings.get("profile", {}))
    usual: dict[str, Any] = {"name": asked, "timeout": Timeout.of(None), "max_retries": DEFAULT_MAX_RETRIES}
    return ChatCompletion(
        **{**usual, **others},
        model=model,
        profile=row,
        options=settings.get("options", {}),
        key=None,
        headers=HiddenValues(),
        extra_body=settings.get("extra_body"),
        prefill_mode=settings.get("prefill_mode", "auto"),
        wire=settings.get("wire"),
        cache_prompt=settings.get("cache_prompt", False),
        store=None,
        clients=(),
        built=_built(settings.get("profile", {}), base_url),
    )


def _check_local(model: str) -> None:
    """Refuse a misspelt name of an embedded model; a path may be anything."""
    if model == RECOMMENDED or "/" in model or model.endswith(".gguf"):
        return
    from ..local.weights import WEIGHTS

    near = "" if model in WEIGHTS else meant(model, WEIGHTS)
    if near:
        raise NotFoundError(f"no embedded model is named {model!r}.{near} Known models: {', '.join(sorted(WEIGHTS))}.")


def _store(path: str | os.PathLike[str]) -> Store:
    from ..storage.answers import open_store

    return open_store(path)


def _clients(given: Any) -> tuple[Any, ...]:
    clients = given if isinstance(given, tuple) else () if given is None else (given,)
    for client in clients:
        if not any(hasattr(client, name) for name in ("send", "handle_request", "handle_async_request")):
            raise TypeError(
                f"http_client: expected an httpx client or transport, or a tuple of them, got {type(client).__name__}"
            )
    return clients
