"""The second half of the story: one key result that both trackers feed. Worked out by hand like the first half.

The cast: Jira's story J1 (done); Linear's issues L1 (started), L2, L3, L4 and L5. The key result `both` counts issues.
"""

from __future__ import annotations

from web.demo.script import Numbers, Row, Scene

LINEAR_SCENES: tuple[Scene, ...] = (
    Scene("linear_install", "Linear's admin agrees to Ladder on the consent page; it joins the same workspace"),
    Scene("make_shared_goal", "A key result for both trackers is made, and Linear gets a label to link by"),
    Scene(
        "link_from_jira",
        "Jira's story J1, which is done, is linked",
        {"both": Numbers("1", "1 of 1", None)},
        {"both": (Row("work", "scope_added", "J1", None, "1", None, "1 of 1"),)},
    ),
    Scene(
        "link_by_label",
        "In Linear, L1 (started) gets the label",
        {"both": Numbers("1/2", "1 of 2", None)},
        {"both": (Row("work", "scope_added", "L1", "1", "1/2", "-1/2", "1 of 2"),)},
    ),
    Scene(
        "link_by_hand",
        "L2 (to do) is linked in Ladder: a Jira story done, a Linear issue started, another to do",
        {"both": Numbers("1/3", "1 of 3", None)},
        {"both": (Row("work", "scope_added", "L2", "1/2", "1/3", "-1/6", "1 of 3"),)},
    ),
    Scene(
        "close_in_linear",
        "L1 is completed in Linear; its attachment and J1's panel say so",
        {"both": Numbers("2/3", "2 of 3", None)},
        {"both": (Row("work", "completed", "L1", "1/3", "2/3", "1/3", "2 of 3"),)},
    ),
    Scene(
        "cancel_in_linear",
        "L2 is canceled: it leaves both sides",
        {"both": Numbers("1", "2 of 2", None)},
        {"both": (Row("work", "dropped", "L2", "2/3", "1", "1/3", "2 of 2"),)},
    ),
    Scene(
        "duplicate",
        "L3 gets the label, and turns out to be a duplicate of L1",
        {},
        {
            "both": (
                Row("work", "scope_added", "L3", "1", "2/3", "-1/3", "2 of 3"),
                Row("work", "dropped", "L3", "2/3", "1", "1/3", "2 of 2"),
            )
        },
    ),
    Scene(
        "trash",
        "L4 gets the label; L1 is put into the trash, and its link is shown broken",
        {"both": Numbers("1/2", "1 of 2", None, ("link_broken",))},
        {
            "both": (
                Row("work", "scope_added", "L4", "1", "2/3", "-1/3", "2 of 3"),
                Row("work", "deleted", "L1", "2/3", "1/2", "-1/6", "1 of 2"),
            )
        },
    ),
    Scene(
        "restore",
        "L1 comes back from the trash, completed as it was",
        {"both": Numbers("2/3", "2 of 3", None)},
        {"both": (Row("work", "scope_added", "L1", "1/2", "2/3", "1/6", "2 of 3"),)},
    ),
    Scene(
        "unlink_by_label",
        "L4 loses the label: it is unlinked; so does L2, which was linked by hand and stays",
        {"both": Numbers("1", "2 of 2", None)},
        {"both": (Row("work", "scope_removed", "L4", "2/3", "1", "1/3", "2 of 2"),)},
    ),
    Scene(
        "token_ends",
        "Linear's token ends; linking L5 has it renewed on the way",
        {"both": Numbers("2/3", "2 of 3", None)},
        {"both": (Row("work", "scope_added", "L5", "1", "2/3", "-1/3", "2 of 3"),)},
    ),
    Scene("linear_uninstall", "Linear uninstalls Ladder; L5 is completed meanwhile: nothing moves, nothing is lost"),
    Scene(
        "linear_reinstall",
        "Linear installs it again: the same connection, and L5 is found",
        {"both": Numbers("1", "3 of 3", None)},
        {"both": (Row("work", "completed", "L5", "2/3", "1", "1/3", "3 of 3"),)},
    ),
    Scene(
        "after_linear_reinstall",
        "L5 is taken up again: webhooks arrive as before",
        {"both": Numbers("2/3", "2 of 3", None)},
        {"both": (Row("work", "reopened", "L5", "1", "2/3", "-1/3", "2 of 3"),)},
    ),
)
