"""The tokens of an answer with their probabilities for a page, and the start of an answer with another token."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ...display.markdown import encodable
from ...protocol.events import TokenLogprob

__all__ = ["start_at", "token_rows"]


def token_rows(tokens: Sequence[TokenLogprob]) -> list[list[Any]]:
    """Return ``[text, logprob, [[text, logprob], ...]]`` for each token, as natural logarithms, the likeliest first."""
    return [
        [encodable(one.token), round(one.logprob, 4), [[encodable(text), round(chance, 4)] for text, chance in one.top]]
        for one in tokens
    ]


def start_at(prefill: str, tokens: Sequence[TokenLogprob], index: int, token: str) -> str:
    """Return an answer's text up to one of its tokens, with another token in its place.

    Args:
        prefill: the prefill of the answer.
        tokens: the tokens that the model wrote.
        index: the index of the token to replace.
        token: the text of the new token.
    """
    octets = b"".join(
        bytes(one.bytes) if one.bytes is not None else one.token.encode(errors="surrogatepass")
        for one in tokens[:index]
    )
    return prefill + octets.decode(errors="ignore") + token
