"""The trackers' work as we know it, and how it feeds key results: connection, issue, link, counted unit, ledger."""

from __future__ import annotations

from datetime import datetime
from fractions import Fraction
from typing import Any

from sqlalchemy import BigInteger, ForeignKey, Index, Integer, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column, relationship

from connector.columns import Exact
from connector.models.base import Base, Identified, utcnow
from connector.models.goals import KeyResult

# SQLite only numbers rows by itself when the key is a plain INTEGER; PostgreSQL gets the 64 bits that a ledger needs.
RowNumber = BigInteger().with_variant(Integer, "sqlite")


class Connection(Identified, Base):
    """One installed tracker site. `state`: active, uninstalled, reconnect_needed.

    `tenant_key` is how its webhooks name it (Connect clientKey, Linear organizationId). `credential` and
    `previous_credential` are sealed by `connector.vault`. `settings` (Jira): estimate_field, dropped_resolutions,
    dropped_status_ids, status_categories {status id: category}; (Linear): workflow_states {state id: [type, name]},
    app_user_id, team_keys {team id: key}, goal_labels, linked_sprints, worn_labels_since; (both): board_teams {board:
    our team}. `renewing_until` is a lease: until then one process alone may
    trade the refresh token for a new one. `offline_since`, `paused_until` and `trouble` say what
    a page shows while the tracker does not answer.
    """

    __tablename__ = "connection"
    __table_args__ = (UniqueConstraint("tracker", "tenant_key"),)

    workspace_id: Mapped[str] = mapped_column(ForeignKey("workspace.id", ondelete="CASCADE"), index=True)
    tracker: Mapped[str] = mapped_column(String(32))
    tenant_key: Mapped[str] = mapped_column(String(255))
    cloud_id: Mapped[str | None] = mapped_column(String(64), index=True)
    site: Mapped[str] = mapped_column(String(400))
    display_site: Mapped[str] = mapped_column(String(400), default="")
    state: Mapped[str] = mapped_column(String(32), default="active")
    credential: Mapped[str | None] = mapped_column(Text)
    previous_credential: Mapped[str | None] = mapped_column(Text)
    previous_credential_until: Mapped[datetime | None]
    renewing_until: Mapped[datetime | None]
    settings: Mapped[dict[str, Any]] = mapped_column(default=dict)
    installed_at: Mapped[datetime] = mapped_column(default=utcnow)
    last_event_at: Mapped[datetime | None]
    last_reconcile_at: Mapped[datetime | None]
    reconciled_to: Mapped[datetime | None]
    offline_since: Mapped[datetime | None]
    paused_until: Mapped[datetime | None]
    trouble: Mapped[str | None] = mapped_column(Text)


class Issue(Base):
    """The last known snapshot of one tracker issue, with sums over what hangs below it.

    `external_id` (Jira's numeric id, Linear's UUID) is the identity; `key` is a label. `cls` is the issue class of
    progress.md section 2 or `unknown` (somebody's parent, not heard of yet). `watermark` is the tracker's own update
    time: older news is not applied. `raw_parent_id` is what the tracker says, `parent_id` what counts (none on a
    parent cycle). The counters are kept by `mapping`'s engine, never by hand. `shown_label` is what the panel's label
    said when last written to the tracker, `shown_goals` what the tracker's own searches know of the issue's goals.
    `sprints` are external ids; `SprintIssue` is the index over them.
    """

    __tablename__ = "issue"
    __table_args__ = (
        UniqueConstraint("connection_id", "external_id"),
        Index("ix_issue_parent_id", "parent_id"),
        Index("ix_issue_raw_parent_id", "raw_parent_id"),
        Index("ix_issue_connection_id_key", "connection_id", "key"),
    )

    id: Mapped[int] = mapped_column(RowNumber, primary_key=True)
    workspace_id: Mapped[str] = mapped_column(ForeignKey("workspace.id", ondelete="CASCADE"), index=True)
    connection_id: Mapped[str] = mapped_column(ForeignKey("connection.id", ondelete="CASCADE"))
    external_id: Mapped[str] = mapped_column(String(64))
    key: Mapped[str] = mapped_column(String(64), default="")
    title: Mapped[str] = mapped_column(Text, default="")
    url: Mapped[str] = mapped_column(Text, default="")
    issue_type: Mapped[str] = mapped_column(String(120), default="")
    status_name: Mapped[str] = mapped_column(String(120), default="")
    project_key: Mapped[str] = mapped_column(String(64), default="")
    assignee: Mapped[str | None] = mapped_column(String(128))
    labels: Mapped[list[Any]] = mapped_column(default=list)
    sprints: Mapped[list[Any]] = mapped_column(default=list)
    cls: Mapped[str] = mapped_column(String(12), default="unknown")
    level: Mapped[int] = mapped_column(default=0)
    estimate: Mapped[Fraction | None] = mapped_column(Exact)
    raw_parent_id: Mapped[int | None] = mapped_column(ForeignKey("issue.id"))
    parent_id: Mapped[int | None] = mapped_column(ForeignKey("issue.id"))
    watermark: Mapped[datetime | None]
    content_hash: Mapped[str] = mapped_column(String(64), default="")
    stale_since: Mapped[datetime | None]
    stale_reason: Mapped[str | None] = mapped_column(String(200))
    shown_label: Mapped[str | None] = mapped_column(String(120))
    shown_goals: Mapped[str | None] = mapped_column(Text)
    below_countable: Mapped[int] = mapped_column(default=0)
    below_countable_standard: Mapped[int] = mapped_column(default=0)
    below_estimated: Mapped[int] = mapped_column(default=0)
    below_parts: Mapped[int] = mapped_column(default=0)
    below_parts_done: Mapped[int] = mapped_column(default=0)
    below_open: Mapped[int] = mapped_column(default=0)

    connection: Mapped[Connection] = relationship()
    links: Mapped[list[Link]] = relationship(back_populates="issue")


class Link(Identified, Base):
    """An issue (with all that hangs below it) serves a key result.

    `state`: active; waiting (the tracker could not be asked yet whether `asked_by` may edit the issue; counts nothing
    until confirmed); or refused, with `refusal` saying why. `source`: manual, rule, label; `rule_id` is the rule that
    made it and alone may take it away. `declared_change` is for
    kind `issue_delta`. The running sums over what is counted under this link (before its weight) are kept by
    `mapping`'s engine.
    """

    __tablename__ = "link"
    __table_args__ = (UniqueConstraint("key_result_id", "issue_id"),)

    workspace_id: Mapped[str] = mapped_column(ForeignKey("workspace.id", ondelete="CASCADE"))
    key_result_id: Mapped[str] = mapped_column(ForeignKey("key_result.id", ondelete="CASCADE"))
    issue_id: Mapped[int] = mapped_column(ForeignKey("issue.id", ondelete="CASCADE"), index=True)
    weight: Mapped[Fraction] = mapped_column(Exact, default=Fraction(1))
    source: Mapped[str] = mapped_column(String(16), default="manual")
    rule_id: Mapped[str | None] = mapped_column(ForeignKey("link_rule.id", ondelete="SET NULL"), index=True)
    state: Mapped[str] = mapped_column(String(16), default="active")
    asked_by: Mapped[str | None] = mapped_column(String(128))
    waiting_since: Mapped[datetime | None]
    refusal: Mapped[str | None] = mapped_column(String(200))
    declared_change: Mapped[Fraction | None] = mapped_column(Exact)
    units: Mapped[int] = mapped_column(default=0)
    done_units: Mapped[int] = mapped_column(default=0)
    num: Mapped[Fraction] = mapped_column(Exact, default=Fraction(0))
    den: Mapped[Fraction] = mapped_column(Exact, default=Fraction(0))
    num_by_count: Mapped[Fraction] = mapped_column(Exact, default=Fraction(0))
    den_by_count: Mapped[Fraction] = mapped_column(Exact, default=Fraction(0))
    issue: Mapped[Issue] = relationship(back_populates="links")
    key_result: Mapped[KeyResult] = relationship()


class ShownCard(Base):
    """What a tracker shows of one key result on one issue, where it has cards (Linear: attachments).

    `external_id` is the card's id there, "" while it is not known to exist. `content` is what it said when last
    written; "" when it must be looked at again whatever it says.
    """

    __tablename__ = "shown_card"

    issue_id: Mapped[int] = mapped_column(ForeignKey("issue.id", ondelete="CASCADE"), primary_key=True)
    key_result_id: Mapped[str] = mapped_column(
        ForeignKey("key_result.id", ondelete="CASCADE"), primary_key=True, index=True
    )
    external_id: Mapped[str] = mapped_column(String(128), default="")
    content: Mapped[str] = mapped_column(Text, default="")
    shown_at: Mapped[datetime] = mapped_column(default=utcnow)


class BusinessAsUsual(Base):
    """Somebody's word that an issue is not goal work. `category`: support, maintenance, security, other."""

    __tablename__ = "business_as_usual"

    issue_id: Mapped[int] = mapped_column(ForeignKey("issue.id", ondelete="CASCADE"), primary_key=True)
    workspace_id: Mapped[str] = mapped_column(ForeignKey("workspace.id", ondelete="CASCADE"))
    category: Mapped[str] = mapped_column(String(16))
    declared_by: Mapped[str] = mapped_column(String(200), default="")
    declared_at: Mapped[datetime] = mapped_column(default=utcnow)


class Sprint(Base):
    """A Jira sprint or Linear cycle. `state`: future, active, closed; deleted for a tombstone.

    `board` is the external id of the board (Jira) or team (Linear) that plans it, `board_name` what people call it; ""
    while unknown. `read_at` is when
    the tracker last told us all its issues; `shown_link` the id of the link to our planning page that the tracker shows
    on it, where it shows one.
    """

    __tablename__ = "sprint"
    __table_args__ = (UniqueConstraint("connection_id", "external_id"),)

    id: Mapped[int] = mapped_column(RowNumber, primary_key=True)
    workspace_id: Mapped[str] = mapped_column(ForeignKey("workspace.id", ondelete="CASCADE"))
    connection_id: Mapped[str] = mapped_column(ForeignKey("connection.id", ondelete="CASCADE"))
    external_id: Mapped[str] = mapped_column(String(64))
    name: Mapped[str] = mapped_column(String(200), default="")
    state: Mapped[str] = mapped_column(String(16), default="future")
    board: Mapped[str] = mapped_column(String(64), default="")
    board_name: Mapped[str] = mapped_column(String(200), default="")
    starts_at: Mapped[datetime | None]
    ends_at: Mapped[datetime | None]
    watermark: Mapped[datetime | None]
    read_at: Mapped[datetime | None]
    shown_link: Mapped[str | None] = mapped_column(String(128))


class SprintIssue(Base):
    """Which issues a sprint holds: an index over `Issue.sprints`, kept in the same breath."""

    __tablename__ = "sprint_issue"
    __table_args__ = (Index("ix_sprint_issue_connection_id_sprint", "connection_id", "sprint"),)

    issue_id: Mapped[int] = mapped_column(ForeignKey("issue.id", ondelete="CASCADE"), primary_key=True)
    sprint: Mapped[str] = mapped_column(String(64), primary_key=True)
    connection_id: Mapped[str] = mapped_column(ForeignKey("connection.id", ondelete="CASCADE"))


class Dependency(Base):
    """One issue must be done before another can be: what the trackers call "blocks". It moves no number."""

    __tablename__ = "dependency"

    blocked_id: Mapped[int] = mapped_column(ForeignKey("issue.id", ondelete="CASCADE"), primary_key=True)
    blocker_id: Mapped[int] = mapped_column(ForeignKey("issue.id", ondelete="CASCADE"), primary_key=True, index=True)


class LinkRule(Identified, Base):
    """Links to a key result whatever a part of a tracker's work holds, as issues come and go.

    `kind`: epic, project, label or query; `text` is the epic's or project's key, the label, or the query in the
    tracker's own language (JQL, a Linear filter as JSON). `external_id` is the identity of an epic or a project, whose
    key may change. It links at most `at_most` issues. `state`: active, paused (by a person), ending (deleted,
    while its links are going) or failing, with `trouble` saying why; a failing rule keeps its links as they are.
    `ran_at` is when it was last compared with the tracker.
    """

    __tablename__ = "link_rule"

    workspace_id: Mapped[str] = mapped_column(ForeignKey("workspace.id", ondelete="CASCADE"), index=True)
    key_result_id: Mapped[str] = mapped_column(ForeignKey("key_result.id", ondelete="CASCADE"), index=True)
    connection_id: Mapped[str] = mapped_column(ForeignKey("connection.id", ondelete="CASCADE"), index=True)
    kind: Mapped[str] = mapped_column(String(16))
    text: Mapped[str] = mapped_column(Text)
    external_id: Mapped[str | None] = mapped_column(String(64))
    weight: Mapped[Fraction] = mapped_column(Exact, default=Fraction(1))
    at_most: Mapped[int] = mapped_column(default=1000)
    state: Mapped[str] = mapped_column(String(16), default="active")
    trouble: Mapped[str | None] = mapped_column(Text)
    made_by: Mapped[str] = mapped_column(String(200), default="")
    ran_at: Mapped[datetime | None]
    key_result: Mapped[KeyResult] = relationship()
    connection: Mapped[Connection] = relationship()


class RuleMatch(Base):
    """An issue that a rule matches, whether or not it may link it."""

    __tablename__ = "rule_match"

    rule_id: Mapped[str] = mapped_column(ForeignKey("link_rule.id", ondelete="CASCADE"), primary_key=True)
    issue_id: Mapped[int] = mapped_column(ForeignKey("issue.id", ondelete="CASCADE"), primary_key=True, index=True)


class RuleException(Base):
    """Somebody took a rule's link away: no rule links this issue to this key result again, until a person does."""

    __tablename__ = "rule_exception"

    key_result_id: Mapped[str] = mapped_column(ForeignKey("key_result.id", ondelete="CASCADE"), primary_key=True)
    issue_id: Mapped[int] = mapped_column(ForeignKey("issue.id", ondelete="CASCADE"), primary_key=True, index=True)
    workspace_id: Mapped[str] = mapped_column(ForeignKey("workspace.id", ondelete="CASCADE"))
    made_by: Mapped[str] = mapped_column(String(200), default="")
    made_at: Mapped[datetime] = mapped_column(default=utcnow)


class IssueDue(Base):
    """An issue that an errand must look at, in the company of others. `kind`: goal_marks, rules.

    One row per issue however often it is asked for; an errand of the same name, one per connection, takes many at once.
    """

    __tablename__ = "issue_due"
    __table_args__ = (Index("ix_issue_due_connection_id_kind", "connection_id", "kind"),)

    issue_id: Mapped[int] = mapped_column(ForeignKey("issue.id", ondelete="CASCADE"), primary_key=True)
    kind: Mapped[str] = mapped_column(String(24), primary_key=True)
    connection_id: Mapped[str] = mapped_column(ForeignKey("connection.id", ondelete="CASCADE"))
    since: Mapped[datetime] = mapped_column(default=utcnow)


class LedgerEntry(Base):
    """One cause, one row, never changed afterwards (progress.md section 5).

    `number` is work or outcome. `before`, `after` and `delta` are that number; `delta` is null where a null is on
    either side. The numerator/denominator changes are additive, so any past moment is a fold of the rows.
    """

    __tablename__ = "ledger_entry"
    __table_args__ = (Index("ix_ledger_entry_key_result_id_happened_at", "key_result_id", "happened_at"),)

    id: Mapped[int] = mapped_column(RowNumber, primary_key=True)
    workspace_id: Mapped[str] = mapped_column(ForeignKey("workspace.id", ondelete="CASCADE"))
    key_result_id: Mapped[str] = mapped_column(ForeignKey("key_result.id", ondelete="CASCADE"))
    issue_id: Mapped[int | None] = mapped_column(ForeignKey("issue.id", ondelete="SET NULL"))
    number: Mapped[str] = mapped_column(String(8), default="work")
    cause: Mapped[str] = mapped_column(String(20))
    before: Mapped[Fraction | None] = mapped_column(Exact)
    after: Mapped[Fraction | None] = mapped_column(Exact)
    delta: Mapped[Fraction | None] = mapped_column(Exact)
    numerator_before: Mapped[Fraction | None] = mapped_column(Exact)
    denominator_before: Mapped[Fraction | None] = mapped_column(Exact)
    numerator_after: Mapped[Fraction | None] = mapped_column(Exact)
    denominator_after: Mapped[Fraction | None] = mapped_column(Exact)
    detail: Mapped[dict[str, Any]] = mapped_column(default=dict)
    actor: Mapped[str] = mapped_column(String(200), default="")
    happened_at: Mapped[datetime]
    learned_at: Mapped[datetime] = mapped_column(default=utcnow)
    source_event: Mapped[str | None] = mapped_column(String(255))
    formula_version: Mapped[int] = mapped_column(default=1)
    issue: Mapped[Issue | None] = relationship()


class CountedUnit(Base):
    """One issue that counts for one key result (a unit of progress.md section 3), with what it adds before weight.

    `link_issue_id` is the linked issue whose weight it takes: itself or an ancestor.
    """

    __tablename__ = "counted_unit"

    key_result_id: Mapped[str] = mapped_column(ForeignKey("key_result.id", ondelete="CASCADE"), primary_key=True)
    issue_id: Mapped[int] = mapped_column(ForeignKey("issue.id", ondelete="CASCADE"), primary_key=True, index=True)
    link_issue_id: Mapped[int] = mapped_column(ForeignKey("issue.id", ondelete="CASCADE"))
    size: Mapped[Fraction] = mapped_column(Exact)
    credit: Mapped[Fraction] = mapped_column(Exact)


class WorkProgress(Base):
    """The running work sums of one key result, kept by `mapping`'s engine; `revision` grows with every change.

    `shown_label` is the label last passed on to the trackers for this key result.
    """

    __tablename__ = "work_progress"

    key_result_id: Mapped[str] = mapped_column(ForeignKey("key_result.id", ondelete="CASCADE"), primary_key=True)
    workspace_id: Mapped[str] = mapped_column(ForeignKey("workspace.id", ondelete="CASCADE"), index=True)
    revision: Mapped[int] = mapped_column(default=0)
    changed_at: Mapped[datetime] = mapped_column(default=utcnow)
    shown_label: Mapped[str | None] = mapped_column(String(120))
    units: Mapped[int] = mapped_column(default=0)
    done_units: Mapped[int] = mapped_column(default=0)
    unestimated: Mapped[int] = mapped_column(default=0)
    nonzero: Mapped[int] = mapped_column(default=0)
    num: Mapped[Fraction] = mapped_column(Exact, default=Fraction(0))
    den: Mapped[Fraction] = mapped_column(Exact, default=Fraction(0))
    num_by_count: Mapped[Fraction] = mapped_column(Exact, default=Fraction(0))
    den_by_count: Mapped[Fraction] = mapped_column(Exact, default=Fraction(0))
    containers_done_open: Mapped[int] = mapped_column(default=0)
    containers_dropped_open: Mapped[int] = mapped_column(default=0)
    broken_links: Mapped[int] = mapped_column(default=0)
