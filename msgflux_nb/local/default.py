"""The default embedded model."""

from __future__ import annotations

import os

__all__ = ["RECOMMENDED", "default_weights"]

RECOMMENDED = "qwen2.5-coder-0.5b"  # chosen by benchmarks/local_models.py; the table is in docs/local-model.md


def default_weights() -> str:
    """Return the name of the default weights: ``MSGFLUX_LOCAL_MODEL``, else the recommended ones."""
    return os.environ.get("MSGFLUX_LOCAL_MODEL") or RECOMMENDED
