"""``ChatBlock``: builds messages and content parts as the plain dicts that are sent."""

from __future__ import annotations

import copy
from typing import Any

import msgspec

from ..errors import MediaError, ToolCallError
from . import media as _media
from .depth import refuse_deep
from .notebook import items_of

__all__ = ["ChatBlock", "Message", "Part", "to_json"]

Message = dict[str, Any]
Part = dict[str, Any]


class ChatBlock:
    """Builders for messages and for the parts of a user's message; each call returns a new plain dict.

    Example:
        >>> ChatBlock.user("What is the capital of Peru?")
        {'role': 'user', 'content': 'What is the capital of Peru?'}
    """

    @staticmethod
    def user(text: str, *, media: object = ()) -> Message:
        """Build a user message.

        Args:
            text: the text; with media it becomes the first part, unless it is empty.
            media: one item or a list of them. An item is a part from the builders below, or a plain source (a path,
                bytes, a picture, ...), whose kind is read from its bytes.

        Raises:
            MediaError: a source cannot be sent; see ``image``, ``audio`` and ``file``.
        """
        _check_text(text, "user")
        parts = [_part(item, index) for index, item in enumerate(items_of(media))]
        if not parts:
            return {"role": "user", "content": text}
        return {"role": "user", "content": [*([ChatBlock.text(text)] if text else []), *parts]}

    @staticmethod
    def system(text: str) -> Message:
        """Build a system message: the instructions at the beginning of a conversation."""
        return {"role": "system", "content": _check_text(text, "system")}

    @staticmethod
    def assistant(text: str) -> Message:
        """Build an assistant message. If it is the last message, the model continues it."""
        return {"role": "assistant", "content": _check_text(text, "assistant")}

    @staticmethod
    def tool(call_id: str, result: object) -> Message:
        """Build the message that returns the result of a tool call.

        Args:
            call_id: the ``id`` of the tool call.
            result: a ``str`` is sent as it is, anything else as JSON; ``None`` becomes ``null``.

        Raises:
            ToolCallError: the result has no JSON form.
        """
        if not isinstance(call_id, str):
            raise TypeError(f"ChatBlock.tool: call_id is the id of a call, a str, not {type(call_id).__name__}.")
        content = result if isinstance(result, str) else _to_json(result, call_id)
        return {"role": "tool", "tool_call_id": call_id, "content": content}

    @staticmethod
    def text(text: str) -> Part:
        """Build a text part, such as one between two images."""
        return {"type": "text", "text": _check_text(text, "text")}

    @staticmethod
    def image(src: object, *, detail: str | None = None) -> Part:
        """Build an image part.

        It is sent upright, without metadata, with at most 1,568 pixels along its longer edge and 3,750,000 bytes.

        Args:
            src: a path, bytes, an open binary file, a PIL image, a numpy array, a matplotlib figure, a data URL, or an
                https URL, which is passed on and never fetched.
            detail: ``"low"``, ``"high"`` or ``"auto"``: how closely OpenAI's models look; None leaves it out.

        Raises:
            MediaError: the source cannot be sent; the message says why.
        """
        return _media.image_part(src, detail=detail)

    @staticmethod
    def audio(src: object) -> Part:
        """Build an audio part from WAV or MP3: a path, bytes, an open binary file or a data URL.

        Raises:
            MediaError: the sound has another format, or is larger than 20,000,000 bytes.
        """
        return _media.audio_part(src)

    @staticmethod
    def file(src: object, *, filename: str | None = None) -> Part:
        """Build a file part from a PDF: a path, bytes, an open binary file or a data URL.

        Args:
            src: the file.
            filename: the name that the model is told; by default the file's own name without its folder, or
                ``document.pdf``.

        Raises:
            MediaError: the file is not a PDF, or is larger than 32,000,000 bytes.
        """
        return _media.file_part(src, filename=filename)

    @staticmethod
    def video(url: str) -> Part:
        """Build a video part from an https URL, which is passed on and never fetched.

        Raises:
            MediaError: the URL is not an https URL of a public host.
        """
        return _media.video_part(url)


def _check_text(text: object, role: str) -> str:
    if not isinstance(text, str):
        raise TypeError(f"ChatBlock.{role}: the text is a str, not {type(text).__name__}. Images go into media=[...].")
    return text


def _part(item: object, index: int) -> Part:
    if not isinstance(item, dict) or set(item) == {"bytes", "path"}:  # a cell of an image column of datasets
        return _media.media_part(item)
    if not isinstance(item.get("type"), str):
        raise MediaError(f"media[{index}] is a dict without a type; build parts with ChatBlock.image, .text, ...")
    refuse_deep(item, f"media[{index}]", MediaError)
    return copy.deepcopy(item)


def to_json(value: object) -> str:
    """Return a value as JSON; arrays and tables are written as their values.

    Raises:
        TypeError, ValueError, OverflowError, RecursionError: the value has no JSON form.
    """
    return msgspec.json.encode(value, enc_hook=_encode_array).decode()


def _to_json(result: object, call_id: str) -> str:
    refuse_deep(result, f"the result of call {call_id!r}", ToolCallError)
    try:
        return to_json(result)
    except (TypeError, ValueError, OverflowError, RecursionError) as error:
        raise ToolCallError(
            f"The result of call {call_id!r} has no JSON form: {error}. Pass a str, number, list, dict or Struct."
        ) from error


def _encode_array(value: Any) -> Any:
    # numpy arrays and scalars, pandas Series and DataFrames: what a tool of a notebook returns.
    if hasattr(value, "tolist"):
        return value.tolist()
    if hasattr(value, "columns") and hasattr(value, "to_dict"):
        return value.to_dict("records")
    raise TypeError(f"a {type(value).__name__} is unknown to JSON")
