"""What holds for a whole workspace: its name, and the time zone that its days and weeks follow."""

from __future__ import annotations

from zoneinfo import available_timezones

from sqlalchemy.orm import Session

from connector.errors import Invalid, LostUpdate, NotFound
from connector.goals.scope import LONGEST_NAME, clean_line
from connector.models import Workspace


def edit_workspace(
    session: Session, workspace_id: str, *, name: str, timezone: str, expected_version: int | None = None
) -> Workspace:
    """Change name and time zone. Past days are folded anew by it; no ledger row changes.

    Raises NotFound, LostUpdate, Invalid (empty, unknown_time_zone).
    """
    workspace = session.get(Workspace, workspace_id, with_for_update=True)
    if workspace is None:
        raise NotFound("There is no such workspace.")
    if expected_version is not None and workspace.version != expected_version:
        raise LostUpdate(workspace.version)
    if timezone not in available_timezones():
        raise Invalid("unknown_time_zone", "This is no time zone; one looks like Europe/Berlin.", "timezone")
    workspace.name = clean_line(name, "name", LONGEST_NAME)
    workspace.timezone = timezone
    workspace.version += 1
    session.flush()
    return workspace
