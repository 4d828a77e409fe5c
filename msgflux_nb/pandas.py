"""``import msgflux_nb.pandas`` gives DataFrames and Series their ``mf``, whenever pandas was imported.

It also lets a batch in a notebook show itself as a widget.
"""

from __future__ import annotations

import importlib.util
import sys
from typing import Any

from .tables.accessor import FrameAccessor, SeriesAccessor
from .tables.progress import show_in_notebooks

__all__ = ["FrameAccessor", "SeriesAccessor"]


def _view_of(run: Any) -> Any:
    """Return a view of a batch where a kernel runs that can show one, else None; elsewhere no widget is loaded."""
    kernel = sys.modules.get("ipykernel.kernelapp")
    if kernel is None or not kernel.IPKernelApp.initialized() or importlib.util.find_spec("anywidget") is None:
        return None
    if run.task == "grid":
        from .widgets.grid.grid_view import shown_in_notebook as shown_grid

        return shown_grid(run)
    from .widgets.extraction.extraction_view import shown_in_notebook

    return shown_in_notebook(run)


show_in_notebooks(_view_of)
