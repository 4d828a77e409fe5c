"""The embedded model for a person who does not name one."""

from __future__ import annotations

import os

__all__ = ["RECOMMENDED", "default_weights"]

RECOMMENDED = "qwen2.5-coder-0.5b"  # chosen by benchmarks/local_models.py: docs/local-model.md has its table


def default_weights() -> str:
    """Return the name of the weights: ``MSGFLUX_LOCAL_MODEL``, else the one that this package recommends."""
    return os.environ.get("MSGFLUX_LOCAL_MODEL") or RECOMMENDED
