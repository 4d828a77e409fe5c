"""Values as safe HTML and plain text; knows no widget and no page.

The package has a function of the same name, ``mf.display``. Python puts this module in its place once a module of this
room is imported; so calling the module calls the function.
"""

from __future__ import annotations

import importlib
import sys
import types
from typing import Any


class _Room(types.ModuleType):
    def __call__(self, **settings: Any) -> None:
        """Set how large and how dense views are drawn: ``msgflux_nb.widgets.base.scale.display``."""
        package = self.__name__.rpartition(".")[0]
        importlib.import_module(f"{package}.widgets.base.scale").display(**settings)


sys.modules[__name__].__class__ = _Room
