"""The tables, in three files: goals, work, delivery."""

from connector.models.base import Base, new_id, utcnow
from connector.models.delivery import ApiToken, IdempotentAnswer, InboxEntry, OAuthState, OutboxEntry, SignInLink
from connector.models.goals import (
    KEY_RESULT_KINDS,
    TEAM_LEVELS,
    Account,
    CheckIn,
    Cycle,
    KeyResult,
    Milestone,
    Objective,
    Person,
    Team,
    Workspace,
)
from connector.models.work import (
    BusinessAsUsual,
    Connection,
    CountedUnit,
    Issue,
    LedgerEntry,
    Link,
    Sprint,
    WorkProgress,
)

__all__ = [
    "KEY_RESULT_KINDS",
    "TEAM_LEVELS",
    "Account",
    "ApiToken",
    "Base",
    "BusinessAsUsual",
    "CheckIn",
    "Connection",
    "CountedUnit",
    "Cycle",
    "IdempotentAnswer",
    "InboxEntry",
    "Issue",
    "KeyResult",
    "LedgerEntry",
    "Link",
    "Milestone",
    "OAuthState",
    "Objective",
    "OutboxEntry",
    "Person",
    "SignInLink",
    "Sprint",
    "Team",
    "WorkProgress",
    "Workspace",
    "new_id",
    "utcnow",
]
