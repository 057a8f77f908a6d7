"""What happens in the third part of the story: planning a sprint."""

from __future__ import annotations

from web.demo.linear_acts import LinearActs
from web.demo.script import Overlay
from web.sandbox import Sprint

TITLE = "Story points of the sprint's goal finished"
LABEL = "sign-in"
POINTS = {"N1": 20, "N2": 2, "N3": 28, "N4": 3, "N5": 5}
HELD = ("N2", "N4", "N5")


class PlanningActs(LinearActs):
    """The scenes around a sprint; the rest of the story is a subclass."""

    sprint: Sprint | None = None

    def plan_sprint(self) -> None:
        """Make a key result, a sprint and its issues, and link some of them."""
        driver = self.api.get(self._path("sso"))["driver_id"]
        body = {"objective_id": self.objective, "driver_id": driver, "title": TITLE, "kind": "issue_ratio"}
        made = self.api.post("/key-results", {**body, "options": {"size_by": "estimate"}})
        self.key_results["planned"] = made["id"]
        site = self.stage.site
        self.sprint = site.create_sprint("Sprint 1")
        site.start_sprint(self.sprint)
        for name, points in POINTS.items():
            self._make(name, f"Work of {points} points", points=points)
            if name in HELD:
                site.set_sprint(self.issues[name], self.sprint)
        site.transition(self.issues["N1"], "Done")
        site.edit(self.issues["N4"], labels=[LABEL])
        self.stage.settle()
        for name in ("N1", "N2", "N3"):
            self._link("planned", name)

    def make_rule(self) -> None:
        """Preview a rule for a label, then make it."""
        rule = {"connection_id": self.connection("jira").id, "kind": "label", "text": LABEL}
        preview = self.api.post(self._path("planned", "rules", "preview"), rule)
        self._hold("the preview's issues", 1, preview["matches"])
        self._hold("the preview's effect", ("2/5", "20/53"), (preview["work_now"], preview["work_then"]))
        self.api.post(self._path("planned", "rules"), rule)

    def label_issue(self) -> None:
        """Put the label on another issue of the sprint."""
        self.stage.site.edit(self.issues["N5"], labels=[LABEL])

    def close_in_sprint(self) -> None:
        """Close an issue of the sprint."""
        self.stage.site.transition(self.issues["N4"], "Done")

    def unlabel_issue(self) -> None:
        """Take the label away."""
        self.stage.site.edit(self.issues["N5"], labels=[])

    def leave_sprint(self) -> None:
        """Put an issue back into the backlog."""
        self.stage.site.set_sprint(self.issues["N2"], None)

    def overlay(self) -> Overlay:
        """What Ladder says of the sprint now."""
        sprint_id = str(self.sprint.id) if self.sprint is not None else ""
        told = self.api.get("/overlay", connection_id=self.connection("jira").id, sprint_id=sprint_id)
        key_result = next(one for one in told["key_results"] if one["key_result_id"] == self.key_results["planned"])
        shares = told["shares"]
        return Overlay(
            shares["aligned"],
            shares["business_as_usual"],
            shares["unaligned"],
            key_result["now"],
            key_result["after_adding_scope"],
            key_result["if_all_sprint_work_finishes"],
            key_result["gain_pp"],
        )
