"""Where a model's requests go and what goes with each: address, headers and the key, which is never shown."""

from __future__ import annotations

from typing import Any

import msgspec

from ..errors import BadRequestError
from ..protocol.address import without_secrets
from ..protocol.profile import Profile, Wire
from ..protocol.request import ChatRequest
from ..protocol.wire import WIRES
from .addresses import base_url_of, under
from .keys import HiddenValues, Key, find_key, hidden_of, hide, scrub

__all__ = ["Endpoint", "endpoint_of"]


class Endpoint(msgspec.Struct, frozen=True, kw_only=True):
    """Where requests go, with the headers and the key of each.

    Attributes:
        base_url: without a trailing slash; the path of the wire is added.
        wire: the wire of requests and answers.
        key: the key, or None.
        key_header: the header that the key belongs in; in ``Authorization`` it is a bearer token.
        headers: further headers.
        clients: httpx clients and transports of the user's, for calls with and without ``await``.
    """

    base_url: str
    wire: Wire = "chat"
    key: Key | None = None
    key_header: str = "Authorization"
    headers: HiddenValues = HiddenValues()
    clients: tuple[Any, ...] = ()

    @property
    def url(self) -> str:
        """The address that requests are sent to."""
        return under(self.base_url, WIRES[self.wire].path)

    @property
    def has_key(self) -> bool:
        """Whether there is a key."""
        return self.key is not None

    def scrub(self, text: str) -> str:
        """Return ``text`` without this endpoint's key and further headers, and anything that looks like a key."""
        return scrub(text, self._secrets())

    def hide(self, text: str) -> str:
        """Return ``text`` without this endpoint's key and further headers."""
        return hide(text, self._secrets())

    def _secrets(self) -> list[Key | HiddenValues]:
        hidden: list[Key | HiddenValues] = [self.headers, hidden_of(self.base_url)]
        return hidden if self.key is None else [self.key, *hidden]

    def __repr__(self) -> str:
        return without_secrets(super().__repr__())

    def revealed(self) -> str:
        """Return the value of the key's header, for that header only; empty without a key."""
        bearer = "Bearer " if self.key_header == "Authorization" else ""
        return "" if self.key is None else bearer + self.key.reveal()

    def all_headers(self, stream: bool) -> HiddenValues:
        """Return the headers of each request, without the key; the caller's replace ours, in upper or lower case.

        Raises:
            BadRequestError: a caller's header cannot be sent; the message does not show its value.
        """
        unfit = [name for name, value in self.headers.items() if not _fits(name, value)]
        if unfit:
            raise BadRequestError(
                f"extra_headers: {', '.join(map(repr, unfit))} cannot be sent. Expected names of letters, digits and "
                "-, and values that are texts in ASCII without line ends."
            )
        ours = {
            "Content-Type": "application/json",
            "Accept": "text/event-stream" if stream else "application/json",
            "Accept-Encoding": "identity",
            "User-Agent": "msgflux-nb",
            **WIRES[self.wire].headers,
        }
        theirs = {name.lower() for name in self.headers}
        return HiddenValues({name: text for name, text in ours.items() if name.lower() not in theirs} | self.headers)


def endpoint_of(
    profile: Profile,
    model: str,
    request: ChatRequest | None,
    key: Key | None,
    headers: HiddenValues,
    clients: tuple[Any, ...],
) -> Endpoint:
    """Return the endpoint of a request; start the embedded server if it is needed.

    Args:
        profile: the provider's row.
        model: the model's name as the provider knows it.
        request: the request; None for a usual one of the model.
        key: the caller's; None for the environment's.
        headers: further headers.
        clients: httpx clients and transports of the user's.

    Raises:
        AuthenticationError: no key was found.
    """
    wire: Wire = "chat" if request is None else request.wire
    base_url = (None if request is None else request.base_url) or base_url_of(profile)
    if base_url is None:
        from ..local.server import ensure_server

        server = ensure_server(model)
        return Endpoint(base_url=server.base_url, wire=wire, key=Key(server.key), headers=headers)
    header = profile.key_header
    if header == "Authorization" and (profile.wire == wire or profile.provider == "openai-compatible"):
        header = WIRES[wire].key_header or header  # a gateway keeps its own header for the key
    return Endpoint(
        base_url=base_url,
        wire=wire,
        key=find_key(key, profile.key_variables, profile.provider),
        key_header=header,
        headers=headers,
        clients=clients,
    )


def _fits(name: object, value: object) -> bool:
    if not isinstance(name, str) or not isinstance(value, str) or not name.isascii():
        return False
    return name.replace("-", "").replace("_", "").isalnum() and all(" " <= one <= "~" or one == "\t" for one in value)
