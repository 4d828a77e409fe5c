"""``mf.plan``: strategies of several calls (react, self-consistency, tree of thoughts) with budgets and traces."""

from __future__ import annotations

from .reasoning.plan_events import Asking, PlanEnded, PlanStarted, Spent, StepTaken
from .reasoning.prompts import Prompts
from .reasoning.react import areact, react
from .reasoning.result import PlanResult
from .reasoning.self_consistency import aself_consistency, self_consistency
from .reasoning.start import PlanRun, start
from .reasoning.trace import Asked, Node, Sample, ToolStep, Turn
from .reasoning.tree_of_thoughts import atree_of_thoughts, tree_of_thoughts

__all__ = [
    "Asked",
    "Asking",
    "Node",
    "PlanEnded",
    "PlanResult",
    "PlanRun",
    "PlanStarted",
    "Prompts",
    "Sample",
    "Spent",
    "StepTaken",
    "ToolStep",
    "Turn",
    "areact",
    "aself_consistency",
    "atree_of_thoughts",
    "react",
    "self_consistency",
    "start",
    "tree_of_thoughts",
]
