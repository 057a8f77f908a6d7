"""What the made-up company Acme wants this quarter, and what happened in its first weeks. Data for `season`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any

from connector.goals import Definition, WorkOptions
from web.sandbox.seeding import ENGINEER, LEAD, SECOND_ENGINEER, VIEWER

INES, MIRA, JONAS, PRIYA = "Ines Duarte", "Mira Okafor", "Jonas Weber", "Priya Raman"

# name, role, account in the stand-in site
PEOPLE: Sequence[tuple[str, str, str | None]] = (
    (MIRA, "admin", LEAD),
    (INES, "member", None),
    (JONAS, "member", ENGINEER),
    (PRIYA, "member", SECOND_ENGINEER),
    ("Tomás Silva", "viewer", VIEWER),
)

# name, level, above
TEAMS: Sequence[tuple[str, str, str]] = (
    ("Acme", "company", ""),
    ("Product", "department", "Acme"),
    ("Atlas", "team", "Product"),
    ("Platform", "team", "Product"),
)

# short name, title, team, owner, what it ladders into
OBJECTIVES: Sequence[tuple[str, str, str, str, str]] = (
    ("company", "Become the default choice in regulated markets by the end of the year", "Acme", INES, ""),
    ("trust", "Win the trust of enterprise administrators this quarter", "Product", MIRA, "company"),
    ("manual", "Be understood without a manual by the end of the quarter", "Product", INES, "company"),
    ("value", "Let every new team see value in its first week this quarter", "Atlas", MIRA, "trust"),
    ("sign-in", "Make enterprise sign-in feel effortless by the end of the quarter", "Atlas", MIRA, "trust"),
    ("calm", "Run the platform calmly and cheaply this quarter", "Platform", PRIYA, "company"),
)

# short name, objective, title, driver, the rest
KEY_RESULTS: Sequence[tuple[str, str, str, str, Mapping[str, Any]]] = (
    (
        "customers",
        "company",
        "Customers in regulated markets from 14 to 25 by {end:%d %b}",
        INES,
        {"unit": "customers", "definition": Definition(baseline=Fraction(14), target=Fraction(25))},
    ),
    (
        "errors",
        "trust",
        "Failed sign-ins stay between 0 % and 0.5 % until {end:%d %b}",
        MIRA,
        {"unit": "%", "definition": Definition(kind="maintain", band=(Fraction(0), Fraction(1, 2)))},
    ),
    (
        "soc2",
        "trust",
        "SOC 2 certificate in hand by {end:%d %b}",
        INES,
        {
            "definition": Definition(kind="milestone"),
            "milestones": (
                ("Controls written down", 1),
                ("Auditor chosen", 1),
                ("Three months of evidence", 3),
                ("Audit passed", 5),
            ),
        },
    ),
    (
        "activation",
        "value",
        "Activation rate from 22 % to 35 % by {end:%d %b}",
        JONAS,
        {"unit": "%", "definition": Definition(baseline=Fraction(22), target=Fraction(35))},
    ),
    (
        "sso",
        "sign-in",
        "Story points of enterprise sign-in finished, all by {end:%d %b}",
        MIRA,
        {"definition": Definition(kind="issue_ratio"), "options": WorkOptions(size_by="estimate")},
    ),
    (
        "setup",
        "sign-in",
        "Hours to set up single sign-on from 40 to 10 by {end:%d %b}",
        PRIYA,
        {"unit": "h", "definition": Definition(kind="issue_delta", baseline=Fraction(40), target=Fraction(10))},
    ),
    (
        "bugs",
        "sign-in",
        "Reported sign-in problems solved from 0 to 4 by {end:%d %b}",
        JONAS,
        {"unit": "problems", "definition": Definition(kind="issue_count", baseline=Fraction(0), target=Fraction(4))},
    ),
    (
        "cost",
        "calm",
        "Storage cost per customer from 4.20 € to 2.10 € by {end:%d %b}",
        PRIYA,
        {"unit": "€", "definition": Definition(baseline=Fraction("4.2"), target=Fraction("2.1"))},
    ),
)

# Key result -> linked issues, each with the change that it is declared to cause.
LINKS: Mapping[str, Sequence[tuple[str, str | None]]] = {
    "activation": (("ATL-2", None),),
    "sso": (("ATL-1", None),),
    "setup": (("ATL-3", "-12"), ("ATL-4", "-8")),
    "bugs": (("ATL-7", None), ("ATL-16", None), ("ATL-18", None)),
    "cost": (("PLAT-1", None),),
}

# Week -> new issues: summary, type, parent, points
NEW_WORK: Mapping[int, Sequence[tuple[str, str, str, float]]] = {
    0: (
        ("Sign-in page in the customer's language", "Story", "ATL-1", 3),
        ("Session length per role", "Story", "ATL-1", 2),
        ("Templates for the first board", "Story", "ATL-2", 3),
        ("Shorter sign-up form", "Story", "ATL-2", 2),
    ),
    2: (("Welcome mail that leads back", "Story", "ATL-2", 1),),
    3: (("Sign-in for contractors", "Story", "ATL-1", 5),),
    5: (("Tour for invited teammates", "Story", "ATL-2", 3),),
}

# What else is in the running sprint, and ladders into no goal yet: summary, type, points, labels
UNALIGNED: Sequence[tuple[str, str, float, Sequence[str]]] = (
    ("Sign-in page stays blank behind strict proxies", "Bug", 3, ("sso",)),
    ("Remember the identity provider chosen last", "Story", 2, ("sso",)),
    ("Suggest a name for the first project", "Story", 2, ("activation",)),
    ("Nudge to invite a second person after the first project", "Story", 3, ("activation",)),
    ("Cache for the report pages", "Task", 3, ("maintenance",)),
    ("Spreadsheet export keeps the order of columns", "Bug", 2, ("export",)),
    ("Prototype of a widget for phones", "Story", 3, ()),
    ("Answer a prospect's security questionnaire", "Task", 1, ()),
)
# In nobody's sprint, and yet something in one waits for it: summary, type, points, labels, what it blocks
BLOCKERS: Sequence[tuple[str, str, float, Sequence[str], str]] = (
    ("Store the providers' signing keys in one place", "Task", 3, ("security",), "ATL-3"),
)

# Week -> transitions: summary, status, resolution
MOVES: Mapping[int, Sequence[tuple[str, str, str | None]]] = {
    1: (
        ("Shorter sign-up form", "Done", None),
        ("Sign-in page in the customer's language", "In Progress", None),
    ),
    2: (
        ("Sign-in page in the customer's language", "Done", None),
        ("Templates for the first board", "In Progress", None),
    ),
    3: (("Session length per role", "Done", None), ("Dates show in the wrong zone in reports", "Done", None)),
    4: (("Templates for the first board", "Done", None), ("Sign-in for contractors", "Done", "Won't Do")),
    5: (("Welcome mail that leads back", "Done", None), ("Shorter sign-up form", "To Do", None)),
    6: (("Shorter sign-up form", "Done", None),),
}

# Week -> new estimates: summary, points
ESTIMATES: Mapping[int, Sequence[tuple[str, float]]] = {4: (("SCIM: create and deactivate accounts", 13),)}

Said = tuple[str | None, str | None, str | None, str]

# Key result, driver, week by week: value, status, confidence, what changed
CHECK_INS: Sequence[tuple[str, str, Sequence[Said | None]]] = (
    (
        "customers",
        INES,
        (
            ("14", "green", "0.7", "Two pilots agreed."),
            ("15", "green", "0.7", "First pilot signed."),
            None,
            ("16", "green", "0.6", "Procurement is slower than hoped."),
            ("17", "yellow", "0.6", "One more signature."),
            ("17", "yellow", "0.5", "Nothing signed this week."),
            ("18", "yellow", "0.6", "A bank signed."),
        ),
    ),
    (
        "errors",
        MIRA,
        (
            ("0.3", "green", None, "Quiet."),
            ("0.4", "green", None, "Quiet."),
            ("0.7", "yellow", None, "A provider had an outage."),
            ("0.4", "green", None, "Back to normal."),
            ("0.2", "green", None, "Quiet."),
            ("0.3", "green", None, "Quiet."),
            ("0.4", "green", None, "Quiet."),
        ),
    ),
    ("soc2", INES, (None, None, None, None, (None, "green", "0.8", "The auditor starts in two weeks."))),
    (
        "activation",
        JONAS,
        (
            ("22", "yellow", "0.5", "Starting point measured."),
            ("22.5", "yellow", "0.5", "The shorter form is live."),
            ("23", "yellow", "0.5", "Too early to tell."),
            ("24.5", "green", "0.6", "The form pays off."),
            ("25", "green", "0.7", "Templates shipped."),
            ("27", "green", "0.7", "Templates are used by half of the new teams."),
            ("28", "green", "0.8", "Welcome mails bring people back."),
        ),
    ),
    (
        "sso",
        MIRA,
        (None, None, (None, "green", "0.7", "On plan."), None, None, None, (None, "yellow", "0.5", "SCIM grew.")),
    ),
    (
        "setup",
        PRIYA,
        (
            ("40", "green", "0.8", "Measured with two customers."),
            None,
            None,
            ("37", "green", "0.8", "Role mapping saves three hours."),
            None,
            None,
            ("34", "green", "0.7", "The wizard will bring the rest."),
        ),
    ),
    ("bugs", JONAS, (None, None, None, None, None, None, (None, "green", None, "One left in progress."))),
)

# Week -> milestones of SOC 2 finished
STEPS: Mapping[int, Sequence[str]] = {1: ("Controls written down",), 4: ("Auditor chosen",)}
