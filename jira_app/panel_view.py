"""What the issue panel shows, ready for its templates: words and groups, no query and no decision about numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from fractions import Fraction
from itertools import groupby
from typing import Literal
from urllib.parse import urlsplit

from connector.issue_panel import ChainLink, EffectOfClosing, IssuePanel, PanelEntry
from connector.models import KeyResult, LedgerEntry
from connector.scorecard import OutcomeNumber, Scorecard, WorkNumber
from connector.suggestions import Suggestion
from connector.wording import CAUSE_WORDS, NO_BREAK, decimal, measured, percent, points
from jira_app.panel_rights import Rights
from mapping import display
from mapping.ledger import Cause, Entry, Number
from mapping.narration import in_words

# Causes whose rise or fall is told in colour: something was delivered, or measured. A rise because work was taken out
# is no delivery and does not look like one.
DELIVERED = frozenset({"completed", "reopened", "started", "measured", "corrected"})

ARROW = f"{NO_BREAK}→{NO_BREAK}"

State = Literal["not_set_up", "unlinked", "linked", "not_goal_work", "gone"]


@dataclass(frozen=True, slots=True)
class Step:
    """One objective of the chain, and whose it is: "team Atlas", "company"."""

    title: str
    where: str


@dataclass(frozen=True, slots=True)
class Row:
    """One key result that the issue counts for. `id` is unique within the panel; `link_id` only where it can be changed
    here, that is, where the issue carries the link itself."""

    id: str
    key_result_id: str
    title: str
    range: str
    unit: str
    driver: str
    scorecard: Scorecard
    effect: str
    said: str
    changed: str
    weight: str = "1"
    link_id: str | None = None
    inherited_from: str | None = None
    rule: str | None = None
    inherited_url: str | None = None
    waiting_since: datetime | None = None
    refusal: str | None = None
    broken: bool = False


@dataclass(frozen=True, slots=True)
class Group:
    """The key results of one objective, under its chain."""

    id: str
    chain: Sequence[Step]
    entries: Sequence[Row]


@dataclass(frozen=True, slots=True)
class View:
    """Everything that the panel's templates read."""

    state: State
    issue_key: str
    now: datetime
    zone: str
    rights: Rights
    groups: Sequence[Group] = ()
    suggestions: Sequence[Suggestion] = ()
    category: str | None = None
    offline_since: datetime | None = None
    stale_since: datetime | None = None

    @property
    def may_edit(self) -> bool:
        """Whether to offer changes; while Jira can't be asked, a link may still be made and waits."""
        return self.rights.may_edit is not False

    @property
    def why_not(self) -> str:
        """Why nothing can be changed here, and who can help; empty if it can."""
        if self.may_edit:
            return ""
        if not self.rights.account_id:
            return "Sign in to Jira to change what this ticket is linked to."
        ticket = self.issue_key or "this ticket"
        return f"Read-only: Jira does not let you edit {ticket}. Somebody who may edit it can link it."


def build_view(
    panel: IssuePanel,
    *,
    rights: Rights,
    suggestions: Sequence[Suggestion],
    set_up: bool,
    now: datetime,
) -> View:
    """Put a panel into words. `set_up` tells whether there is any open key result to link to."""
    issue = panel.issue
    rows = [(entry, _row(entry, panel)) for entry in panel.entries]
    return View(
        state=_state(panel, set_up),
        issue_key=issue.key if issue is not None else "",
        now=now,
        zone=panel.workspace.timezone,
        rights=rights,
        groups=[
            _group(list(members)) for _, members in groupby(rows, key=lambda pair: pair[0].key_result.objective_id)
        ],
        suggestions=suggestions,
        category=panel.business_as_usual,
        offline_since=panel.offline_since,
        stale_since=issue.stale_since if issue is not None else None,
    )


def _state(panel: IssuePanel, set_up: bool) -> State:
    if panel.issue is not None and panel.issue.cls == "gone":
        return "gone"
    if panel.entries:
        return "linked"
    if panel.business_as_usual:
        return "not_goal_work"
    return "unlinked" if set_up else "not_set_up"


def _group(members: Sequence[tuple[PanelEntry, Row]]) -> Group:
    first = members[0][0]
    return Group(
        id=first.key_result.objective_id,
        chain=[_step(link) for link in first.chain],
        entries=[row for _, row in members],
    )


def _step(link: ChainLink) -> Step:
    return Step(link.title, where_of(link.team, link.level))


def where_of(team: str, level: str) -> str:
    """Say whose an objective is: "company" (there is one), "team Atlas", "department Sales"."""
    return "company" if level == "company" else f"{level}{NO_BREAK}{team}"


def _row(entry: PanelEntry, panel: IssuePanel) -> Row:
    key_result, card, link = entry.key_result, entry.scorecard, entry.link
    inherited = entry.inherited_from
    return Row(
        id=link.id,
        key_result_id=key_result.id,
        title=key_result.title,
        range=range_of(key_result),
        unit=key_result.unit,
        driver=key_result.driver.name,
        scorecard=card,
        effect=effect_words(entry.effect),
        said=_said(key_result, card),
        changed=f"{panel.revision}",
        weight=decimal(link.weight, 4).replace(",", ""),
        link_id=None if inherited else link.id,
        inherited_from=inherited,
        rule=entry.rule,
        inherited_url=safe_address(entry.inherited_url or "") or None,
        waiting_since=entry.waiting_since,
        refusal=link.refusal if link.state == "refused" else None,
        broken=panel.issue is not None and panel.issue.cls == "gone",
    )


def range_of(key_result: KeyResult) -> str:
    """Say from where to where a key result goes, unless its title says so already: "22 % → 35 %"."""
    if key_result.kind == "maintain":
        return _band(key_result)
    if key_result.baseline is None or key_result.target is None:
        return ""
    ends = (decimal(key_result.baseline), decimal(key_result.target))
    if all(end in key_result.title for end in ends):
        return ""
    return f"{measured(key_result.baseline, key_result.unit)} → {measured(key_result.target, key_result.unit)}"


def _band(key_result: KeyResult) -> str:
    low, high = (Fraction(end) if end is not None else None for end in key_result.settings.get("band", (None, None)))
    if low is not None and high is not None:
        return f"within {decimal(low)} to {measured(high, key_result.unit)}"
    if low is not None:
        return f"at least {measured(low, key_result.unit)}"
    return f"at most {measured(high, key_result.unit)}" if high is not None else ""


def effect_words(effect: EffectOfClosing) -> str:
    """Say what closing the ticket will do: "Closing this ticket: work +8 pp"."""
    words = effect.words if effect.delta is None else f"work{NO_BREAK}{points(effect.delta)}"
    return f"Closing this ticket: {words}" if words else ""


def _said(key_result: KeyResult, card: Scorecard) -> str:
    """The row for ears, read out when it changes by itself."""
    outcome = percent(card.outcome.display) if card.outcome.progress is not None else "not measured"
    work = percent(card.work.display) if card.work.progress is not None else "none linked"
    return f"{key_result.title}: outcome {outcome}, work {work}"


@dataclass(frozen=True, slots=True)
class CauseRow:
    """One ledger row as the panel tells it."""

    number: str
    delta: Fraction | None
    after_words: str
    words: str
    happened_at: datetime
    issue_key: str = ""
    issue_title: str = ""
    issue_url: str = ""
    delivered: bool = False


def cause_row(row: LedgerEntry) -> CauseRow:
    """Put one ledger row into words; where a null is on either side no delta is claimed."""
    issue = row.issue
    told = in_words(_entry(row)).partition(": ")[2]
    words = told if told.startswith("last ") else CAUSE_WORDS.get(row.cause, row.cause.replace("_", " "))
    return CauseRow(
        number=row.number,
        delta=row.delta,
        after_words="no number" if row.after is None else f"now {percent(display.percent(row.after))}",
        words=words,
        happened_at=row.happened_at,
        issue_key=issue.key if issue is not None else "",
        issue_title=issue.title if issue is not None else "",
        issue_url=safe_address(issue.url) if issue is not None else "",
        delivered=row.cause in DELIVERED,
    )


def _entry(row: LedgerEntry) -> Entry:
    none = Fraction(0)
    return Entry(
        key_result=row.key_result_id,
        number=Number(row.number),
        cause=Cause(row.cause),
        issue=row.issue_id,
        num_before=row.numerator_before or none,
        den_before=row.denominator_before or none,
        num_after=row.numerator_after or none,
        den_after=row.denominator_after or none,
        happened_at=row.happened_at,
        learned_at=row.learned_at,
    )


def safe_address(url: str) -> str:
    """Return the address if following it can only open a web page, else nothing.

    Escaping does not disarm `javascript:` in a link, and a tracker's text may hold one.
    """
    try:
        return url if urlsplit(url).scheme in ("http", "https") else ""
    except ValueError:
        return ""


@dataclass(frozen=True, slots=True)
class Found:
    """One key result that a search found."""

    key_result: KeyResult
    where: str
    linked: bool = False


def change_words(before: Scorecard | None, after: Scorecard | None) -> str:
    """Say what an action did: "Work 40 % → 38 %."; of the outcome only if it moved."""
    if before is None or after is None:
        return ""
    words = _moved("Work", before.work, after.work)
    if before.outcome.display != after.outcome.display:
        words += " " + _moved("Outcome", before.outcome, after.outcome)
    return words


def _moved(name: str, before: WorkNumber | OutcomeNumber, after: WorkNumber | OutcomeNumber) -> str:
    was, now = percent(before.display), percent(after.display)
    if after.progress is None:
        return (
            f"{name}: nothing counted."
            if before.progress is None
            else f"{name} {was}{ARROW}–: nothing counted any more."
        )
    if before.progress is None:
        return f"{name} is now {now}."
    if before.progress == after.progress:
        return f"{name} stays at {now}."
    if was == now:
        return f"{name} {points(after.progress - before.progress)}, still {now}."
    return f"{name} {was}{ARROW}{now}."
