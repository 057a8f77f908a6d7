"""Verbs for tests about rules: make one, let it run, see what it linked."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from fractions import Fraction
from typing import Any

from sqlalchemy import select

from connector.bulk_links import link_many
from connector.links import unlink
from connector.models import Connection, Issue, LedgerEntry, Link, LinkRule, OutboxEntry, RuleException, RuleMatch
from connector.rules.editing import RuleDraft, create_rule, resolve_draft
from tests.connector.conftest import Organisation
from tests.connector.errand_runs import run


@dataclass
class Stage:
    """An organisation whose key results have rules."""

    org: Organisation
    rules: dict[str, str] = field(default_factory=dict)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.org, name)

    @property
    def now(self) -> datetime:
        return self.org.core.clock()

    def make(self, kind: str, text: str, key_result: str = "ratio", *, runs: bool = True, **more: Any) -> str:
        """Make a rule and, unless told otherwise, let it run; returns its id."""
        with self.org.core.database.reading() as session:
            connection = session.get_one(Connection, "c")
        draft = RuleDraft("c", kind, text, **more)
        query = resolve_draft(self.org.core, connection, draft)
        with self.org.core.database.writing() as session:
            rule = create_rule(
                session, self.org.core, "w", key_result, draft, query, actor="ada", now=self.org.core.clock()
            )
        if runs:
            self.run()
        return rule.id

    def run(self) -> None:
        """Let what waits for rules run, until nothing does."""
        while run(self.org, "run_rule", "rules", "fetch_subtree", "fetch_issue"):
            pass

    def run_again(self, rule: str) -> None:
        with self.org.core.database.writing() as session:
            session.add(OutboxEntry(connection_id="c", kind="run_rule", subject=rule)) if not session.scalars(
                select(OutboxEntry).where(OutboxEntry.kind == "run_rule", OutboxEntry.subject == rule)
            ).one_or_none() else None
            session.flush()
            row = session.scalars(
                select(OutboxEntry).where(OutboxEntry.kind == "run_rule", OutboxEntry.subject == rule)
            ).one()
            row.state = "waiting"
        self.run()

    def rule(self, rule: str) -> LinkRule:
        with self.org.core.database.reading() as session:
            return session.get_one(LinkRule, rule)

    def links(self) -> set[tuple[str, str, str]]:
        """Every link as (issue, key result, source)."""
        with self.org.core.database.reading() as session:
            rows = session.execute(
                select(Issue.external_id, Link.key_result_id, Link.source).join(Issue, Issue.id == Link.issue_id)
            )
            return {(row.external_id, row.key_result_id, row.source) for row in rows}

    def owners(self) -> dict[str, str | None]:
        """The rule of every link made by one, by issue."""
        with self.org.core.database.reading() as session:
            rows = session.execute(
                select(Issue.external_id, Link.rule_id)
                .join(Issue, Issue.id == Link.issue_id)
                .where(Link.source == "rule")
            )
            return {row.external_id: row.rule_id for row in rows}

    def matches(self, rule: str) -> set[str]:
        with self.org.core.database.reading() as session:
            chosen = select(Issue.external_id).join(RuleMatch, RuleMatch.issue_id == Issue.id)
            return set(session.scalars(chosen.where(RuleMatch.rule_id == rule)))

    def id_of(self, issue: str) -> int:
        with self.org.core.database.reading() as session:
            return session.scalars(select(Issue.id).where(Issue.external_id == issue)).one()

    def link_by_hand(self, issue: str, key_result: str, weight: Fraction = Fraction(1)) -> None:
        with self.org.core.database.writing() as session:
            pairs = [(self.id_of(issue), key_result)]
            link_many(session, "w", pairs, actor="ada", now=self.now, weight=weight)

    def unlink_by_hand(self, issue: str, key_result: str) -> None:
        with self.org.core.database.writing() as session:
            chosen = select(Link.id).join(Issue, Issue.id == Link.issue_id)
            link = session.scalars(
                chosen.where(Issue.external_id == issue, Link.key_result_id == key_result)
            ).one_or_none()
            if link is not None:
                unlink(session, "w", link, actor="ada", now=self.now)

    def exceptions(self) -> set[tuple[str, str]]:
        with self.org.core.database.reading() as session:
            rows = session.execute(
                select(Issue.external_id, RuleException.key_result_id).join(Issue, Issue.id == RuleException.issue_id)
            )
            return {(row.external_id, row.key_result_id) for row in rows}

    def ledger(self) -> list[tuple[str, str]]:
        with self.org.core.database.reading() as session:
            rows = session.execute(select(LedgerEntry.cause, LedgerEntry.actor).order_by(LedgerEntry.id))
            return [(row.cause, row.actor) for row in rows]
