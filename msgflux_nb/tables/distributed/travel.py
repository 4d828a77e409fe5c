"""A schema → bytes that another process can read, even if its class was defined in a notebook.

A class in a module that both processes can import is sent by its name. A class of a notebook has no such module.
cloudpickle can send most of these, but a Struct would arrive without fields, so it is described here and defined again
on arrival. Models are sent without their key (:func:`without_key`).
"""

from __future__ import annotations

import functools
import io
import pickle
import types
from typing import Any

import msgspec

from ...errors import SchemaError
from ...models.chat import ChatCompletion
from ...models.keys import HiddenValues
from ...protocol.address import address_secrets
from ...storage.recordings.player import replay

__all__ = ["packed", "unpacked", "without_key"]

_CONFIG = (
    *("frozen", "eq", "order", "array_like", "gc", "repr_omit_defaults", "omit_defaults", "forbid_unknown_fields"),
    *("weakref", "dict", "cache_hash", "tag", "tag_field"),
)
_META = (
    *("gt", "ge", "lt", "le", "multiple_of", "pattern", "min_length", "max_length", "tz", "title", "description"),
    *("examples", "extra_json_schema", "extra"),
)
_KINDS = (types.FunctionType, property, classmethod, staticmethod)


def packed(value: Any) -> bytes:
    """Return a value with schemas in it as bytes.

    Raises:
        SchemaError: a class cannot be described; it has to be in a module that the workers can import.
    """
    written = io.BytesIO()
    try:
        _pickler()(written, protocol=pickle.HIGHEST_PROTOCOL).dump(value)
    except (pickle.PicklingError, TypeError, AttributeError, RecursionError) as error:
        raise SchemaError(
            f"this cannot be sent to Dask's workers: {error}. Put the classes into a module that they can import."
        ) from error
    return written.getvalue()


@functools.lru_cache(maxsize=64)
def unpacked(data: bytes) -> Any:
    """Return the packed value; the same object for equal bytes, so that a process has each class only once."""
    return pickle.loads(data)  # noqa: S301  # Dask's tasks are pickles anyway


def without_key(model: Any) -> Any:
    """Return a model that can be sent to workers; they take its key from their own environment.

    Args:
        model: a ``ChatCompletion``; any other model is returned unchanged.

    Raises:
        ValueError: the model was given something that is not sent: a key, headers, a client, a cache.
    """
    if not isinstance(model, ChatCompletion):
        return model
    variables = " or ".join(model.profile.key_variables)
    instead = (
        f"set {variables} in the environment of the workers"
        if variables
        else ("name the variable of the workers' environment that holds it: profile={'key_variables': ('MY_KEY',)}")
    )
    for name in model.kept_here:
        if name == "api_key":
            raise ValueError(
                f"api_key: a key is not sent to Dask's workers, where others may read it. Leave it out, and {instead}."
            )
        raise ValueError(f"{name}: it is not sent to Dask's workers. Leave it out" + _WHY[name])
    address = model.profile.base_url or ""
    if "@" in address or address_secrets(address):
        raise ValueError(
            f"base_url: a password or key in an address is not sent to Dask's workers. Leave it out, and {instead}."
        )
    arguments = model.arguments
    if model.player is not None:
        arguments["replayed"] = str(model.player.path.absolute()), model.player.speed
    return _Model(arguments)


_WHY = {
    "extra_headers": ", since a key may be among them.",
    "http_client": ", since its connections are this process's.",
    "cache": ", and use store=, which all workers share.",
}


class _Model:
    """The plain arguments of a ``ChatCompletion``."""

    def __init__(self, arguments: dict[str, Any]) -> None:
        self.arguments = arguments

    def __reduce__(self) -> Any:
        return _made, (self.arguments,)


def _made(arguments: dict[str, Any]) -> ChatCompletion:
    own = {name: value for name, value in arguments.items() if name != "replayed"}
    replayed = arguments.get("replayed")
    player = None if replayed is None else replay(replayed[0], speed=replayed[1])
    return ChatCompletion(**own, key=None, headers=HiddenValues(), store=None, clients=(), player=player)


# -- classes defined in notebooks --------------------------------------------------------------------------------------


@functools.cache
def _pickler() -> Any:
    import cloudpickle  # comes with Dask

    class Pickler(cloudpickle.Pickler):  # type: ignore[misc]  # it has no types
        """Pickles Structs by a description, since cloudpickle would lose their fields."""

        def __init__(self, *arguments: Any, **keywords: Any) -> None:
            super().__init__(*arguments, **keywords)
            self._open: list[type] = []

        def reducer_override(self, value: Any) -> Any:
            if isinstance(value, type(msgspec.Struct)) and not _has_a_home(value):
                return self._described(value)
            if isinstance(value, msgspec.Meta):
                return _bounds, ({name: getattr(value, name) for name in _META if getattr(value, name) is not None},)
            return super().reducer_override(value)

        def _described(self, struct: Any) -> Any:
            if struct in self._open:
                raise pickle.PicklingError(f"{struct.__name__} refers to itself")
            if getattr(struct, "__parameters__", ()):
                raise pickle.PicklingError(f"{struct.__name__} is generic")
            self._open.append(struct)
            # Now, not when the arguments are pickled: the nesting of classes is known only here.
            written = io.BytesIO()
            inner = Pickler(written, protocol=pickle.HIGHEST_PROTOCOL)
            inner._open = self._open
            inner.dump(_description(struct))
            self._open.pop()
            return unpacked, (written.getvalue(),)

    return Pickler


def _has_a_home(struct: type) -> bool:
    import sys

    module = sys.modules.get(struct.__module__)
    found: Any = module
    for name in struct.__qualname__.split("."):
        found = getattr(found, name, None)
    return found is struct and struct.__module__ != "__main__" and getattr(module, "__spec__", None) is not None


class _Defined:
    """The arguments that define a Struct."""

    def __init__(self, *arguments: Any) -> None:
        self.arguments = arguments

    def __reduce__(self) -> Any:
        return _defined, self.arguments


def _description(struct: Any) -> _Defined:
    fields = [
        (field.name, field.type, field.default, field.default_factory, field.encode_name)
        for field in msgspec.structs.fields(struct)
    ]
    own = {
        name: value
        for base in reversed(struct.__mro__)
        if issubclass(base, msgspec.Struct) and base is not msgspec.Struct
        for name, value in vars(base).items()
        if isinstance(value, _KINDS) or name == "__doc__"
    }
    config = {
        name: getattr(struct.__struct_config__, name) for name in _CONFIG if hasattr(struct.__struct_config__, name)
    }
    return _Defined(struct.__name__, struct.__module__, fields, own, config)


def _bounds(given: dict[str, Any]) -> msgspec.Meta:
    return msgspec.Meta(**given)


def _defined(name: str, module: str, fields: list[Any], own: dict[str, Any], config: dict[str, Any]) -> Any:
    made, defaults = [], False
    for field, kind, default, factory, wire in fields:
        given = {"default": default} if default is not msgspec.NODEFAULT else {}
        given |= {"default_factory": factory} if factory is not msgspec.NODEFAULT else {}
        made.append((field, kind, msgspec.field(name=wire, **given)))
        defaults = defaults or bool(given)
    struct = msgspec.defstruct(name, made, namespace=own, module=module, kw_only=defaults, **config)
    struct.__qualname__ = name
    return struct
