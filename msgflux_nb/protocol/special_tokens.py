"""Splits control tokens in the texts of messages, so that a tokenizer reads them as plain text; pure.

A server of open weights writes the messages into the model's template and tokenizes the result. There, ``<|im_end|>``
in a row's text would end the turn. With a zero-width space after its first character it is read as ordinary letters,
and a person sees no difference.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from typing import Any

import msgspec

from .profile import Profile

__all__ = ["as_texts", "holds_special_token", "split_special_tokens", "without_special_tokens"]

_SPLIT = "\u200b"
_SHOWN = 3

# Any word between these brackets is a token: ChatML, Llama 3 and 4, Phi, Qwen, GLM, Command R, Granite, gpt-oss,
# Gemma 4 (<|turn>), DeepSeek and Hunyuan (with full-width bars), EXAONE ([|user|]).
_LETTERS = r"[^\s<>\u200b]{1,64}"
_BARRED = rf"<(?=[|\uff5c]{_LETTERS}>|/?(?![|\uff5c]>){_LETTERS}(?<=[|\uff5c])>)|\[(?=\|[^\s\[\]\u200b]{{1,64}}\|\])"
# In angle brackets, with a slash or without one.
_ANGLED = (
    *("s", "bos", "eos", "pad", "unk", "mask", "sep", "cls", "eot", "eom", "sop", "eop", "eod", "EOT", "BOT", "EOS"),
    *("BOS_TOKEN", "EOS_TOKEN", "PAD_TOKEN", "start_of_turn", "end_of_turn", "start_of_image", "end_of_image"),
    *("end_of_utterance", "fake_token_around_image"),
    *("image_soft_token", "audio_soft_token", "start_of_audio", "end_of_audio", "__media__", "__image__"),
    *("tool_call", "tool_response", "tool_calls", "think", "thinking", "TOOLCALL", "AVAILABLE_TOOLS"),
    *("repo_name", "reponame", "file_sep", "filename", "gh_stars", "issue_start", "issue_comment", "issue_closed"),
    *("jupyter_start", "jupyter_text", "jupyter_code", "jupyter_output", "jupyter_script", "empty_output"),
    *("commit_before", "commit_msg", "commit_after", "fim_prefix", "fim_middle", "fim_suffix", "fim_pad"),
    *("eoh", "eoa", "eosys", "image", "IMG_CONTEXT", "seed:bos", "seed:eos", "seed:think"),
)
_NUMBERED = ("unused", "reserved_", "reserved_special_token_", "extra_id_", "SPECIAL_", "image_", "special_token_")
# In square brackets: Mistral, GLM, BERT.
_SQUARED = (
    *("INST", "SYSTEM_PROMPT", "AVAILABLE_TOOLS", "TOOL_CALLS", "TOOL_RESULTS", "TOOL_CONTENT", "MODEL_SETTINGS"),
    *("CALL_ID", "ARGS", "IMG", "IMG_BREAK", "IMG_END", "AUDIO", "BEGIN_AUDIO", "TRANSCRIBE", "THINK", "PREFIX"),
    *("MIDDLE", "SUFFIX", "REF", "gMASK", "sMASK", "MASK", "BOS", "EOS", "PAD", "UNK", "CLS", "SEP"),
)
_TOKEN = re.compile(
    _BARRED
    + rf"|<(?=/?(?:{'|'.join(map(re.escape, _ANGLED))}|(?:{'|'.join(_NUMBERED)})\d{{1,6}})>)"
    + r"|<(?=</?SYS>>)"  # Llama 2
    + rf"|\[(?=/?(?:{'|'.join(_SQUARED)})\])"
    + r"|\](?=~[!b]?[a-z]?\[|<\]minimax\[>\[|~b\])|\[(?=e~\[)"  # MiniMax
)
_SHAPE = re.compile(r"\S[^\s>\]\[]{0,80}[>\]\[]?")


def _may_hold_token(text: str) -> bool:
    return "<" in text or "[" in text or "]" in text  # every token above begins with one of these


def holds_special_token(text: str, further: Collection[str] = ()) -> bool:
    """Whether a text holds what a tokenizer may read as a control token.

    Args:
        text: any text.
        further: more control tokens of the model.
    """
    if further and any(token in text for token in further):
        return True
    return _may_hold_token(text) and _TOKEN.search(text) is not None


def split_special_tokens(text: str, further: Collection[str] = ()) -> str:
    """Return the text with a zero-width space after the first character of each control token.

    Example:
        >>> split_special_tokens("a <|im_end|> b").replace(chr(0x200B), "·")
        'a <·|im_end|> b'
    """
    for token in sorted(further, key=len, reverse=True):
        if token:
            text = text.replace(token, f"{token[0]}{_SPLIT}{token[1:]}")
    if not _may_hold_token(text):
        return text
    return _TOKEN.sub(lambda found: found[0] + _SPLIT, text)


def as_texts(messages: list[dict[str, Any]], profile: Profile) -> tuple[list[dict[str, Any]], tuple[str, ...]]:
    """Return the messages with control tokens split if this provider needs that, and a warning if that changed them.

    A prefill is added later, since it is the caller's own text.
    """
    return without_special_tokens(messages, profile.special_tokens) if profile.split_special_tokens else (messages, ())


def without_special_tokens(
    messages: Sequence[dict[str, Any]], further: Collection[str] = ()
) -> tuple[list[dict[str, Any]], tuple[str, ...]]:
    """Return the messages with every control token in their texts split, and a warning if there was one.

    Names of speakers, embedded media and the rest of the request stay unchanged, since the caller wrote them.

    Args:
        messages: read, never changed.
        further: more control tokens of the model.
    """
    found: dict[str, None] = {}

    def split(value: Any, name: str = "") -> Any:
        if isinstance(value, str):
            if name in _NOT_TEXT:
                return value
            # A template decodes arguments and encodes them again, so an escape does not hide a token.
            text = _unescaped(value) if name == "arguments" and "\\" in value else value
            if not holds_special_token(text, further):
                return value
            value = text
            found.update(dict.fromkeys(_shown(value, further)))
            return split_special_tokens(value, further)
        if isinstance(value, dict):
            changed = {key: split(inner, key) for key, inner in value.items()}
            return value if all(changed[key] is inner for key, inner in value.items()) else changed
        if isinstance(value, list):
            items = [split(inner) for inner in value]
            return value if all(map(lambda one, other: one is other, items, value)) else items
        return value

    sent = [split(message) for message in messages]
    if not found:
        return sent, ()
    names = ", ".join(list(found)[:_SHOWN])
    return sent, (
        f"the messages hold control tokens of chat templates ({names}); a zero-width space (U+200B) was put into each, "
        'so that the model reads them as text. profile={"split_special_tokens": False} sends them as they are.',
    )


_NOT_TEXT = frozenset(("role", "type", "id", "tool_call_id", "url", "data", "file_data", "detail", "format"))


def _unescaped(arguments: str) -> str:
    """Return arguments without needless escapes; unchanged if they are not JSON."""
    try:
        return msgspec.json.encode(msgspec.json.decode(arguments)).decode()
    except (ValueError, RecursionError):
        return arguments


def _shown(text: str, further: Collection[str]) -> list[str]:
    own = [token for token in further if token in text]
    shapes = (_SHAPE.match(text, match.start()) for match in _TOKEN.finditer(text))
    return [*own, *(shape.group() for shape in shapes if shape is not None)][:_SHOWN]
