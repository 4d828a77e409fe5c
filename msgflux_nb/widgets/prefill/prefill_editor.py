"""``PrefillEditor``: the start of the answer, what the provider will do with it, and whether it did."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping
from html import escape
from typing import Any

import msgspec
import traitlets as t

from ...display.html import WORDS, answer_html
from ..base.given_model import model_of
from ..base.view import View
from .forecast import outlook_of, starts
from .verdict import verdict

__all__ = ["PrefillEditor"]


class PrefillEditor(View):
    """The start of the answer, which the model continues.

    While it is written, one line says what the model's provider will do with it: go on from it, repeat it, refuse it,
    or be asked for it in words only. The line is read from the very request that a call would send.

    Args:
        model: a model, or its name; by default the embedded one.
        value: the start to begin with.
        schema: the type that the answer is decoded to; None for text.
        presets: starts to offer before the usual ones: by name, or alone.

    Attributes:
        value: the start; empty for none.
        schema: the type that the answer is decoded to; a start that no such structure has is said to be impossible.
        model: whom the line speaks of.
        beside: further keywords of the call, such as ``{"tool_schemas": [...]}``: some providers then take no prefill.
        outlook: what will happen, as a dict of ``kind``, ``word``, ``text`` and ``space``.
        warning: what happened to it in the answer that was looked at last; empty if nothing speaks against it.

    Example:
        >>> editor = PrefillEditor("local/smollm2-135m", "Let's think step by step.")
        >>> editor.outlook["word"]
        'continues'
    """

    stem = "prefill/prefill_editor"

    value = t.Unicode("").tag(sync=True)
    schema = t.Any(None)
    model = t.Any(None)
    beside: t.Dict[str, Any] = t.Dict()
    warning = t.Unicode("").tag(sync=True)
    # What else the page needs.
    model_name = t.Unicode("").tag(sync=True)
    presets: t.List[Any] = t.List().tag(sync=True)
    outlook: t.Dict[str, Any] = t.Dict().tag(sync=True)

    def __init__(
        self,
        model: Any = None,
        value: str = "",
        *,
        schema: Any = None,
        presets: Mapping[str, str] | Iterable[str] | None = None,
    ) -> None:
        self._given = dict(presets) if isinstance(presets, Mapping) else {text: text for text in presets or ()}
        self._lock = threading.RLock()  # ipykernel 7 handles messages of the page on a thread of their own
        super().__init__(model=model_of(model, "PrefillEditor"), value=value, schema=schema)

    def __repr__(self) -> str:
        return f"PrefillEditor({self.value!r}, {self.outlook['word']})"

    def judge(self, response: Any, start: str | None = None) -> str:
        """Look whether an answer went on from its start, and show a warning if it did not.

        Args:
            response: an answer, as far as it has come; None takes the warning away.
            start: the start that was asked for; by default the one that is there now.

        Returns:
            The warning; empty if nothing speaks against the answer.
        """
        self._look()  # by now it may be known whether this server repeats a start
        self.warning = verdict(response, self.value if start is None else start)
        self._update_twin()
        return self.warning

    @t.validate("model")
    def _check_model(self, proposal: Any) -> Any:
        return model_of(proposal["value"], "PrefillEditor")

    @t.observe("model", "schema", "beside")
    def _look_at_all(self, _change: Any = None) -> None:
        with self._lock:
            self.model_name = self.model.name
            self.presets = starts(self.model, self._given, self.schema, self.beside)
        self._look()

    @t.observe("value")
    def _look(self, change: Any = None) -> None:
        with self._lock:
            found = outlook_of(self.model, self.value, self.schema, self.beside)
            # The page shows an outlook only next to the text that it was found for.
            self.outlook = {**msgspec.to_builtins(found), "value": self.value}
            if change is not None:
                self.warning = ""  # it was about another start
        self._update_twin()

    def _drawn(self) -> tuple[str, str]:
        title, seen = f"start of the answer · {self.model_name}", self.outlook
        more = [line for line in (seen["space"], self.warning) if line]
        notes = [f"<b>{escape(seen['word'])}</b> {escape(seen['text'])}", *map(escape, more)]
        start = f'<pre style="{WORDS}">{answer_html(self.value, "") or "–"}</pre>'
        drawn = f"<small>{escape(title)}</small>{start}"
        drawn += "".join(f"<div><small>{note}</small></div>" for note in notes)
        return drawn, "\n".join([title, self.value or "–", f"{seen['word']}: {seen['text']}", *more])
