"""Plays the story over real HTTP and holds every number and every ledger row against what the script says."""

from __future__ import annotations

import time
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import requests
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from web.demo.api import Api
from web.demo.linear_script import LINEAR_SCENES
from web.demo.planning_acts import PlanningActs
from web.demo.planning_script import PLANNING_SCENES
from web.demo.script import AFTER_REOPEN, OBJECTIVE, SCENES, START, Name, Numbers, Overlay, Row, Scene
from web.demo.stage import Stage, StageFailed
from web.sandbox import Issue, JiraSite
from web.sandbox.linear import LinearWorkspace

# How long a number may take to arrive; it usually takes a few hundredths of a second.
PATIENCE_SECONDS = 10.0


def empty_site(port: int) -> JiraSite:
    """Return a stand-in site with people and projects, and no issues."""
    return JiraSite(name="Acme", base_url=f"http://127.0.0.1:{port}", seed=False)


def empty_workspace(port: int) -> LinearWorkspace:
    """Return a stand-in workspace with people and teams, and no issues."""
    return LinearWorkspace(name="Acme", base_url=f"http://127.0.0.1:{port}", seed=False)


class Story(PlanningActs):
    """One performance on a stage with an empty site and an empty workspace."""

    def __init__(self, stage: Stage, out: Console) -> None:
        super().__init__(stage)
        self.site = stage.site
        self.out = out
        self.issues: dict[str, Issue] = {}
        self.key_results: dict[Name, str] = {}
        self.expected: dict[Name, Numbers] = dict(START)
        self.rows: dict[Name, list[Row]] = {name: [] for name in START}
        self.faults: list[str] = []
        self.moments: dict[str, datetime] = {}
        self._api: Api | None = None

    @property
    def api(self) -> Api:
        """The API as the programme's own token opens it."""
        if self._api is None:
            secret = self.stage.run_ladder("token", "create", "story").split()[-1]
            self._api = Api(self.stage.ladder_url, secret)
        return self._api

    def play(self) -> bool:
        """Play every scene; return whether all numbers and rows were as specified."""
        begun = time.monotonic()
        scenes = (*SCENES, *LINEAR_SCENES, *PLANNING_SCENES)
        for count, scene in enumerate(scenes, 1):
            self.out.print(f"\n[bold]{count}. {escape(scene.title)}[/]")
            getattr(self, scene.play)()
            self.stage.settle()
            self._compare(scene)
            self.moments[scene.play] = datetime.now(UTC)
            # Jira's times have whole milliseconds: what comes next must not share one with this moment.
            time.sleep(0.002)
        self._check_objective()
        self._check_time_travel()
        self._check_deltas()
        self._check_recompute()
        seconds = time.monotonic() - begun
        if self.faults:
            self.out.print(f"\n[bold red]{len(self.faults)} of these are not what the specification says:[/]")
            for fault in self.faults:
                self.out.print(f"  {escape(fault)}")
            return False
        rows = sum(len(rows) for rows in self.rows.values())
        self.out.print(
            f"\n[bold green]All as specified[/]: {len(scenes)} scenes, {len(self.key_results)} key results, "
            f"{rows} ledger rows, {seconds:.0f} s."
        )
        return True

    # ------------------------------------------------------------------ what happens

    def install(self) -> None:
        """Make the first issues, then install: what was there before is read when it is linked."""
        site = self.site
        self._make("E", "Enterprise sign-in", "Epic")
        for name in ("S1", "S2", "S3"):
            self._make(name, f"Story {name}", parent="E")
        site.transition(self.issues["S1"], "Done")
        site.install(self.stage.ladder_url)
        for name, points in (("P1", 5), ("P2", 3), ("P3", None), ("P4", 8)):
            self._make(name, f"Work of {points or 'unknown'} points", points=points)
        for name in ("A", "B", "C"):
            self._make(name, f"Single issue {name}")
        site.transition(self.issues["P1"], "Done")
        site.transition(self.issues["P2"], "In Progress")
        site.transition(self.issues["P4"], "Done", "Won't Do")
        site.transition(self.issues["B"], "In Progress")

    def make_goals(self) -> None:
        """Make a cycle, a team, a person, an objective and four key results."""
        api = self.api
        today = datetime.now(UTC).date()
        days = {"starts_on": str(today - timedelta(days=40)), "ends_on": str(today + timedelta(days=50))}
        cycle = api.post("/cycles", {"name": "Cycle", **days})
        company = api.post("/teams", {"name": "Acme", "level": "company"})
        team = api.post("/teams", {"name": "Atlas", "level": "team", "parent_id": company["id"]})
        driver = api.post("/people", {"name": "Mira Okafor"})
        placed = {"cycle_id": cycle["id"], "owner_id": driver["id"]}
        above = api.post(
            "/objectives", {"title": "Win regulated markets this year", "team_id": company["id"], **placed}
        )
        self.objective = api.post(
            "/objectives",
            {
                "title": "Make sign-in effortless this quarter",
                "team_id": team["id"],
                "parent_id": above["id"],
                **placed,
            },
        )["id"]
        shapes: Mapping[Name, dict[str, Any]] = {
            "sso": {"title": "Enterprise sign-in finished", "kind": "issue_ratio"},
            "activation": {"title": "Activation from 22 % to 35 %", "baseline": 22, "target": 35, "unit": "%"},
            "points": {"title": "Points finished", "kind": "issue_ratio", "options": {"size_by": "estimate"}},
            "solved": {"title": "Problems solved, from 0 to 4", "kind": "issue_count", "target": 4},
        }
        for name, shape in shapes.items():
            body = {"objective_id": self.objective, "driver_id": driver["id"], **shape}
            self.key_results[name] = api.post("/key-results", body)["id"]

    def measure(self) -> None:
        """Push a measured value."""
        self.api.post(self._path("activation", "check-ins"), {"value": 28})

    def link_epic(self) -> None:
        """Link the epic by its key."""
        self._link("sso", "E")

    def link_issues(self) -> None:
        """Link single issues; one of them with a weight, two of them to a second key result."""
        self._link("activation", "A")
        self._link("activation", "B", weight=3)
        for name in ("P1", "P2", "P3", "P4"):
            self._link("points", name)
        self._link("solved", "S1")
        self._link("solved", "S2")

    def start(self) -> None:
        """Start a story."""
        self.site.transition(self.issues["S3"], "In Progress")

    def close(self) -> None:
        """Close a story and a single issue."""
        self.site.transition(self.issues["S2"], "Done")
        self.site.transition(self.issues["A"], "Done")

    def reopen(self) -> None:
        """Reopen the story."""
        self.site.transition(self.issues["S2"], "To Do")

    def cancel(self) -> None:
        """Close a story as not to be done."""
        self.site.transition(self.issues["S3"], "Done", "Won't Do")

    def add_scope(self) -> None:
        """Add a story below the epic, and a sub-task below a story."""
        self._make("S4", "Story S4", parent="E")
        self._make("T1", "Part of S2", "Sub-task", parent="S2")

    def re_estimate(self) -> None:
        """Change one estimate and set another."""
        self.site.estimate(self.issues["P2"], 8)
        self.site.estimate(self.issues["P3"], 2)

    def move_linked(self) -> None:
        """Move a linked issue between projects, where its key changes."""
        before = self.issues["A"].key
        self.site.move(self.issues["A"], "OPS")
        self.stage.settle()
        shown = {link["external_id"]: link["key"] for link in self.api.all(self._path("activation", "links"))}
        now = self.issues["A"].key
        self._hold(f"the link's key after the move from {before}", now, shown.get(self.issues["A"].id))

    def move_out(self) -> None:
        """Move a story to a project where its epic can't follow."""
        self.site.move(self.issues["S4"], "PLAT")

    def shuffle(self) -> None:
        """Deliver three changes of one story newest first, each of them again, and then all in the queue once more."""
        webhooks = self.site.webhooks
        webhooks.pause()
        for status in ("Done", "To Do", "Done"):
            self.site.transition(self.issues["S2"], status)
        oldest, middle, newest = webhooks.waiting
        for delivery in (newest, newest, oldest, middle, oldest, middle):
            webhooks.deliver(delivery)
        webhooks.resume()

    def same_moment(self) -> None:
        """Make two changes that carry the same update time."""
        self.site.transition(self.issues["S3"], "To Do")
        self.stage.settle()
        self.site.freeze_updated = True
        self.site.transition(self.issues["S3"], "Done")
        self.site.freeze_updated = False

    def reweigh(self) -> None:
        """Change a link's weight."""
        self.api.patch(self._path("activation", "links", self._link_id("activation", "B")), {"weight": 1})

    def delete(self) -> None:
        """Delete a linked issue."""
        self.site.delete(self.issues["B"])

    def link_and_unlink(self) -> None:
        """Link an issue and take the link away."""
        self._link("activation", "C")
        self.api.delete(self._path("activation", "links", self._link_id("activation", "C")))

    def correct(self) -> None:
        """Measure, correct the measurement, and edit the target."""
        made = self.api.post(self._path("activation", "check-ins"), {"value": 31})
        self.api.patch(self._path("activation", "check-ins", made["id"]), {"value": 30.3})
        self.api.patch(self._path("activation"), {"target": 42})

    def lose(self) -> None:
        """Close an issue whose delivery never arrives."""
        self.site.webhooks.drop(1)
        self.site.transition(self.issues["P2"], "Done")

    def reconcile(self) -> None:
        """Have Ladder look for what was never delivered."""
        self.stage.run_ladder("reconcile")

    def uninstall(self) -> None:
        """Uninstall; work goes on in Jira."""
        self.stage.settle()
        self.site.uninstall()
        self.site.transition(self.issues["P3"], "Done")

    def reinstall(self) -> None:
        """Install again: Jira hands out another secret."""
        self.site.reinstall()

    def after_reinstall(self) -> None:
        """Change something that arrives under the new secret."""
        self.site.transition(self.issues["S1"], "To Do")

    # ------------------------------------------------------------------ what must have come of it

    def _compare(self, scene: Scene) -> None:
        for name in self.key_results:
            before, told = self.expected[name], self.rows[name]
            wanted = scene.numbers.get(name, before)
            rows = [*told, *scene.rows.get(name, ())]
            shown, ledger = self._observe(name, wanted, rows)
            self._hold(f"{scene.play}: {name}", wanted, shown)
            self._hold(f"{scene.play}: ledger of {name}", rows[len(told) :], ledger[len(told) :])
            self._hold(f"{scene.play}: earlier rows of {name}", told, ledger[: len(told)])
            # From here on by what is there, so that one fault is told once.
            self.expected[name], self.rows[name] = shown, ledger
            if shown != before or ledger != told:
                self._print(name, before, shown, ledger[len(told) :])
        if scene.overlay is not None:
            seen = self._observe_overlay(scene.overlay)
            self._hold(f"{scene.play}: the overlay", scene.overlay, seen)
            self.out.print(
                f"  sprint: {seen.aligned} aligned, {seen.business_as_usual} business as usual, {seen.unaligned} "
                f"unaligned; planned {seen.now} -> with scope {seen.after_adding_scope} -> if all is done "
                f"{seen.if_all_sprint_work_finishes}, {seen.gain_pp} pp"
            )

    def _observe(self, name: Name, wanted: Numbers, rows: list[Row]) -> tuple[Numbers, list[Row]]:
        """Return what Ladder shows, waiting a little for what is wanted, as somebody at the page would."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while True:
            shown, ledger = self._numbers(name), self._ledger(name)
            if (shown, ledger) == (wanted, rows) or time.monotonic() > deadline:
                return shown, ledger
            time.sleep(0.05)

    def _observe_overlay(self, wanted: Overlay) -> Overlay:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while (seen := self.overlay()) != wanted and time.monotonic() < deadline:
            time.sleep(0.05)
        return seen

    def _numbers(self, name: Name) -> Numbers:
        answer = self.api.get(self._path(name))
        work = answer["work"]
        sums = f"{work['numerator'] or '0'} of {work['denominator'] or '0'}"
        return Numbers(work["progress"], sums, answer["outcome"]["progress"], tuple(work["flags"]))

    def _ledger(self, name: Name) -> list[Row]:
        names = {issue.id: nickname for nickname, issue in self.issues.items()}
        names |= {issue.id: nickname for nickname, issue in self.linear_issues.items()}
        rows = [
            Row(
                row["number"],
                row["cause"],
                names[row["issue"]["external_id"]] if row["issue"] else None,
                row["before"],
                row["after"],
                row["delta"],
                f"{row['numerator_after']} of {row['denominator_after']}" if row["number"] == "work" else "",
            )
            for row in self.api.all(self._path(name, "ledger"))
        ]
        return rows[::-1]

    def _check_objective(self) -> None:
        shown = self.api.get(f"/objectives/{self.objective}")
        self._hold("the objective's mean", OBJECTIVE, (shown["progress"], shown["measured"], shown["total"]))

    def _check_time_travel(self) -> None:
        if "reopen" not in self.moments:
            return
        at = self.moments["reopen"].isoformat()
        state = self.api.get(self._path("sso", "ledger"), at=at)["state"]
        shown = (state["work"], f"{state['numerator']} of {state['denominator']}")
        self._hold("sso as of the reopening", AFTER_REOPEN, shown)

    def _check_deltas(self) -> None:
        """Hold that each row takes up where the one before it ended, so that deltas sum to current minus start."""
        for name in self.key_results:
            for number in ("work", "outcome"):
                rows = [row for row in self._ledger(name) if row.number == number]
                for earlier, later in pairwise(rows):
                    self._hold(f"{name}: where {later.cause} of {later.issue} takes up", earlier.after, later.before)

    def _check_recompute(self) -> None:
        try:
            self.stage.run_ladder("recompute", "--check")
        except StageFailed as error:
            self.faults.append(str(error))
        unsigned = requests.post(f"{self.stage.ladder_url}/jira/webhooks", json={"webhookEvent": "x"}, timeout=10)
        self._hold("an unsigned delivery", 401, unsigned.status_code)

    def _hold(self, what: str, wanted: object, found: object) -> None:
        if wanted != found:
            self.faults.append(f"{what}: should be {wanted}, is {found}")
            self.out.print(f"  [red]differs[/] {escape(self.faults[-1])}")

    def _print(self, name: Name, before: Numbers, now: Numbers, rows: list[Row]) -> None:
        table = Table.grid(padding=(0, 2))
        table.add_row("", f"[bold]{name}[/]", f"work {_shown(before.work)} -> {_shown(now.work)}", now.sums)
        if before.outcome != now.outcome:
            table.add_row("", "", f"outcome {_shown(before.outcome)} -> {_shown(now.outcome)}", "")
        for row in rows:
            delta = "no delta" if row.delta is None else row.delta if row.delta.startswith("-") else f"+{row.delta}"
            about = f"{row.number}: {row.cause}{f' {row.issue}' if row.issue else ''}"
            table.add_row("", "", f"[dim]{about}[/]", f"[dim]{_shown(row.before)} -> {_shown(row.after)}  {delta}[/]")
        self.out.print(table)

    # ------------------------------------------------------------------ small moves

    def _make(
        self, name: str, summary: str, kind: str = "Story", *, parent: str | None = None, points: float | None = None
    ) -> None:
        above = self.issues[parent] if parent else None
        self.issues[name] = self.site.create_issue(summary, kind, parent=above, points=points)

    def _link(self, key_result: Name, issue: str, **more: Any) -> None:
        connection = {"connection_id": self.connection("jira").id, "key": self.issues[issue].key}
        self.api.post(self._path(key_result, "links"), {**connection, **more})

    def _link_id(self, key_result: Name, issue: str) -> str:
        links = self.api.all(self._path(key_result, "links"))
        return next(str(link["id"]) for link in links if link["external_id"] == self.issues[issue].id)

    def _path(self, name: Name, *rest: str) -> str:
        return "/".join(("/key-results", self.key_results[name], *rest))


def _shown(progress: str | None) -> str:
    return "–" if progress is None else progress
