"""The notebook that a widget stands in."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

__all__ = ["notebook_namespace"]


def notebook_namespace() -> Mapping[str, Any]:
    """Return the names that the user of this kernel, or of this script, has defined."""
    from IPython import get_ipython

    shell = get_ipython()
    return vars(sys.modules["__main__"]) if shell is None else shell.user_ns
