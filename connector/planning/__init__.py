"""Sprint planning: what a sprint will do to the goals, what if it held other issues, and what can be done about it."""

from connector.planning.plan import (
    Block,
    PlannedIssue,
    PlannedKeyResult,
    PlannedSprint,
    Serving,
    Shares,
    SprintPlan,
    WhatIf,
)

__all__ = [
    "Block",
    "PlannedIssue",
    "PlannedKeyResult",
    "PlannedSprint",
    "Serving",
    "Shares",
    "SprintPlan",
    "WhatIf",
]
