"""The few words that a tracker shows beside an issue without opening its panel."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session, joinedload

from connector.issue_panel import read_panel
from connector.models import Connection, Issue, KeyResult, Objective, Workspace
from connector.scorecard import Scorecard, scorecards, today
from connector.tracker import PanelLabel

# Worst first: with several key results the label tells of the one that most needs a look.
LABELS = (
    ("disputed", PanelLabel("disputed", "removed")),
    ("red", PanelLabel("off track", "removed")),
    ("outdated", PanelLabel("check-in overdue", "moved")),
    ("yellow", PanelLabel("at risk", "moved")),
    ("pending", PanelLabel("no check-in yet", "default")),
    ("green", PanelLabel("on track", "success")),
    ("closed", PanelLabel("closed", "default")),
)
NOT_GOAL_WORK = PanelLabel("not goal work", "default")


def label_of_issue(session: Session, issue: Issue, now: datetime) -> PanelLabel | None:
    """Return the label of an issue's panel; None where it ladders into no goal."""
    panel = read_panel(session, session.get_one(Connection, issue.connection_id), issue.external_id, now)
    if panel.state == "not_goal_work":
        return NOT_GOAL_WORK
    said = {_standing(entry.scorecard) for entry in panel.entries}
    return next((label for standing, label in LABELS if standing in said), None)


def label_of_key_result(session: Session, key_result_id: str, now: datetime) -> str | None:
    """Return what a key result's issues should say if they served it alone, as kept in `Issue.shown_label`."""
    key_result = session.scalars(
        select(KeyResult)
        .where(KeyResult.id == key_result_id)
        .options(joinedload(KeyResult.objective).joinedload(Objective.cycle))
    ).one_or_none()
    if key_result is None:
        return None
    workspace = session.get_one(Workspace, key_result.workspace_id)
    cards = scorecards(session, key_result.workspace_id, [key_result], today(workspace, now))
    return kept(dict(LABELS)[_standing(cards[key_result_id])])


def kept(label: PanelLabel | None) -> str | None:
    """Return a label as kept in `Issue.shown_label`, to tell whether the tracker shows it already."""
    return f"{label.tone}:{label.text}" if label is not None else None


def standing_words(card: Scorecard) -> str:
    """Return in two words how a key result stands: "on track", "off track", "disputed"."""
    return dict(LABELS)[_standing(card)].text


def _standing(card: Scorecard) -> str:
    return "disputed" if card.disputed else card.status
