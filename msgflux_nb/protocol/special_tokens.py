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

__all__ = ["as_texts", "described_as_text", "holds_special_token", "split_special_tokens", "without_special_tokens"]

_SPLIT = "\u200b"
_SHOWN = 3

# Any word between these brackets is a token: ChatML, Llama 3 and 4, Phi, Qwen, GLM, Command R, Granite, gpt-oss,
# Gemma 4 (<|turn>), DeepSeek and Hunyuan (with full-width bars), EXAONE ([|user|]). LLM-jp has <EOD|LLM-jp>.
_LETTERS = r"[^\s<>\u200b]{1,64}"
_BARRED = (
    rf"<(?=[|\uff5c]{_LETTERS}>|/?(?![|\uff5c]>){_LETTERS}(?<=[|\uff5c])>|[A-Z]{{2,8}}\|LLM-jp>)"
    r"|\[(?=\|[^\s\[\]\u200b]{1,64}\|\])"
)
# In angle brackets, with a slash or without one.
_ANGLED = (
    *("s", "bos", "eos", "pad", "unk", "mask", "sep", "cls", "eot", "eom", "sop", "eop", "eod", "EOT", "BOT", "EOS"),
    *("BOS", "PAD", "UNK", "MASK", "SEP", "CLS", "EOD", "EOI", "BOI", "AI", "\u7528\u6237", "_user", "_bot", "_system"),
    *("_start", "_end", "role", "instruction", "im_start", "im_end", "im_patch", "im_col", "img", "box", "ref", "quad"),
    *("start_of_turn", "end_of_turn", "start_of_image", "end_of_image", "global-img", "image_placeholder", "escape"),
    *(
        "patch_placeholder",
        "end_of_utterance",
        "fake_token_around_image",
        "eoh",
        "eoa",
        "eosys",
        "image",
        "IMG_CONTEXT",
    ),
    *("image_soft_token", "audio_soft_token", "start_of_audio", "end_of_audio", "__media__", "__image__", "asr_text"),
    *("think", "thinking", "tool_response", "tool_sep", "arg_key", "arg_value", "TOOLCALL", "TOOL_RESPONSE"),
    *("AVAILABLE_TOOLS", "repo_name", "reponame", "file_sep", "filename", "gh_stars", "issue_start", "issue_comment"),
    *("issue_closed", "jupyter_start", "jupyter_text", "jupyter_code", "jupyter_output", "jupyter_script"),
    *("empty_output", "commit_before", "commit_msg", "commit_after", "intermediate_to_code", "PRE", "SUF", "MID"),
    "FILL_ME",
)
_NUMBERED = (
    *(
        "unused",
        "reserved",
        "reserved_",
        "reserved_special_token_",
        "extra_id_",
        "SPECIAL_",
        "image_",
        "special_token_",
    ),
    *("custom_token_", "placeholder_tok_", "mask:", "loc", "loc_", "seg"),
)
# A beginning that no other text has, and what may follow it.
_SHAPED = (
    *(
        r"[A-Z]{3,4}_TOKEN",
        r"tool_calls?(?:_begin|_end)?",
        r"fim[_-](?:prefix|middle|suffix|pad)",
        r"seed:[a-z_]{2,40}",
    ),
    *(r"(?:start|end)_function_(?:call|declaration|response)", r"pr(?:_[a-z_]{2,40})?", r"row_\d+_col_\d+"),
    *(r"AIX-SPAN-[A-Z]{3,6}", r"racm3:[a-z]{2,8}", r"nexa_[a-z0-9]{1,8}"),
)
# In square brackets: Mistral, GLM, Kimi, BERT, InternLM 2, Pangu, Skywork, YandexGPT.
_SQUARED = (
    *("INST", "SYSTEM_PROMPT", "AVAILABLE_TOOLS", "TOOL_CALLS", "TOOL_RESULTS", "TOOL_CONTENT", "MODEL_SETTINGS"),
    *("CALL_ID", "ARGS", "IMG", "IMG_BREAK", "IMG_END", "AUDIO", "BEGIN_AUDIO", "TRANSCRIBE", "THINK", "PREFIX"),
    *("MIDDLE", "SUFFIX", "REF", "gMASK", "sMASK", "MASK", "BOS", "EOS", "PAD", "UNK", "CLS", "SEP", "NL", "USER"),
    *("EOT", "start_header_id", "end_header_id", "BOT", r"UNUSED_TOKEN_\d{1,6}", r"unused\d{1,6}"),
)
_FALCON = "TITLE|ABSTRACT|INTRODUCTION|SUMMARY|COMMENT|ANSWER|QUESTION|DOMAIN|PREFIX|SUFFIX|MIDDLE"
_IN_ANGLES = "|".join((*map(re.escape, _ANGLED), *_SHAPED, rf"(?:{'|'.join(_NUMBERED)})\d{{1,6}}"))
_TOKEN = re.compile(
    _BARRED
    + rf"|<(?=/?(?:{_IN_ANGLES})>)"
    + r"|<(?=</?SYS>>)"  # Llama 2
    + r"|<(?=/?\uff5cDSML\uff5c|\[[^\s\[\]\u200b]{1,64}\]>)"  # DeepSeek 3.2, Seed-X
    + rf"|\[(?=/?(?:{'|'.join(_SQUARED)})\])"
    + rf"|>(?=>(?:{_FALCON})<<)"
    + r"|\](?=~[!b]?[a-z]?\[|<\]minimax\[>\[|~b\])|\[(?=e~\[)"  # MiniMax
)
_SHAPE = re.compile(r">>[A-Z]+<<|<\[[^\s\[\]]+\]>|\S[^\s>\]\[]{0,80}[>\]\[]?")


def _may_hold_token(text: str) -> bool:
    return "<" in text or "[" in text or "]" in text  # every token above holds one of these


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

    Names and ids of calls are split too, since a server sent them and some templates write them. Embedded media and the
    rest of the request stay unchanged, since the caller wrote them.

    Args:
        messages: read, never changed.
        further: more control tokens of the model.
    """
    return _split_all(messages, further, _NOT_TEXT, "messages")


def described_as_text(
    tools: Sequence[dict[str, Any]], profile: Profile
) -> tuple[list[dict[str, Any]], tuple[str, ...]]:
    """Return tools or schemas with control tokens split in descriptions, titles, choices and other values.

    Templates write tools into the prompt, and a choice may come from a column of rows. Names of tools and of properties
    stay unchanged; an answer's choices are read without the space (``generation/choices``).
    """
    if not profile.split_special_tokens:
        return list(tools), ()
    return _split_all(tools, profile.special_tokens, _NOT_DESCRIBED, "tools or the schema")


def _split_all(
    values: Sequence[dict[str, Any]], further: Collection[str], unread: frozenset[str], what: str
) -> tuple[list[dict[str, Any]], tuple[str, ...]]:
    found: dict[str, None] = {}

    def split(value: Any, name: str = "", unread: frozenset[str] = unread) -> Any:
        if isinstance(value, str):
            if name in unread:
                return value
            # A template decodes arguments and encodes them again, so an escape does not hide a token.
            text = _unescaped(value) if name == "arguments" and "\\" in value else value
            if not holds_special_token(text, further):
                return value
            value = text
            found.update(dict.fromkeys(_shown(value, further)))
            return split_special_tokens(value, further)
        if isinstance(value, dict):
            if name in _VALUES:
                unread = frozenset()
            changed = {key: split(inner, key, unread) for key, inner in value.items()}
            return value if all(changed[key] is inner for key, inner in value.items()) else changed
        if isinstance(value, list):
            if name in _NAMES and name in unread:
                return value
            items = [split(inner, name if name in _VALUES else "", unread) for inner in value]
            return value if all(map(lambda one, other: one is other, items, value)) else items
        return value

    sent = [split(value) for value in values]
    if not found:
        return sent, ()
    names = ", ".join(list(found)[:_SHOWN])
    return sent, (
        f"the {what} hold control tokens of chat templates ({names}); a zero-width space (U+200B) was put into each, "
        'so that the model reads them as text. profile={"split_special_tokens": False} sends them as they are.',
    )


_NAMES = frozenset(("required", "propertyOrdering"))  # lists of the names of properties
_NOT_DESCRIBED = _NAMES | {"type", "name", "pattern", "format", "$ref"}
_VALUES = frozenset(("enum", "const", "default", "examples"))  # not keywords of a schema, whatever they are called
_NOT_TEXT = frozenset(("role", "type", "url", "data", "file_data", "detail", "format"))


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
