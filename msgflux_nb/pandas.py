"""``import msgflux_nb.pandas`` registers ``mf`` for DataFrames and Series.

It also makes a batch in a notebook display itself as a widget.
"""

from __future__ import annotations

import importlib.util
import sys
from typing import Any

from .tables.accessor import FrameAccessor, SeriesAccessor
from .tables.progress import show_in_notebooks

__all__ = ["FrameAccessor", "SeriesAccessor"]


def _view_of(run: Any) -> Any:
    """Return a view of a batch in a notebook's kernel, else None without loading widgets."""
    kernel = sys.modules.get("ipykernel.kernelapp")
    if kernel is None or not kernel.IPKernelApp.initialized() or importlib.util.find_spec("anywidget") is None:
        return None
    if run.task == "grid":
        from .widgets.grid.grid_view import shown_in_notebook as shown_grid

        return shown_grid(run)
    from .widgets.extraction.extraction_view import shown_in_notebook

    return shown_in_notebook(run)


show_in_notebooks(_view_of)
