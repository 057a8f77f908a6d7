"""Use cases around goals: cycles, teams and people, objectives, key results, milestones and check-ins.

Every function takes `(session, workspace_id, ...)` and sees nothing outside that workspace. Errors are those of
`connector.errors`; an edit takes the version that its editor saw and raises LostUpdate when somebody was faster.
"""

from connector.goals.calendar import CreateCycle, create_cycle, current_cycle, delete_cycle, edit_cycle
from connector.goals.check_ins import RecordCheckIn, correct_check_in, find_check_in, record_check_in
from connector.goals.key_results import (
    CreateKeyResult,
    create_key_result,
    definition_of,
    delete_key_result,
    edit_key_result,
    options_of,
)
from connector.goals.kinds import Definition, Query, WorkOptions
from connector.goals.milestones import AddMilestone, add_milestone, edit_milestone, find_milestone, remove_milestone
from connector.goals.objectives import CreateObjective, create_objective, delete_objective, edit_objective
from connector.goals.people import (
    CreatePerson,
    CreateTeam,
    create_person,
    create_team,
    delete_person,
    delete_team,
    edit_person,
    edit_team,
)
from connector.goals.scope import check_version, find, find_named, require_open

__all__ = [
    "AddMilestone",
    "CreateCycle",
    "CreateKeyResult",
    "CreateObjective",
    "CreatePerson",
    "CreateTeam",
    "Definition",
    "Query",
    "RecordCheckIn",
    "WorkOptions",
    "add_milestone",
    "check_version",
    "correct_check_in",
    "create_cycle",
    "create_key_result",
    "create_objective",
    "create_person",
    "create_team",
    "current_cycle",
    "definition_of",
    "delete_cycle",
    "delete_key_result",
    "delete_objective",
    "delete_person",
    "delete_team",
    "edit_cycle",
    "edit_key_result",
    "edit_milestone",
    "edit_objective",
    "edit_person",
    "edit_team",
    "find",
    "find_check_in",
    "find_milestone",
    "find_named",
    "options_of",
    "record_check_in",
    "remove_milestone",
    "require_open",
]
