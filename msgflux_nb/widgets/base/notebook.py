"""The notebook of a widget: its user's variables, and the id of its kernel."""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from typing import Any

__all__ = ["kernel_id", "notebook_namespace"]

_CONNECTION = re.compile(r"kernel-([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})\.json")


def notebook_namespace() -> Mapping[str, Any]:
    """Return the variables that the user of this kernel, or of this script, has defined."""
    from IPython import get_ipython

    shell = get_ipython()
    return vars(sys.modules["__main__"]) if shell is None else shell.user_ns


def kernel_id() -> str:
    """Return the id by which Jupyter's server knows this kernel; empty outside of a kernel, or if it is unknown."""
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    application = getattr(getattr(shell, "kernel", None), "parent", None)
    found = _CONNECTION.fullmatch(re.split(r"[\\/]", str(getattr(application, "connection_file", "")))[-1])
    return "" if found is None else found[1]
