"""What all widgets share: assets, messages from the page, errors shown where they happen, the static twin."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, ClassVar

import anywidget
import traitlets as t

from ...display.html import boxed
from ...display.words import shown_text
from .join import WIDGETS, join, modules
from .message_size import MessageTooLargeError, check_size
from .messages import decoded
from .run import start_thread
from .scale import current, dress
from .typed_keys import KEY_REMOVED, without_keys

__all__ = ["View", "page_code", "page_style"]

_WIDGET_TYPE = "application/vnd.jupyter.widget-view+json"


@functools.cache
def page_code(stem: str) -> str:
    """Return the JavaScript of a widget's page: its module in ``widgets`` and all that this imports, as one module."""
    joined = join(WIDGETS / f"{stem}.js")
    return f"{joined.text}export default {joined.entry}.default;\n"


@functools.cache
def page_style(stem: str) -> str:
    """Return the style sheet of a page: tokens and parts of the design system, then those next to its modules."""
    sheets = [path.with_suffix(".css") for path in modules(WIDGETS / f"{stem}.js")]
    sheets = [WIDGETS / "base" / "tokens.css", WIDGETS / "base" / "parts.css", *sheets]
    return "\n".join(path.read_text(encoding="utf-8") for path in sheets if path.exists())


class View(anywidget.AnyWidget):
    """A widget whose page is ``<stem>.js`` and ``<stem>.css`` in ``widgets``, with what these import.

    A subclass handles a message ``{"type": "run", ...}`` of the page in ``_on_run(message, buffers)``, whose first
    parameter says its type, a :class:`PageMessage`; and it draws its last state in ``_drawn``. It is displayed as two
    outputs: the live view, and below it the twin, which the live view hides by its style sheet as long as it is there.
    A saved notebook keeps the twin.

    A view that others are composed of is a trait ``anywidget.WidgetTrait().tag(sync=True)`` of theirs: their page gets
    it by ``host.getWidget(model.get(name))`` and draws it in a place of its own. It is not displayed for itself then,
    and writes no twin.
    """

    stem: ClassVar[str]

    kept = t.Int(0).tag(sync=True)
    """Counts the twins; a page that finds an older one in the notebook says so."""

    look: t.Dict[str, float] = t.Dict().tag(sync=True)
    """How large and how dense it is drawn: what ``mf.display`` says."""

    def __init__(self, **state: Any) -> None:
        self._displayed = False
        self._unsent: dict[str, Any] = {}
        super().__init__(**{"look": current(), **state})
        dress(self)
        self.on_msg(self._receive)

    @property
    def _esm(self) -> str:
        return page_code(self.stem)

    @property
    def _css(self) -> str:
        return page_style(self.stem)

    def _drawn(self) -> tuple[str, str]:
        """Return the last state as HTML, escaped, and as plain text that is the same for the same content."""
        raise NotImplementedError  # abstract: the metaclass of traitlets leaves no room for abc's

    def show_error(self, error: BaseException) -> None:
        """Show an error on the widget: what a callback raises would otherwise go to a log that nobody reads."""
        self.send({"type": "problem", "name": type(error).__name__, "message": str(error)})

    def _aside(self, work: Callable[[], None], name: str) -> None:
        """Do on a thread what may wait for a file or a run; an error is shown."""

        def guarded() -> None:
            try:
                work()
            except Exception as error:
                self.show_error(error)

        start_thread(guarded, name)

    def _set_unsent(self, **state: Any) -> None:
        """Set traits that the open pages know already; a page that is loaded later is told them with all others.

        Another value, which an observer or another thread sets meanwhile, is sent.
        """
        for name, value in state.items():
            self._unsent[name] = value
            try:
                setattr(self, name, value)
            finally:
                self._unsent.pop(name, None)

    def _should_send_property(self, key: str, value: Any) -> bool:
        known: bool = self._unsent.get(key, t.Undefined) == value
        return not known and bool(super()._should_send_property(key, value))

    def set_state(self, sync_data: dict[str, Any]) -> None:
        """Take traits from the page, without the keys that somebody typed into a field; none that are too large."""
        try:
            check_size(sync_data)
        except MessageTooLargeError as error:
            self.send_state(list(self._own_names()))
            self.show_error(error)
            return
        clean = without_keys(sync_data)
        super().set_state(clean)
        if clean is not sync_data:
            self._tell_key(*sync_data)

    def _receive(self, _widget: Any, content: dict[str, Any], buffers: list[memoryview]) -> None:
        clean = content
        try:
            check_size(content)
            clean = without_keys(content)
            handler, message = decoded(self, clean)
            handler(message, buffers)
        except Exception as error:
            self.show_error(error)
        if clean is not content:
            self._tell_key(*type(self)._own_names())

    def _tell_key(self, *names: str) -> None:
        """Let the page forget a key too: show what is kept instead of it, and say so."""
        self.send_state(list(names))
        self.send({"type": "problem", "name": "KeyRemoved", "message": KEY_REMOVED})

    @classmethod
    def _own_names(cls) -> list[str]:
        return sorted(cls.class_traits(sync=True).keys() - anywidget.AnyWidget.class_traits(sync=True).keys())

    def _twin(self) -> dict[str, str]:
        drawn, text = self._drawn()
        return {"text/html": boxed(drawn, self.kept), "text/plain": shown_text(text)}

    def _update_twin(self) -> None:
        """Bring the twin up to date in every place where the widget was displayed; from any thread."""
        if self._displayed:
            self.kept += 1
            self._publish(self._twin(), update=True)

    def _publish(self, data: dict[str, str], *, update: bool = False) -> None:
        from IPython.display import publish_display_data

        publish_display_data(data, transient={"display_id": f"msgflux-{self.model_id}"}, update=update)

    def _live(self) -> tuple[dict[str, Any], dict[str, Any]]:
        bundle: Any = super()._repr_mimebundle_()  # None only for a widget without a view
        return bundle[0], bundle[1]

    def _ipython_display_(self) -> None:
        from IPython.display import publish_display_data

        data, metadata = self._live()
        # An untrusted notebook shows the HTML of each output: nothing here, the twin below.
        publish_display_data({**data, "text/html": "<span></span>", "text/plain": repr(self)}, metadata)
        self._displayed = True
        self._publish(self._twin())

    def _repr_mimebundle_(self, **_options: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        """One output with everything: for a console, marimo, a container of widgets."""
        data, metadata = self._live()
        return {_WIDGET_TYPE: data[_WIDGET_TYPE], **self._twin()}, metadata
