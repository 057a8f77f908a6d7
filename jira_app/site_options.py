"""What an admin may set for a Jira site: the estimate field, and which resolutions and statuses mean "dropped"."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from connector.tracker import SiteOption
from jira_app.issue_fields import DROPPED_RESOLUTIONS, estimate_fields


def site_options(settings: Mapping[str, Any]) -> Sequence[SiteOption]:
    """Return the options in the order in which people meet them, with what holds now."""
    by_hand = set(settings.get("set_by_hand", ()))
    return [
        SiteOption(
            "estimate_field",
            "Estimate field",
            "Ids of the number fields that hold estimates, such as customfield_10016; the first one that is filled in "
            "counts. Found by itself unless you set it.",
            tuple(estimate_fields(settings)),
            "estimate_field" in by_hand,
        ),
        SiteOption(
            "dropped_resolutions",
            "Resolutions that mean “will not be done”",
            "Names or ids. An issue closed with one of them leaves both sides of work progress.",
            _words(settings.get("dropped_resolutions"), DROPPED_RESOLUTIONS),
            "dropped_resolutions" in by_hand,
        ),
        SiteOption(
            "dropped_status_ids",
            "Statuses that mean “will not be done”",
            "Ids of statuses in the category Done, such as one called Cancelled, whatever the resolution says.",
            _words(settings.get("dropped_status_ids"), ()),
            "dropped_status_ids" in by_hand,
        ),
    ]


def _words(value: object, default: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(str(one) for one in value) if isinstance(value, list) else default
