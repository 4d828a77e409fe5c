"""``mf.plan``: several calls that reason together, with budgets, and everything that happened kept."""

from __future__ import annotations

from .reasoning.prompts import Prompts
from .reasoning.react import areact, react
from .reasoning.result import PlanResult
from .reasoning.self_consistency import aself_consistency, self_consistency
from .reasoning.trace import Asked, Node, Sample, ToolStep, Turn
from .reasoning.tree_of_thoughts import atree_of_thoughts, tree_of_thoughts

__all__ = [
    "Asked",
    "Node",
    "PlanResult",
    "Prompts",
    "Sample",
    "ToolStep",
    "Turn",
    "areact",
    "aself_consistency",
    "atree_of_thoughts",
    "react",
    "self_consistency",
    "tree_of_thoughts",
]
