"""/lint: what the rules at entry say about a draft, before anything is made."""

from __future__ import annotations

from flask import Response

from connector import goals
from connector.goals import advice
from connector.models import Cycle
from web.api import representations as shown
from web.api.access import caller
from web.api.blueprint import api
from web.api.exchange import answer
from web.api.history_schemas import LintIn, LintOut


@api.post("/lint")
@api.input(LintIn)
@api.output(LintOut)
@api.doc(tags=["lint"], operation_id="lint")
def lint(json_data: LintIn) -> Response:
    """Check a draft objective, key result, set, driver, audit, status or check-in against the rules at entry"""
    who = caller()
    cycle = None
    if json_data.cycle_id is not None:
        with who.core.database.reading() as session:
            cycle = goals.find_named(session, Cycle, who.workspace_id, json_data.cycle_id, "cycle_id")
    found = advice.on_draft(json_data.kind, json_data.text, cycle)
    findings = [shown.of_finding(finding) for finding in found.findings]
    return answer(LintOut(verdict=found.verdict, why=list(found.why), findings=findings))
