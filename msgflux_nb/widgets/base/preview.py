"""What a call would send, built without sending it: so a widget says beforehand what the call itself will say."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...models.chat import learnt
from ...protocol.request import ChatRequest, build_request

__all__ = ["model_of", "planned"]


def model_of(model: Any, asker: str) -> Any:
    """Return a model: the one given, the one of that name, or for None the embedded one.

    Args:
        model: a model, its name, or None.
        asker: who wants it, for the error.

    Raises:
        TypeError: it is neither.
    """
    if model is None or isinstance(model, str):
        from ...models.model import Model

        return Model.chat_completion() if model is None else Model.chat_completion(model)
    if not (callable(model) and hasattr(model, "profile")):
        raise TypeError(
            f"{asker}: expected a model or its name, got {type(model).__name__}. "
            'Model.chat_completion("provider/model") makes one.'
        )
    return model


def planned(
    model: Any, *, prefilling: str = "", schema: Any = None, beside: Mapping[str, Any] | None = None
) -> ChatRequest:
    """Return the request that a streamed call would send first, with all that is known of this server by now.

    Args:
        model: who would be asked.
        prefilling: the start of the answer.
        schema: the type to decode to, or None for text.
        beside: further keywords of the call, such as ``tool_schemas``; its ``prefilling`` counts if no other is
            given.

    Raises:
        PrefillError: the start cannot be continued.
        SchemaError: the type has no JSON form.
        BadRequestError: the further keywords do not fit.
    """
    name = model.name.removeprefix(f"{model.profile.provider}/")
    known = learnt(model.profile, name)
    keywords = {"prefilling": prefilling} if prefilling else {}
    return build_request(
        "…",
        model=name,
        profile=model.profile,
        options=getattr(model, "options", {}),
        prefill_mode=getattr(model, "_prefill_mode", "auto"),
        generation_schema=schema,
        stream=True,
        **known.known._asdict(),
        echo=known.echo.get(True),
        **{**(beside or {}), **keywords},
    )
