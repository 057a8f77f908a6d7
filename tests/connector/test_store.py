"""The engine of mapping, run over SQL: the same numbers as a computation from nothing, after every step."""

import random
from datetime import UTC, date, datetime
from fractions import Fraction

import pytest
from sqlalchemy import select

from connector.database import Database
from connector.models import Base, Connection, CountedUnit, Cycle, Issue, KeyResult, Link, Objective, Person, Team
from connector.models import Workspace as WorkspaceRow
from connector.store import SqlStore, options_of
from mapping import running
from mapping.forest import Issue as IssueRecord
from mapping.issue_class import IssueClass
from mapping.progress import Options, SizeBy, Unestimated, work_progress
from mapping.recount import differences
from mapping.store import Link as LinkRecord

NOW = datetime(2026, 8, 3, 9, tzinfo=UTC)


@pytest.fixture
def database(tmp_path):
    database = Database(f"sqlite:///{tmp_path / 'test.db'}")
    Base.metadata.create_all(database.engine)
    with database.writing() as session:
        session.add(WorkspaceRow(id="w", name="Acme"))
        session.flush()
        session.add_all(
            [
                Connection(id="c", workspace_id="w", tracker="toy", tenant_key="t", site="https://toy.example"),
                Person(id="p", workspace_id="w", name="Ada"),
                Team(id="t", workspace_id="w", name="Atlas"),
                Cycle(id="q", workspace_id="w", name="Q3", starts_on=date(2026, 7, 1), ends_on=date(2026, 9, 30)),
            ]
        )
        session.flush()
        session.add(Objective(id="o", workspace_id="w", title="Win", cycle_id="q", team_id="t"))
        session.flush()
        for name in ("k1", "k2"):
            session.add(KeyResult(id=name, workspace_id="w", objective_id="o", title=name, driver_id="p"))
        session.add_all(Issue(id=n, workspace_id="w", connection_id="c", external_id=str(n)) for n in range(1, 13))
    yield database
    database.close()


@pytest.mark.parametrize("seed", range(6))
def test_random_events_leave_exactly_what_a_computation_from_nothing_gives(database, seed):
    dice = random.Random(seed)
    for _ in range(60):
        with database.writing() as session:
            store = SqlStore(session, "w", NOW)
            issue, key_result = dice.randint(1, 12), dice.choice(["k1", "k2"])
            links = {link.issue for link in store.links_of(key_result)}
            match dice.randint(0, 6):
                case 0 | 1:
                    running.set_class(store, issue, dice.choice(list(IssueClass)))
                case 2:
                    running.set_estimate(store, issue, dice.choice([None, Fraction(0), Fraction(3), Fraction(1, 2)]))
                case 3:
                    running.place(store, issue, dice.choice([None, *range(1, 13)]), dice.choice([-1, 0, 1]))
                case 4 if issue in links:
                    running.remove_link(store, key_result, issue)
                case 5 if issue in links:
                    running.set_weight(store, key_result, issue, Fraction(dice.randint(0, 4), 2))
                case 6:
                    running.set_options(
                        store,
                        key_result,
                        Options(
                            dice.choice(list(SizeBy)),
                            Fraction(dice.randint(0, 3), 4),
                            dice.choice([True, False]),
                            dice.choice(list(Unestimated)),
                        ),
                    )
                case _ if issue not in links:
                    session.add(Link(workspace_id="w", key_result_id=key_result, issue_id=issue, state="waiting"))
                    session.flush()
                    running.add_link(store, LinkRecord(key_result, issue, Fraction(1)))
            store.flush()

        with database.reading() as session:
            records = {
                row.id: IssueRecord(IssueClass(row.cls), row.estimate, row.raw_parent_id, row.level)
                for row in session.scalars(select(Issue))
            }
            for row in session.scalars(select(KeyResult)).all():
                pairs = [
                    (link.issue_id, link.weight)
                    for link in session.scalars(select(Link).where(Link.key_result_id == row.id))
                ]
                computed = work_progress(records, pairs, options_of(row))
                store = SqlStore(session, "w", NOW)
                kept = store.sums(row.id).snapshot(options_of(row))
                units = session.scalars(select(CountedUnit.issue_id).where(CountedUnit.key_result_id == row.id))
                assert (kept.num, kept.den, kept.flags) == (computed.num, computed.den, computed.flags)
                assert sorted(units, key=str) == list(computed.units)
                assert differences(store, row.id) == []


def test_a_link_that_waits_counts_nothing(database):
    with database.writing() as session:
        session.add(Link(workspace_id="w", key_result_id="k1", issue_id=1, state="waiting"))
        session.flush()
        store = SqlStore(session, "w", NOW)

        assert running.set_class(store, 1, IssueClass.DONE) == []
        assert list(store.links_of("k1")) == []


def test_an_issue_that_was_never_heard_of_has_no_record(database):
    with database.reading() as session, pytest.raises(KeyError):
        SqlStore(session, "w", NOW).node(999)
