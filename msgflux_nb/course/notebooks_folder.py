"""Finds the course's notebooks, in a wheel or in a clone, and copies them."""

from __future__ import annotations

import shutil
from importlib.resources import files
from pathlib import Path

from ..errors import MsgfluxError

__all__ = ["copy_notebooks", "notebooks_folder"]


def notebooks_folder() -> Path:
    """Return the folder of the course's notebooks.

    Raises:
        MsgfluxError: this installation has no notebooks.
    """
    installed = Path(str(files("msgflux_nb") / "course" / "notebooks"))
    clone = Path(str(files("msgflux_nb"))).parent / "notebooks" / "course"
    for folder in (installed, clone):
        if next(folder.glob("*.ipynb"), None) is not None:
            return folder
    raise MsgfluxError(
        f"expected the course's notebooks in {installed} or {clone}, found none. Install the package again."
    )


def copy_notebooks(target: Path) -> tuple[list[str], list[str]]:
    """Copy the notebooks into a folder, which is created if missing; existing files are not overwritten.

    Returns: the copied names, and the existing names.

    Raises:
        MsgfluxError: the folder cannot be written to.
    """
    copied, kept = [], []
    try:
        target.mkdir(parents=True, exist_ok=True)
        for notebook in sorted(notebooks_folder().glob("*.ipynb")):
            if (target / notebook.name).exists():
                kept.append(notebook.name)
            else:
                shutil.copyfile(notebook, target / notebook.name)
                copied.append(notebook.name)
    except OSError as error:
        raise MsgfluxError(f"the course cannot be copied to {target}: {error.strerror or error}") from error
    return copied, kept
