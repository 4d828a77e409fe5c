"""Where a model's requests go and what goes with each: address, headers and the key, which shows itself nowhere."""

from __future__ import annotations

from typing import Any

import msgspec

from ..errors import BadRequestError
from ..protocol.address import without_secrets
from ..protocol.profile import Wire
from ..protocol.wire import WIRES
from .addresses import under
from .keys import HiddenValues, Key, hidden_of, scrub

__all__ = ["Endpoint"]


class Endpoint(msgspec.Struct, frozen=True, kw_only=True):
    """Where requests go and what goes with each.

    Attributes:
        base_url: without a trailing slash; the path of the wire is added.
        wire: how requests and answers look.
        key: the key, or None.
        key_header: the header that the key belongs into; in ``Authorization`` it is a bearer token.
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
        """Where an answer is asked for."""
        return under(self.base_url, WIRES[self.wire].path)

    @property
    def has_key(self) -> bool:
        """Whether there is a key."""
        return self.key is not None

    def scrub(self, text: str) -> str:
        """Return ``text`` without this endpoint's key and further headers, and anything that looks like a key."""
        hidden = [self.headers, hidden_of(self.base_url)]
        return scrub(text, hidden if self.key is None else [self.key, *hidden])

    def __repr__(self) -> str:
        return without_secrets(super().__repr__())

    def revealed(self) -> str:
        """Return the value of the key's header, for that header only; empty without a key."""
        bearer = "Bearer " if self.key_header == "Authorization" else ""
        return "" if self.key is None else bearer + self.key.reveal()

    def all_headers(self, stream: bool) -> HiddenValues:
        """Return what is sent with each request, without the key; further headers win, however they are spelt.

        Raises:
            BadRequestError: a further header cannot be sent; the message does not show its value.
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


def _fits(name: object, value: object) -> bool:
    if not isinstance(name, str) or not isinstance(value, str) or not name.isascii():
        return False
    return name.replace("-", "").replace("_", "").isalnum() and all(" " <= one <= "~" or one == "\t" for one in value)
