"""Everything that only Jira needs: tokens, lifecycle, webhooks, payloads, client and panel."""

from jira_app.query_string_hash import query_string_hash
from jira_app.tracker import TRACKER

__all__ = ["TRACKER", "query_string_hash"]
