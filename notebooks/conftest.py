"""nbval 0.11 ignores ``update_display_data``; here a display is compared in the state that its updates leave it in.

JupyterLab saves that last state, so a strict comparison with the first one would always fail. This can go when nbval
applies updates itself. An update sent by a later cell comes too late: the cell with the display is compared before.
"""

from __future__ import annotations

from typing import Any

from nbformat import from_dict
from nbval.plugin import IPyNbFile

_receive = IPyNbFile.get_kernel_message


def _receive_with_updates(notebook: IPyNbFile, *args: Any, **kwargs: Any) -> dict[str, Any]:
    message: dict[str, Any] = _receive(notebook, *args, **kwargs)
    content = message["content"]
    display_id = content.get("transient", {}).get("display_id")
    if display_id is not None:
        shown = notebook.__dict__.setdefault("_msgflux_displays", {})
        if message["msg_type"] == "update_display_data":
            for data in shown.get(display_id, ()):
                data.clear()
                data.update(content["data"])
        else:
            # nbval copies a plain dict into its outputs, but keeps a NotebookNode, which an update can then change.
            content["data"] = from_dict(content["data"])
            shown.setdefault(display_id, []).append(content["data"])
    return message


IPyNbFile.get_kernel_message = _receive_with_updates
