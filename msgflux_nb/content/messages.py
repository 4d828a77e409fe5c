"""``ChatBlock``: messages and content parts, as the plain dicts that go over the wire."""

from __future__ import annotations

import copy
from typing import Any

import msgspec

from ..errors import MediaError, ToolCallError
from . import media as _media
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
        """A message of the user.

        Args:
            text: what is said; with media it becomes the first part, unless it is empty.
            media: parts from the builders below, or plain sources (a path, bytes, a picture, ...) whose kind is told
                from their bytes; a list, or a single one.

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
        """The instructions that come before a conversation."""
        return {"role": "system", "content": _check_text(text, "system")}

    @staticmethod
    def assistant(text: str) -> Message:
        """An answer of the model; as the last message it is one that the model continues."""
        return {"role": "assistant", "content": _check_text(text, "assistant")}

    @staticmethod
    def tool(call_id: str, result: object) -> Message:
        """The result of a tool call.

        Args:
            call_id: ``id`` of the call that it answers.
            result: a ``str`` is sent as it is, anything else as JSON; ``None`` is the JSON text ``null``.

        Raises:
            ToolCallError: the result has no JSON form.
        """
        if not isinstance(call_id, str):
            raise TypeError(f"ChatBlock.tool: call_id is the id of a call, a str, not {type(call_id).__name__}.")
        content = result if isinstance(result, str) else _to_json(result, call_id)
        return {"role": "tool", "tool_call_id": call_id, "content": content}

    @staticmethod
    def text(text: str) -> Part:
        """A part of text, to stand between images."""
        return {"type": "text", "text": _check_text(text, "text")}

    @staticmethod
    def image(src: object, *, detail: str | None = None) -> Part:
        """An image.

        It is sent upright, without metadata, at most 1,568 pixels along its longer edge and 3,750,000 bytes.

        Args:
            src: a path, bytes, an open binary file, a PIL image, a numpy array, a matplotlib figure, a data URL, or an
                https URL, which is passed on and never fetched.
            detail: ``"low"``, ``"high"`` or ``"auto"``: how closely OpenAI's models look; None leaves it out.

        Raises:
            MediaError: it cannot be sent, and the message says why.
        """
        return _media.image_part(src, detail=detail)

    @staticmethod
    def audio(src: object) -> Part:
        """Sound, as WAV or MP3: a path, bytes, an open binary file or a data URL.

        Raises:
            MediaError: it is another format, or larger than 20,000,000 bytes.
        """
        return _media.audio_part(src)

    @staticmethod
    def file(src: object, *, filename: str | None = None) -> Part:
        """A PDF: a path, bytes, an open binary file or a data URL.

        Args:
            src: the file.
            filename: what the model is told; by default the file's own name without its folder, or ``document.pdf``.

        Raises:
            MediaError: it is not a PDF, or is larger than 32,000,000 bytes.
        """
        return _media.file_part(src, filename=filename)

    @staticmethod
    def video(url: str) -> Part:
        """A video on the web; the https URL is passed on, never fetched.

        Raises:
            MediaError: it is not an https URL of a public host.
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
    return copy.deepcopy(item)


def to_json(value: object) -> str:
    """Return a value as JSON; arrays and tables as what they hold.

    Raises:
        TypeError, ValueError, OverflowError, RecursionError: it has no JSON form.
    """
    return msgspec.json.encode(value, enc_hook=_encode_array).decode()


def _to_json(result: object, call_id: str) -> str:
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
