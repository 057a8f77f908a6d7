"""The third part of the story: a sprint, and what it will do to a key result. Worked out by hand like the others.

The cast: N1 (20 points, done) and N3 (28) outside the sprint; N2 (2), N4 (3) and N5 (5) in it. The key result `planned`
counts by estimate. A rule links what carries the label "sign-in" to it.
"""

from __future__ import annotations

from web.demo.script import Numbers, Overlay, Row, Scene

PLANNING_SCENES: tuple[Scene, ...] = (
    Scene(
        "plan_sprint",
        "A sprint starts with N2, N4, N5; N1, N2, N3 are linked: 20 of 50 points are done, the sprint holds 2",
        {"planned": Numbers("2/5", "20 of 50", None)},
        {
            "planned": (
                Row("work", "scope_added", "N1", None, "1", None, "20 of 20"),
                Row("work", "scope_added", "N2", "1", "10/11", "-1/11", "20 of 22"),
                Row("work", "scope_added", "N3", "10/11", "2/5", "-28/55", "20 of 50"),
            )
        },
        # 2 of the sprint's 10 points ladder into a goal; doing them takes 20 of 50 to 22 of 50.
        Overlay("1/5", "0", "4/5", "2/5", "2/5", "11/25", "4.0"),
    ),
    Scene(
        "make_rule",
        "A rule for the label sign-in is previewed, then made: it links N4",
        {"planned": Numbers("20/53", "20 of 53", None)},
        {"planned": (Row("work", "scope_added", "N4", "2/5", "20/53", "-6/265", "20 of 53"),)},
        # 5 of 10 points; 25 of 53 points once they are done.
        Overlay("1/2", "0", "1/2", "20/53", "20/53", "25/53", "9.43"),
    ),
    Scene(
        "label_issue",
        "N5 gets the label: the rule links it too",
        {"planned": Numbers("10/29", "20 of 58", None)},
        {"planned": (Row("work", "scope_added", "N5", "20/53", "10/29", "-50/1537", "20 of 58"),)},
        Overlay("1", "0", "0", "10/29", "10/29", "15/29", "17.24"),
    ),
    Scene(
        "close_in_sprint",
        "N4 is done",
        {"planned": Numbers("23/58", "23 of 58", None)},
        {"planned": (Row("work", "completed", "N4", "10/29", "23/58", "3/58", "23 of 58"),)},
        Overlay("1", "0", "0", "23/58", "23/58", "15/29", "12.07"),
    ),
    Scene(
        "unlabel_issue",
        "N5 loses the label: what the rule linked, it unlinks",
        {"planned": Numbers("23/53", "23 of 53", None)},
        {"planned": (Row("work", "scope_removed", "N5", "23/58", "23/53", "115/3074", "23 of 53"),)},
        Overlay("1/2", "0", "1/2", "23/53", "23/53", "25/53", "3.77"),
    ),
    Scene(
        "leave_sprint",
        "N2 leaves the sprint: nothing of it is left to do for the key result",
        {},
        {},
        # N4 (done) and N5 are left: 3 of 8 points ladder into a goal.
        Overlay("3/8", "0", "5/8", "23/53", "23/53", "23/53", "0.0"),
    ),
)
