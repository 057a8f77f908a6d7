"""What is said about a key result of each kind, and that silence is never green."""

from datetime import UTC, date, datetime, timedelta
from fractions import Fraction

import pytest

from connector.goals.check_ins import RecordCheckIn, record_check_in
from connector.models import KeyResult, LedgerEntry, Milestone, Objective
from connector.scorecard import objective_number, scorecards
from tests.connector.conftest import NOW
from tests.connector.statements import counted


def add(org, kind, **more):
    with org.core.database.writing() as session:
        more = {"created_at": NOW - timedelta(days=20), **more}
        session.add(KeyResult(id="kr", workspace_id="w", objective_id="o", title="K", kind=kind, driver_id="p", **more))


def check_in(org, value=None, *, at=None, **more):
    with org.core.database.writing() as session:
        command = RecordCheckIn(value=None if value is None else Fraction(value), at=at, **more)
        record_check_in(session, "w", "kr", command, actor="ada", now=org.core.clock())


def test_a_metric_goes_from_baseline_to_target_and_keeps_its_raw_value(org):
    add(org, "metric", baseline=Fraction(8), target=Fraction(5))
    assert (org.card("kr").outcome.display, org.card("kr").outcome.why) == ("–", "not_measured")

    check_in(org, 9)

    outcome = org.card("kr").outcome
    assert (outcome.progress, outcome.raw, outcome.raw_display) == (0, Fraction(-1, 3), "-33%: worse than the baseline")


def test_work_never_stands_in_for_a_metric(org):
    org.tell("1", "done", at=1)
    org.link("1", "metric")

    card = org.card("metric")

    assert (card.work.progress, card.progress, card.stands_by) == (1, None, "outcome")


def test_issue_ratio_stands_by_its_work_and_carries_the_badge_output(org):
    org.tell("1", "done", at=1)
    org.link("1")

    card = org.card()

    assert (card.progress, card.stands_by, card.badge) == (1, "work", "output")


def test_issue_count_is_not_lowered_by_more_scope_and_its_ledger_says_who_moved_it(org):
    add(org, "issue_count", baseline=Fraction(0), target=Fraction(4))
    for issue in ("1", "2"):
        org.tell(issue, "todo", at=1)
        org.link(issue, "kr")
    org.tell("1", "done", at=2)
    before = org.card("kr").outcome.progress
    org.tell("3", "todo", at=3)
    org.link("3", "kr")

    card = org.card("kr")

    assert before == card.outcome.progress == Fraction(1, 4)
    assert card.work.progress == Fraction(1, 3)
    with org.core.database.reading() as session:
        rows = session.query(LedgerEntry).filter_by(key_result_id="kr", number="outcome").all()
    assert [(row.cause, row.after, row.delta) for row in rows] == [
        ("scope_added", 0, None),
        ("completed", Fraction(1, 4), Fraction(1, 4)),
    ]


def test_maintain_counts_the_weeks_in_which_the_band_was_held(org):
    add(org, "maintain", settings={"band": [None, "10"], "maintain_by": "average"})
    for week, value in enumerate([8, 9, 12, 10]):
        check_in(org, value, at=NOW - timedelta(weeks=4 - week))
    assert org.card("kr").outcome.progress == Fraction(3, 4)

    check_in(org, 11, at=NOW - timedelta(weeks=1) + timedelta(days=1))

    assert org.card("kr").outcome.progress == Fraction(1, 2), "a week's last word counts"


def test_milestones_count_by_weight(org):
    add(org, "milestone")
    assert org.card("kr").outcome.why == "no_milestones"
    with org.core.database.writing() as session:
        for title, weight, finished in [("a", 1, NOW), ("b", 3, None)]:
            session.add(Milestone(workspace_id="w", key_result_id="kr", title=title, weight=Fraction(weight),
                                  finished_at=finished))  # fmt: skip

    assert org.card("kr").outcome.progress == Fraction(1, 4)


def test_what_finished_links_declare_is_shown_as_claimed_until_measured(org):
    add(org, "issue_delta", baseline=Fraction(22), target=Fraction(35))
    for issue, change in [("1", 4), ("2", 6)]:
        org.tell(issue, "todo", at=1)
        org.link(issue, "kr", declared_change=Fraction(change))
    org.tell("1", "done", at=2)

    card = org.card("kr")
    assert (card.outcome.value, card.outcome.claimed, card.progress) == (26, True, None)

    check_in(org, 23)

    card = org.card("kr")
    assert (card.outcome.value, card.outcome.claimed, card.progress) == (23, False, Fraction(1, 13))


def test_a_late_check_in_makes_the_drivers_word_outdated(org):
    add(org, "metric", baseline=Fraction(0), target=Fraction(10))
    assert org.card("kr").status == "outdated", "the first one was due a week after it was made"

    check_in(org, 5, status="green", confidence=Fraction(7, 10))
    assert org.card("kr").status == "green"

    def status_after(days):
        with org.core.database.reading() as session:
            row = session.get_one(KeyResult, "kr")
            return scorecards(session, "w", [row], NOW.date() + timedelta(days=days))["kr"].status

    assert [status_after(7), status_after(10), status_after(11)] == ["green", "green", "outdated"]


def test_without_a_word_it_is_pending_never_green(org):
    add(org, "metric", baseline=Fraction(0), target=Fraction(10), value=Fraction(10), created_at=NOW)

    card = org.card("kr")

    assert (card.progress, card.status, card.evidence_status) == (1, "pending", "green")


def test_green_against_the_evidence_is_disputed(org):
    add(org, "metric", baseline=Fraction(0), target=Fraction(100))
    check_in(org, 1, status="green")

    card = org.card("kr")

    assert (card.status, card.evidence_status, card.disputed) == ("green", "red", True)


@pytest.mark.parametrize("closed", ["key result", "objective"])
def test_what_is_closed_says_so(org, closed):
    add(org, "metric")
    with org.core.database.writing() as session:
        row = session.get_one(KeyResult, "kr") if closed == "key result" else session.get_one(Objective, "o")
        row.state = "closed"

    assert org.card("kr").status == "closed"


def test_a_recent_fall_is_the_worse_opinion_and_says_so(org):
    add(org, "metric", baseline=Fraction(0), target=Fraction(100))
    for days, value in [(20, 60), (10, 50), (0, 40)]:
        check_in(org, value, at=NOW - timedelta(days=days))

    pace = org.card("kr").pace

    assert pace.because_of_slope
    assert (pace.status, pace.projected) == ("red", 0)


def test_an_objective_tells_its_coverage(org):
    org.tell("1", "done", at=1)
    org.link("1")
    with org.core.database.reading() as session:
        rows = [session.get_one(KeyResult, name) for name in ("ratio", "points", "metric")]
        number = objective_number(rows, scorecards(session, "w", rows, date(2026, 8, 3)))

    assert (number.progress, number.coverage) == (1, "1 of 3 measured")


def test_scorecards_cost_the_same_for_one_key_result_as_for_sixty(org):
    with org.core.database.writing() as session:
        session.add_all(
            KeyResult(id=f"k{n}", workspace_id="w", objective_id="o", title="K", driver_id="p") for n in range(60)
        )

    def cost(how_many):
        with org.core.database.reading() as session:
            rows = session.query(KeyResult).filter(KeyResult.id.like("k%")).limit(how_many).all()
            [row.objective.cycle for row in rows]
            with counted(org.core.database.engine) as sent:
                scorecards(session, "w", rows, datetime.now(UTC).date())
            return len(sent)

    assert cost(1) == cost(60)
