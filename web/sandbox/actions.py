"""What people do on the stand-in's pages: JSON calls that check the person's rights and run one command of the site."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

from flask import Blueprint, Response, jsonify, redirect, request
from werkzeug.wrappers import Response as AnyResponse

from .board_view import save_queries
from .gate import RestError, body_object
from .installation import InstallError
from .pages import COOKIE, current_person
from .records import Issue, Project
from .site import JiraSite
from .state import NotAllowedError, NotFoundError

Command = Callable[[Issue, dict[str, Any], str], object]


def site_actions(site: JiraSite) -> Blueprint:
    """The blueprint for one site."""
    actions = Blueprint("actions", __name__)

    def demand(project: Project, permission: str) -> str:
        person = current_person(site)
        if permission not in site.permissions(person, project):
            raise NotAllowedError(f"{person.name} may not do this in {project.name}.")
        return person.account_id

    def transition(issue: Issue, body: dict[str, Any], by: str) -> None:
        with site.lock:
            site.transition(issue, str(body["status"]), body.get("resolution"), by=by)
            if body.get("before"):
                site.rank(issue, before=str(body["before"]), by=by)

    def points(value: Any) -> float | None:
        return None if value in (None, "") else max(0.0, min(float(value), 1000.0))

    commands: dict[str, tuple[str, Command]] = {
        "transition": ("TRANSITION_ISSUES", transition),
        "estimate": ("EDIT_ISSUES", lambda issue, body, by: site.estimate(issue, points(body.get("points")), by=by)),
        "parent": ("EDIT_ISSUES", lambda issue, body, by: site.set_parent(issue, body.get("parent") or None, by=by)),
        "summary": ("EDIT_ISSUES", lambda issue, body, by: site.edit(issue, summary=_words(body["summary"]), by=by)),
        "description": (
            "EDIT_ISSUES",
            lambda issue, body, by: site.edit(issue, description=str(body["description"])[:32000], by=by),
        ),
        "labels": (
            "EDIT_ISSUES",
            lambda issue, body, by: site.edit(issue, labels=str(body["labels"]).replace(",", " ").split()[:20], by=by),
        ),
        "assignee": ("ASSIGN_ISSUES", lambda issue, body, by: site.assign(issue, body.get("assignee") or None, by=by)),
        "sprint": (
            "SCHEDULE_ISSUES",
            lambda issue, body, by: site.set_sprint(issue, body.get("sprint") or None, by=by),
        ),
        "rank": ("SCHEDULE_ISSUES", lambda issue, body, by: site.rank(issue, before=body.get("before"), by=by)),
        "move": ("MOVE_ISSUES", lambda issue, body, by: site.move(issue, str(body["project"]), by=by)),
        "delete": ("DELETE_ISSUES", lambda issue, _, by: site.delete(issue, by=by)),
    }

    @actions.before_request
    def only_from_our_pages() -> tuple[Response, int] | None:
        # Another site's form can post here, but not as JSON: that needs a preflight, which nobody answers.
        if request.path != "/ui/act-as" and not request.is_json:
            return jsonify({"message": "Only JSON is taken here."}), 415
        return None

    @actions.post("/ui/issues/<issue_id>/<name>")
    def act(issue_id: str, name: str) -> Response:
        if name not in commands:
            raise NotFoundError(name)
        body, issue = body_object(), site.issue(issue_id)
        permission, command = commands[name]
        by = demand(site.projects[issue.project_id], permission)
        if name == "move":
            demand(site.project(str(body.get("project"))), "CREATE_ISSUES")
        command(issue, body, by)
        return jsonify({"id": issue.id, "key": issue.key})

    @actions.post("/ui/issues")
    def create() -> Response:
        body = body_object()
        project = site.project(str(body.get("project")))
        by = demand(project, "CREATE_ISSUES")
        issue = site.create_issue(
            _words(body.get("summary")),
            str(body.get("type") or "Story"),
            project=project,
            parent=body.get("parent") or None,
            points=points(body.get("points")),
            sprint=body.get("sprint") or None,
            by=by,
        )
        return jsonify({"id": issue.id, "key": issue.key})

    @actions.post("/ui/boards/<key>/queries")
    def board_queries(key: str) -> AnyResponse:
        project = site.project(key)
        demand(project, "EDIT_ISSUES")
        try:
            save_queries(site, site.board_of(project), body_object())
        except ValueError as error:
            answer = jsonify({"message": str(error)})
            answer.status_code = 400
            return answer
        return jsonify({"key": project.key})

    @actions.post("/ui/act-as")
    def act_as() -> AnyResponse:
        account = request.form.get("person", "")
        back = urlsplit(request.form.get("back", "/"))
        # Only the path counts: a foreign address in `back` must not carry people away.
        target = "/" + back.path.lstrip("/") + (f"?{back.query}" if back.query else "")
        answer = redirect(target, 303)
        if account in site.people:
            answer.set_cookie(COOKIE, account, httponly=True, samesite="Lax")
        return answer

    @actions.post("/ui/controls/<name>")
    def control(name: str) -> Response:
        body = body_object()
        site_control(site, name, body)
        site.changed()
        return jsonify({"done": name})

    @actions.errorhandler(NotAllowedError)
    def not_allowed(error: NotAllowedError) -> tuple[Response, int]:
        return jsonify({"message": str(error)}), 403

    @actions.errorhandler(NotFoundError)
    def not_found(error: NotFoundError) -> tuple[Response, int]:
        return jsonify({"message": f"There is no {error} any more."}), 404

    @actions.errorhandler(InstallError)
    def not_installed(error: InstallError) -> tuple[Response, int]:
        return jsonify({"message": f"The app was not installed: {error}."}), 502

    @actions.errorhandler(RestError)
    @actions.errorhandler(ValueError)
    @actions.errorhandler(KeyError)
    def bad_request(_: Exception) -> tuple[Response, int]:
        return jsonify({"message": "That input does not fit here."}), 400

    return actions


def site_control(site: JiraSite, name: str, body: dict[str, Any]) -> None:
    """One switch of the controls page."""
    webhooks, faults = site.webhooks, site.faults
    match name:
        case "install":
            site.install(str(body["url"]))
        case "reinstall":
            site.reinstall()
        case "uninstall":
            site.uninstall()
        case "pause":
            webhooks.pause()
        case "resume":
            webhooks.resume()
        case "shuffle":
            webhooks.shuffle()
        case "duplicate":
            webhooks.duplicate(int(body.get("count", 1)))
        case "drop":
            webhooks.drop(int(body.get("count", 1)))
        case "hurry":
            webhooks.hurry()
        case "again":
            webhooks.deliver(next(one for one in list(webhooks.log) if one.identifier == body["identifier"]))
        case "freeze":
            site.freeze_updated = not site.freeze_updated
        case "rest":
            faults.clear()
            kind = body.get("fault")
            if kind == "slow":
                faults.slow(2.0)
            elif kind == "unavailable":
                faults.unavailable()
            elif kind == "rate_limited":
                faults.rate_limit(retry_after=30)
            elif kind == "down":
                faults.down()
        case "sprint":
            sprint = site.sprint(body["sprint"])
            if sprint.state == "future":
                site.start_sprint(sprint)
            else:
                site.close_sprint(sprint, move_open_to=body.get("to"))
        case _:
            raise NotFoundError(name)


def _words(value: Any) -> str:
    text = " ".join(str(value or "").split())[:255]
    if not text:
        raise ValueError("a summary is needed")
    return text
