"""The base class of widgets: assets, messages from the page, errors shown in the view, the static twin."""

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
    """Return the JavaScript of a widget's page as one module: its module in ``widgets`` and all imports."""
    joined = join(WIDGETS / f"{stem}.js")
    return f"{joined.text}export default {joined.entry}.default;\n"


@functools.cache
def page_style(stem: str) -> str:
    """Return the style sheet of a page: the design system's, then those next to its modules."""
    sheets = [path.with_suffix(".css") for path in modules(WIDGETS / f"{stem}.js")]
    sheets = [WIDGETS / "base" / "tokens.css", WIDGETS / "base" / "parts.css", *sheets]
    return "\n".join(path.read_text(encoding="utf-8") for path in sheets if path.exists())


class View(anywidget.AnyWidget):
    """A widget whose page is ``<stem>.js`` and ``<stem>.css`` in ``widgets``, with their imports.

    A subclass handles a message ``{"type": "run", ...}`` of the page in ``_on_run(message, buffers)``, whose first
    parameter is annotated with a :class:`PageMessage`; and it draws its last state in ``_drawn``. It is displayed as
    two outputs: the live view, and below it the twin. The live view's style sheet hides the twin while the view is
    there; a saved notebook keeps the twin.

    A widget that is a part of another is a trait ``anywidget.WidgetTrait().tag(sync=True)`` of it. The outer page gets
    it by ``host.getWidget(model.get(name))`` and draws it. It is then not displayed itself and has no twin.
    """

    stem: ClassVar[str]

    kept = t.Int(0).tag(sync=True)
    """The number of the last twin; a page that finds an older one in the notebook shows a note."""

    look: t.Dict[str, float] = t.Dict().tag(sync=True)
    """The scale and the density of the view, from ``mf.display``."""

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
        """Return the last state as escaped HTML and as plain text; both depend only on the content."""
        raise NotImplementedError  # abstract; abc's metaclass conflicts with that of traitlets

    def show_error(self, error: BaseException) -> None:
        """Show an error in the view: an error in a callback would otherwise only go to a log."""
        self.send({"type": "problem", "name": type(error).__name__, "message": str(error)})

    def _aside(self, work: Callable[[], None], name: str) -> None:
        """Run work that may wait on a thread; show its error in the view."""

        def guarded() -> None:
            try:
                work()
            except Exception as error:
                self.show_error(error)

        start_thread(guarded, name)

    def _set_unsent(self, **state: Any) -> None:
        """Set traits without sending them, because open pages have them; a page that is loaded later gets all traits.

        A different value that an observer or another thread sets meanwhile is sent.
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
        """Take traits from the page, without API keys typed into a field; refuse traits that are too large."""
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
        """Make the page forget an API key: send the kept text, with a note."""
        self.send_state(list(names))
        self.send({"type": "problem", "name": "KeyRemoved", "message": KEY_REMOVED})

    @classmethod
    def _own_names(cls) -> list[str]:
        return sorted(cls.class_traits(sync=True).keys() - anywidget.AnyWidget.class_traits(sync=True).keys())

    def _twin(self) -> dict[str, str]:
        drawn, text = self._drawn()
        return {"text/html": boxed(drawn, self.kept), "text/plain": shown_text(text)}

    def _update_twin(self) -> None:
        """Update the twin wherever the widget was displayed; from any thread."""
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
        # An untrusted notebook shows each output's HTML: empty here, since the twin is below.
        publish_display_data({**data, "text/html": "<span></span>", "text/plain": repr(self)}, metadata)
        self._displayed = True
        self._publish(self._twin())

    def _repr_mimebundle_(self, **_options: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        """Return a single output with everything, for a console, marimo or a container of widgets."""
        data, metadata = self._live()
        return {_WIDGET_TYPE: data[_WIDGET_TYPE], **self._twin()}, metadata
