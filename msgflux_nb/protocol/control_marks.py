"""Removes control tokens of a chat template that a server left in an answer's text.

Some servers end an answer with ``<|im_end|>`` or ``</s>``, or put part of it between ``<|begin_of_box|>`` and
``<|end_of_box|>``. Marks are removed only where a template puts them: at the end of the text, before it, or as such a
pair. A text that mentions marks keeps them: in code, in quotes, in the middle of a sentence, in JSON, and everywhere
after it has named one.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from .pieces import TextPieces

__all__ = ["HEADS", "MarkFilter", "may_end_in_mark", "taken_out"]

_PAIRS = {
    "<|start_response|>": "<|end_response|>",  # Cohere
    "<|begin_of_solution|>": "<|end_of_solution|>",
    "<|begin_of_box|>": "<|end_of_box|>",  # GLM
}
HEADS = (
    *("<|start|>assistant", "<|channel|>final<|message|>", "<|start_response|>", "<|begin_of_solution|>"),
    *("<|im_start|>assistant", "<|start_header_id|>assistant<|end_header_id|>", "<start_of_turn>model"),
    *("<|start_of_role|>assistant<|end_of_role|>", "<|assistant|>", "<\uff5cassistant\uff5c>", "<|turn>model"),
    *("<|begin_of_text|>", "<|startoftext|>", "<bos>", "<\uff5cbegin\u2581of\u2581sentence\uff5c>", "[|assistant|]"),
    *("<|start_of_turn_token|>", "<|chatbot_token|>"),
)
"""The marks that a template puts before an answer, in lower case."""
_BOX = "<|begin_of_box|>"
_NAME = r"(?![^\s<>]*(?:tool|call|func|think|thought))[^\s<>|\uff5c]{0,32}?"
_END = re.compile(
    rf"<[|\uff5c]/?{_NAME}(?<![a-z])(?:end|eo[stmd]|return|stop|user|observation|im_start)"
    r"[^\s<>|\uff5c]{0,32}[|\uff5c]?>"
    r"|<(?:end_of_(?:turn|utterance|text|sentence)|eos|eot|eom|eoa|eod|endoftext|turn\|)>|</s>|<//s>"
    r"|\[\|?(?:endofturn|eos|eot)\|?\]|\[e~\[",
    re.I,
)
_MARK_AND_SPACE = re.compile(rf"(?:{_END.pattern})\s*", re.I)
_OPENING = re.compile(re.escape(_BOX), re.I)
_STARTS = (r"<[|\uff5c/]?[^\s<>]{0,80}", r"\[(?:\|[^\s\[\]]{0,20}|e~?)?")
_UNFINISHED = re.compile("|".join(_STARTS), re.I)
_CANDIDATE = re.compile("|".join((_OPENING.pattern, _END.pattern, *(rf"{start}\Z" for start in _STARTS))), re.I)
_MOST_HELD = 2_000  # characters
_LONGEST = 4_000_000  # characters at once; a longer text stays as it is
_MOST_LOOKED_AT = 64  # marks; a text with more of them is about marks
_ENDS_SENTENCE = tuple(".!?…。！？)]}\"'”’*`|>")  # full-width signs of Chinese and Japanese
_SPEAKS = (" ", "\t", ",", ".", ";", ":", "!", "?", ")", "`", "…", "'")
_SHOWN = 4


class MarkFilter:
    """Removes control marks from text that arrives in pieces.

    Args:
        said: the text so far, to which the caller adds everything that is returned.
        never: whether marks are part of the answer's text, so that none is removed.

    Attributes:
        taken: the removed marks.
        holds: whether text is held back, since it may be a mark.
    """

    def __init__(self, said: TextPieces, *, prefill: str = "", never: bool = False) -> None:
        self._said, self._prefill, self._off = said, prefill, never
        self.taken: list[str] = []
        self.holds = False
        self._held = ""
        self._awaited: set[str] = set()  # closing marks whose opening mark was removed
        self._looked_at = 0
        self._json: bool | None = None  # whether the text is JSON, whose strings may hold marks; None if unknown
        self._only_marks = False  # whether a text of marks only is an empty answer

    def open(self, marks: Iterable[str]) -> None:
        """Note marks before the text that were removed."""
        for mark in marks:
            self.taken.append(mark)
            self._only_marks = True
            if mark.lower() in _PAIRS:
                self._awaited.add(_PAIRS[mark.lower()])

    def after_reasoning(self) -> None:
        """Note that reasoning came before the text, so that a text of marks only is an empty answer."""
        self._only_marks = True

    def feed(self, text: str) -> str:
        """Read some text, and return the part that is certain."""
        if self._off or (not self._held and "<" not in text and "[" not in text):
            return text
        return self._look(self._held + text, ended=False)

    def close(self, text: str = "") -> str:
        """Read the last text, and return it with the text held back, without marks."""
        text = self._held + text
        return self._look(text, ended=True) if text and not self._off else text

    def _look(self, text: str, *, ended: bool) -> str:
        out: list[str] = []
        at = 0
        self._held, self.holds = "", False
        if len(text) > _LONGEST:
            return text
        while (start := _CANDIDATE.search(text, at)) is not None and not self._off:
            place = start.start()
            out.append(text[at:place])
            end = self._end(text, place, out, ended)
            if end is None:
                self._held, self.holds = text[place:], True
                return "".join(out)
            at = end
        out.append(text[at:])
        return "".join(out)

    def _end(self, text: str, place: int, out: list[str], ended: bool) -> int | None:
        """Read the mark or character at a place, and return the next place; None to wait for more text."""
        if self._json is None:
            self._json = self._before([*out, text[place:]]).lstrip()[:1] in ("{", "[")
        found = _OPENING.match(text, place) or _END.match(text, place)
        if found is None:
            unfinished = _UNFINISHED.match(text, place)
            if not ended and unfinished is not None and unfinished.end() == len(text):
                return None
            out.append(text[place])
            return place + 1
        mark, after = found[0], text[found.end() : found.end() + 1]
        if mark.lower() == _BOX or mark.lower() in self._awaited:
            if not after and not ended:
                return None
            if self._is_pair(mark, after, out):
                return found.end()
        elif not ended and self._may_end(text, place):
            return None
        elif ended and self._ends(text, place) == len(text) and not self._speaks_of_it(mark, out):
            self.taken += _END.findall(text, place)
            return len(text)
        if not self._json:
            self._name()
        out.append(mark)
        return found.end()

    def _name(self) -> None:
        """Note that the text mentions a mark."""
        self._looked_at += 1
        if self._looked_at >= _MOST_LOOKED_AT:
            self._off = True

    def _is_pair(self, mark: str, after: str, out: list[str]) -> bool:
        name = mark.lower()
        if self._looked_at or self._json or len(self.taken) >= _MOST_LOOKED_AT or _in_code(before := self._before(out)):
            return False
        if name == _BOX:
            if after in _SPEAKS or not after or (after == '"' == before[-1:]):
                return False
            self._awaited.add(_PAIRS[name])
        else:
            self._awaited.discard(name)
        self.taken.append(mark)
        return True

    def _speaks_of_it(self, mark: str, out: list[str]) -> bool:
        """Whether the text mentions the marks at its end, so that they stay."""
        before = self._before(out)
        if self._json:
            return not before.rstrip().endswith(("}", "]"))
        if self._looked_at or (mark.lower() == "</s>" and "<s>" in before.lower()) or _in_code(before):
            return True
        words = before.rstrip()
        if not words:
            return not self._only_marks
        in_a_line = before[-1:] in (" ", "\t") and not words.endswith(_ENDS_SENTENCE)
        return in_a_line or words.endswith((":", ","))

    def _before(self, out: list[str]) -> str:
        return self._prefill + str(self._said) + "".join(out)

    @staticmethod
    def _ends(text: str, place: int) -> int:
        """Return where a run of marks and white space ends, up to a limit."""
        end = place
        while end - place < _MOST_HELD and (found := _MARK_AND_SPACE.match(text, end)) is not None:
            end = found.end()
        return end

    def _may_end(self, text: str, place: int) -> bool:
        """Whether a run of marks may end the answer: nothing follows it, or only the beginning of another mark."""
        unfinished = _UNFINISHED.match(text, self._ends(text, place))
        end = self._ends(text, place) if unfinished is None else unfinished.end()
        return end == len(text) and len(text) - place < _MOST_HELD


def _in_code(before: str) -> bool:
    line = before[before.rfind("\n") + 1 :]
    return before.count("```") % 2 == 1 or line.replace("```", "").count("`") % 2 == 1


def may_end_in_mark(text: str) -> bool:
    """Whether a complete text may end with a mark; a quick check, since few do."""
    end = text[-100:].rstrip()
    return end[-1:] in (">", "]", "[") and _END.search(end) is not None


def taken_out(marks: list[str]) -> str:
    """Return the warning that names the removed marks."""
    names = list(dict.fromkeys(marks))
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return (
        f"control marks of the model's chat template stood in the answer ({', '.join(names[:_SHOWN])}{more}) and were "
        'taken out; the server should not send them. profile={"reasoning_in_content": "never"} keeps them.'
    )
