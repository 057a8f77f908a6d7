"""Which issues block another one, read from Jira's links between issues.

https://developer.atlassian.com/cloud/jira/platform/rest/v3/api-group-issue-link-types/
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from connector.tracker import BadDelivery

LINKS_FIELD = "issuelinks"
# Names of link types are the site's own words, and their ids differ from site to site. What blocks is called by one
# root in every language that Jira speaks ("blockiert", "bloquea", "è bloccato da", "блокирует", "ブロック", "阻").
_ROOT = re.compile(r"blo(?:c|k|qu)|блок|ブロック|차단|阻")
# "is unblocked by" and "entblockt" undo it.
_UNDONE = re.compile(r"(?:un|ent|des|dé|de|раз)-?(?:blo(?:c|k|qu)|блок)")
_ISSUE_ID = re.compile(r"[0-9]{1,19}")
# Links of one issue that are read; more than that is a mistake or an attack.
MOST = 500


def is_blocking(link_type: Mapping[str, Any], outward: str = "outward", inward: str = "inward") -> bool:
    """Tell whether links of this type say that one issue must be done before the other, the source before the target.

    Webhooks call both sides `outwardName` and `inwardName`.
    """
    sides = [link_type.get(outward), link_type.get(inward)]
    words = [side.casefold() if isinstance(side, str) else "" for side in sides]
    return all(_ROOT.search(side) and not _UNDONE.search(side) for side in words)


def blockers(fields: Mapping[str, Any]) -> tuple[str, ...] | None:
    """Return the ids of the issues that block the one whose fields these are; None if its links are not among them.

    Raises BadDelivery when a value has a type that Jira never sends.
    """
    if LINKS_FIELD not in fields:
        return None
    links = fields[LINKS_FIELD]
    if links is None:
        return None
    if not isinstance(links, list):
        raise BadDelivery("issuelinks: not a list")
    found = set()
    for link in links[:MOST]:
        if not isinstance(link, dict):
            raise BadDelivery("issuelinks: not a link")
        # An issue on the link's inward side: "this issue is blocked by that one".
        other, link_type = link.get("inwardIssue"), link.get("type")
        if isinstance(other, dict) and isinstance(link_type, dict) and is_blocking(link_type):
            other_id = str(other.get("id"))
            if not _ISSUE_ID.fullmatch(other_id):
                raise BadDelivery("issuelinks: not the id of an issue")
            found.add(other_id)
    return tuple(sorted(found, key=int))
