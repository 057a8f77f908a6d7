"""The story and what must come of it: every number and every ledger row, worked out by hand from the specification.

Nothing here is computed. Numbers are exact; work is written "finished of all" beside its progress. A step names the key
results that it moves; all others must stay exactly as they are and get no row.

The cast: epic E with stories S1 (done), S2, S3; single issues A, B (started), C; P1 (5 points, done), P2 (3, started),
P3 (not estimated), P4 (8, cancelled). Key results: sso counts what hangs below E, activation is a metric with A and B
as evidence, points counts by estimate, solved counts finished issues up to a target of 4.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

Name = Literal["sso", "activation", "points", "solved", "both", "planned"]


@dataclass(frozen=True, slots=True)
class Row:
    """One ledger row. `sums` is numerator of denominator after it, for work; outcome rows have none."""

    number: Literal["work", "outcome"]
    cause: str
    issue: str | None
    before: str | None
    after: str | None
    delta: str | None
    sums: str = ""


@dataclass(frozen=True, slots=True)
class Numbers:
    """What a key result shows: work progress, its sums, outcome progress; None is "no number"."""

    work: str | None
    sums: str
    outcome: str | None
    flags: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Overlay:
    """What the sprint overlay says: shares by size, and of one key result now -> with scope -> if all is done."""

    aligned: str
    business_as_usual: str
    unaligned: str
    now: str
    after_adding_scope: str
    if_all_sprint_work_finishes: str
    gain_pp: str


@dataclass(frozen=True, slots=True)
class Scene:
    """One thing that happens (`play` names the method that does it) and its effect."""

    play: str
    title: str
    numbers: Mapping[Name, Numbers] = field(default_factory=dict)
    rows: Mapping[Name, tuple[Row, ...]] = field(default_factory=dict)
    overlay: Overlay | None = None


START: Mapping[Name, Numbers] = {
    "sso": Numbers(None, "0 of 0", None),
    "activation": Numbers(None, "0 of 0", None),
    "points": Numbers(None, "0 of 0", None),
    # Nothing finished yet on the way from 0 to 4.
    "solved": Numbers(None, "0 of 0", "0"),
    # Fed by both trackers, in linear_script.py.
    "both": Numbers(None, "0 of 0", None),
    # Behind a sprint, in planning_script.py.
    "planned": Numbers(None, "0 of 0", None),
}

SCENES: tuple[Scene, ...] = (
    Scene("install", "Jira installs Ladder by the signed handshake"),
    Scene("make_goals", "Goals are made through the API"),
    Scene(
        "measure",
        "The driver measures activation: 28, on the way from 22 to 35",
        # 6 of the 13 points between 22 and 35.
        {"activation": Numbers(None, "0 of 0", "6/13")},
        {"activation": (Row("outcome", "measured", None, None, "6/13", None),)},
    ),
    Scene(
        "link_epic",
        "Epic E is linked: one of its three stories is done",
        {"sso": Numbers("1/3", "1 of 3", None)},
        {"sso": (Row("work", "scope_added", "E", None, "1/3", None, "1 of 3"),)},
    ),
    Scene(
        "link_issues",
        "Single issues are linked: A, B with weight 3; P1 to P4 by points; S1 and S2 a second time",
        {
            "activation": Numbers("0", "0 of 4", "6/13"),
            # 5 of 5 + 3 + 1 (not estimated counts 1; cancelled leaves both sides)
            "points": Numbers("5/9", "5 of 9", None, ("unestimated_units",)),
            # One finished of the target of 4.
            "solved": Numbers("1/2", "1 of 2", "1/4"),
        },
        {
            "activation": (
                Row("work", "scope_added", "A", None, "0", None, "0 of 1"),
                Row("work", "scope_added", "B", "0", "0", "0", "0 of 4"),
            ),
            "points": (
                Row("work", "scope_added", "P1", None, "1", None, "5 of 5"),
                Row("work", "scope_added", "P2", "1", "5/8", "-3/8", "5 of 8"),
                Row("work", "scope_added", "P3", "5/8", "5/9", "-5/72", "5 of 9"),
            ),
            "solved": (
                Row("work", "scope_added", "S1", None, "1", None, "1 of 1"),
                # The first link: no delta is claimed, also where the number without links is 0.
                Row("outcome", "scope_added", "S1", None, "1/4", None),
                Row("work", "scope_added", "S2", "1", "1/2", "-1/2", "1 of 2"),
            ),
        },
    ),
    Scene(
        "start",
        "S3 is started: a row, but no credit",
        {},
        {"sso": (Row("work", "started", "S3", "1/3", "1/3", "0", "1 of 3"),)},
    ),
    Scene(
        "close",
        "S2 and A are closed",
        {
            "sso": Numbers("2/3", "2 of 3", None),
            "activation": Numbers("1/4", "1 of 4", "6/13"),
            "solved": Numbers("1", "2 of 2", "1/2"),
        },
        {
            "sso": (Row("work", "completed", "S2", "1/3", "2/3", "1/3", "2 of 3"),),
            "activation": (Row("work", "completed", "A", "0", "1/4", "1/4", "1 of 4"),),
            "solved": (
                Row("work", "completed", "S2", "1/2", "1", "1/2", "2 of 2"),
                Row("outcome", "completed", "S2", "1/4", "1/2", "1/4"),
            ),
        },
    ),
    Scene(
        "reopen",
        "S2 is reopened",
        {
            "sso": Numbers("1/3", "1 of 3", None),
            "solved": Numbers("1/2", "1 of 2", "1/4"),
        },
        {
            "sso": (Row("work", "reopened", "S2", "2/3", "1/3", "-1/3", "1 of 3"),),
            "solved": (
                Row("work", "reopened", "S2", "1", "1/2", "-1/2", "1 of 2"),
                Row("outcome", "reopened", "S2", "1/2", "1/4", "-1/4"),
            ),
        },
    ),
    Scene(
        "cancel",
        "S3 is cancelled (Won't Do): it leaves both sides, and the rise is named so",
        {"sso": Numbers("1/2", "1 of 2", None)},
        {"sso": (Row("work", "dropped", "S3", "1/3", "1/2", "1/6", "1 of 2"),)},
    ),
    Scene(
        "add_scope",
        "S4 is added below E; a sub-task below S2 counts nothing",
        {"sso": Numbers("1/3", "1 of 3", None)},
        {"sso": (Row("work", "scope_added", "S4", "1/2", "1/3", "-1/6", "1 of 3"),)},
    ),
    Scene(
        "re_estimate",
        "P2 grows from 3 to 8 points, P3 is estimated at 2",
        {"points": Numbers("1/3", "5 of 15", None)},
        {
            "points": (
                Row("work", "resized", "P2", "5/9", "5/14", "-25/126", "5 of 14"),
                Row("work", "resized", "P3", "5/14", "1/3", "-1/42", "5 of 15"),
            )
        },
    ),
    Scene("move_linked", "A moves to another project: a new key, the same link, no row"),
    Scene(
        "move_out",
        "S4 moves to a team-managed project and so leaves E",
        {"sso": Numbers("1/2", "1 of 2", None)},
        {"sso": (Row("work", "scope_removed", "S4", "1/3", "1/2", "1/6", "1 of 2"),)},
    ),
    Scene(
        "shuffle",
        "S2 is closed, reopened and closed; the last delivery comes first, all of them twice",
        {
            "sso": Numbers("1", "2 of 2", None),
            "solved": Numbers("1", "2 of 2", "1/2"),
        },
        {
            "sso": (Row("work", "completed", "S2", "1/2", "1", "1/2", "2 of 2"),),
            "solved": (
                Row("work", "completed", "S2", "1/2", "1", "1/2", "2 of 2"),
                Row("outcome", "completed", "S2", "1/4", "1/2", "1/4"),
            ),
        },
    ),
    Scene(
        "same_moment",
        "S3 comes back and is closed with one and the same timestamp: read again",
        {"sso": Numbers("1", "3 of 3", None)},
        {
            "sso": (
                Row("work", "reopened", "S3", "1", "2/3", "-1/3", "2 of 3"),
                Row("work", "completed", "S3", "2/3", "1", "1/3", "3 of 3"),
            )
        },
    ),
    Scene(
        "reweigh",
        "B's weight goes from 3 to 1",
        {"activation": Numbers("1/2", "1 of 2", "6/13")},
        {"activation": (Row("work", "reweighted", "B", "1/4", "1/2", "1/4", "1 of 2"),)},
    ),
    Scene(
        "delete",
        "B is deleted: the link is shown broken",
        {"activation": Numbers("1", "1 of 1", "6/13", ("link_broken",))},
        {"activation": (Row("work", "deleted", "B", "1/2", "1", "1/2", "1 of 1"),)},
    ),
    Scene(
        "link_and_unlink",
        "C is linked and unlinked again: the way back up is no delivery",
        {},
        {
            "activation": (
                Row("work", "scope_added", "C", "1", "1/2", "-1/2", "1 of 2"),
                Row("work", "scope_removed", "C", "1/2", "1", "1/2", "1 of 1"),
            )
        },
    ),
    Scene(
        "correct",
        "Activation is measured at 31, corrected to 30.3, and the target moves from 35 to 42",
        # 8.3 of the 20 points between 22 and 42.
        {"activation": Numbers("1", "1 of 1", "83/200", ("link_broken",))},
        {
            "activation": (
                Row("outcome", "measured", None, "6/13", "9/13", "3/13"),
                Row("outcome", "corrected", None, "9/13", "83/130", "-7/130"),
                Row("outcome", "target_edited", None, "83/130", "83/200", "-581/2600"),
            )
        },
    ),
    Scene("lose", "P2 is closed, and the delivery is lost: nothing moves"),
    Scene(
        "reconcile",
        "ladder reconcile finds it",
        {"points": Numbers("13/15", "13 of 15", None)},
        {"points": (Row("work", "completed", "P2", "1/3", "13/15", "8/15", "13 of 15"),)},
    ),
    Scene("uninstall", "Jira uninstalls Ladder; P3 is closed meanwhile: nothing moves, nothing is lost"),
    Scene(
        "reinstall",
        "Jira installs it again with a new secret: links are still there, and P3 is found",
        {"points": Numbers("1", "15 of 15", None)},
        {"points": (Row("work", "completed", "P3", "13/15", "1", "2/15", "15 of 15"),)},
    ),
    Scene(
        "after_reinstall",
        "S1 is reopened: webhooks arrive as before",
        {
            "sso": Numbers("2/3", "2 of 3", None),
            "solved": Numbers("1/2", "1 of 2", "1/4"),
        },
        {
            "sso": (Row("work", "reopened", "S1", "1", "2/3", "-1/3", "2 of 3"),),
            "solved": (
                Row("work", "reopened", "S1", "1", "1/2", "-1/2", "1 of 2"),
                Row("outcome", "reopened", "S1", "1/2", "1/4", "-1/4"),
            ),
        },
    ),
)

# The objective's mean over what stands for each kind: sso 2/3 (work), activation 83/200, points 1 (work), solved 1/4,
# both 2/3 (work), planned 23/53 (work).
OBJECTIVE = ("109147/190800", 6, 6)

# Time travel: sso as it was right after "reopen".
AFTER_REOPEN = ("1/3", "1 of 3")
