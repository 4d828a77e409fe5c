"""A view of one run: live while it runs, then replaced by its twin, which needs no kernel."""

from __future__ import annotations

from typing import Any

from .view import View

__all__ = ["OneRun"]


class OneRun(View):
    """A widget whose live output is replaced by its twin once nothing more can come or be decided."""

    _retired = False

    def _retire(self) -> None:
        """Replace the live view by the twin below it; from any thread."""
        if self._displayed and not self._retired:
            self._retired = True
            self._publish_live(update=True)

    def _revive(self) -> None:
        """Bring the live view back, because the run continues."""
        if self._retired:
            self._retired = False
            self._publish_live(update=True)

    def _publish_live(self, *, update: bool) -> None:
        from IPython.display import publish_display_data

        data: dict[str, Any] = {"text/html": "", "text/plain": repr(self)}
        metadata: dict[str, Any] = {}
        if not self._retired:
            live, metadata = self._live()
            data = {**live, "text/html": "<span></span>", "text/plain": repr(self)}
        place = {"display_id": f"msgflux-live-{self.model_id}"}
        publish_display_data(data, metadata, transient=place, update=update)

    def _ipython_display_(self) -> None:
        self._publish_live(update=False)
        self._displayed = True
        self._publish(self._twin())
