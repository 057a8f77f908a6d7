"""What a site calls things: which field holds the estimate, which category a status has, which level a type has.

Names are translated and renamed; fields are found by their schema, statuses and types by their ids.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

TEAM_MANAGED_POINTS = "com.pyxis.greenhopper.jira:jsw-story-points"
NUMBER_FIELD = "com.atlassian.jira.plugin.system.customfieldtypes:float"
SPRINT_FIELD = "com.pyxis.greenhopper.jira:gh-sprint"
EPIC_LINK_FIELD = "com.pyxis.greenhopper.jira:gh-epic-link"
# Company-managed projects keep points in an ordinary number field: only its name tells what it is for.
POINTS_NAMES = ("story points", "story point estimate")


def site_facts(fields: Sequence[Any], statuses: Sequence[Any], issue_types: Sequence[Any]) -> dict[str, Any]:
    """Return settings for a connection; what a site does not have is left out.

    `estimate_field` lists both fields where a site has company-managed and team-managed projects.
    """
    facts: dict[str, Any] = {
        "status_categories": {
            str(one["id"]): str(one["statusCategory"]["key"])
            for one in statuses
            if isinstance(one, dict) and "id" in one and isinstance(one.get("statusCategory"), dict)
            if "key" in one["statusCategory"]
        },
        "issue_type_levels": {
            str(one["id"]): one["hierarchyLevel"]
            for one in issue_types
            if isinstance(one, dict) and "id" in one and type(one.get("hierarchyLevel")) is int
        },
    }
    known = [one for one in fields if isinstance(one, dict) and isinstance(one.get("id"), str)]
    points = [one["id"] for one in known if _custom(one) == TEAM_MANAGED_POINTS]
    points += [
        one["id"]
        for one in known
        if _custom(one) == NUMBER_FIELD and str(one.get("name", "")).strip().lower() in POINTS_NAMES
    ]
    if points:
        facts["estimate_field"] = points[0] if len(points) == 1 else points
    for name, schema in (("sprint_field", SPRINT_FIELD), ("epic_link_field", EPIC_LINK_FIELD)):
        found = [one["id"] for one in known if _custom(one) == schema]
        if found:
            facts[name] = found[0]
    return facts


def _custom(field: dict[str, Any]) -> str:
    schema = field.get("schema")
    return str(schema.get("custom", "")) if isinstance(schema, dict) else ""
