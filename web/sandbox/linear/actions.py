"""What people do on the stand-in's pages: JSON calls that check the person's rights and run one command."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

from flask import Blueprint, Response, jsonify, redirect, request
from werkzeug.wrappers import Response as AnyResponse

from .pages import COOKIE, current_user
from .records import Issue, User
from .state import NotAllowedError, NotFoundError
from .workspace import LinearWorkspace

Body = dict[str, Any]
Command = Callable[[Issue, Body, User], object]


def workspace_actions(workspace: LinearWorkspace) -> Blueprint:
    """The blueprint for one workspace."""
    actions = Blueprint("actions", __name__)

    def transition(issue: Issue, body: Body, by: User) -> None:
        with workspace.lock:
            workspace.transition(issue, str(body["state"]), by=by)
            if body.get("before"):
                workspace.rank(issue, before=str(body["before"]), by=by)

    def label(issue: Issue, body: Body, by: User) -> None:
        command = workspace.add_label if body.get("on") else workspace.remove_label
        command(issue, str(body["label"]), by=by)

    commands: dict[str, Command] = {
        "transition": transition,
        "rank": lambda issue, body, by: workspace.rank(issue, before=body.get("before"), by=by),
        "estimate": lambda issue, body, by: workspace.estimate(issue, _points(body.get("estimate")), by=by),
        "title": lambda issue, body, by: workspace.edit(issue, title=_words(body["title"]), by=by),
        "description": lambda issue, body, by: workspace.edit(
            issue, description=str(body["description"])[:32000] or None, by=by
        ),
        "priority": lambda issue, body, by: workspace.edit(
            issue, priority=min(4, max(0, int(body["priority"]))), by=by
        ),
        "assignee": lambda issue, body, by: workspace.assign(issue, body.get("assignee") or None, by=by),
        "parent": lambda issue, body, by: workspace.set_parent(issue, body.get("parent") or None, by=by),
        "cycle": lambda issue, body, by: workspace.set_cycle(issue, body.get("cycle") or None, by=by),
        "project": lambda issue, body, by: workspace.set_project(issue, body.get("project") or None, by=by),
        "label": label,
        "move": lambda issue, body, by: workspace.move_team(issue, str(body["team"]), by=by),
        "duplicate": lambda issue, body, by: workspace.merge_as_duplicate(issue, str(body["of"]), by=by),
        "block": lambda issue, body, by: workspace.block(issue, str(body["by"]), by=by),
        "unblock": lambda issue, body, by: workspace.unblock(issue, str(body["by"]), by=by),
        "archive": lambda issue, _, by: workspace.archive(issue, by=by),
        "trash": lambda issue, _, by: workspace.trash(issue, by=by),
        "restore": lambda issue, _, by: workspace.restore(issue, by=by),
        "delete": lambda issue, _, by: workspace.delete(issue, by=by),
    }

    @actions.before_request
    def only_from_our_pages() -> tuple[Response, int] | None:
        # Another site's form can post here, but not as JSON: that needs a preflight, which nobody answers.
        if request.path != "/ui/act-as" and not request.is_json:
            return jsonify({"message": "Only JSON is taken here."}), 415
        return None

    def body_object() -> Body:
        body = request.get_json(silent=True)
        if not isinstance(body, dict):
            raise TypeError("not an object")
        return body

    @actions.post("/ui/issues/<issue_id>/<name>")
    def act(issue_id: str, name: str) -> Response:
        if name not in commands:
            raise NotFoundError("Command", name)
        body, issue, person = body_object(), workspace.issue(issue_id), current_user(workspace)
        if not workspace.sees(person, issue):
            raise NotFoundError("Issue", issue_id)
        if name == "delete" and not person.admin:
            raise NotAllowedError(f"{person.name} may put issues into the trash, but not delete them for good.")
        if name == "move" and not workspace.sees_team(person, workspace.team(str(body.get("team")))):
            raise NotAllowedError(f"{person.name} is not in that team.")
        commands[name](issue, body, person)
        return jsonify({"id": issue.id, "key": issue.identifier, "url": workspace.issue_url(issue)})

    @actions.post("/ui/issues")
    def create() -> Response:
        body, person = body_object(), current_user(workspace)
        team = workspace.team(str(body.get("team")))
        if not workspace.sees_team(person, team):
            raise NotAllowedError(f"{person.name} is not in {team.name}.")
        issue = workspace.create_issue(
            _words(body.get("title")),
            team=team,
            parent=body.get("parent") or None,
            estimate=_points(body.get("estimate")),
            cycle=body.get("cycle") or None,
            by=person,
        )
        return jsonify({"id": issue.id, "key": issue.identifier})

    @actions.post("/ui/links/<link_id>/remove")
    def remove_link(link_id: str) -> Response:
        link, person = workspace.external_link(link_id), current_user(workspace)
        if not workspace.sees_team(person, workspace.teams[workspace.cycles[link.cycle_id].team_id]):
            raise NotFoundError("EntityExternalLink", link_id)
        workspace.remove_external_link(link)
        return jsonify({"id": link_id})

    @actions.post("/ui/views/<view_id>/delete")
    def delete_view(view_id: str) -> Response:
        view, person = workspace.view(view_id), current_user(workspace)
        if person.guest or not (view.shared or view.creator_id == person.id):
            raise NotAllowedError(f"{person.name} may not delete this view.")
        workspace.delete_view(view)
        return jsonify({"id": view_id})

    @actions.post("/ui/act-as")
    def act_as() -> AnyResponse:
        person = workspace.users.get(request.form.get("person", ""))
        back = urlsplit(request.form.get("back", "/"))
        # Only the path counts: a foreign address in `back` must not carry people away.
        target = "/" + back.path.lstrip("/") + (f"?{back.query}" if back.query else "")
        answer = redirect(target, 303)
        if person is not None and person.active and not person.app:
            answer.set_cookie(COOKIE, person.id, httponly=True, samesite="Lax")
        return answer

    @actions.post("/ui/controls/<name>")
    def control(name: str) -> Response:
        workspace_control(workspace, name, body_object())
        workspace.changed()
        return jsonify({"done": name})

    @actions.errorhandler(NotAllowedError)
    def not_allowed(error: NotAllowedError) -> tuple[Response, int]:
        return jsonify({"message": str(error)}), 403

    @actions.errorhandler(NotFoundError)
    def not_found(error: NotFoundError) -> tuple[Response, int]:
        return jsonify({"message": f"There is no {error} any more."}), 404

    @actions.errorhandler(TypeError)
    @actions.errorhandler(ValueError)
    @actions.errorhandler(KeyError)
    def bad_request(_: Exception) -> tuple[Response, int]:
        return jsonify({"message": "That input does not fit here."}), 400

    return actions


def workspace_control(workspace: LinearWorkspace, name: str, body: Body) -> None:
    """One switch of the controls page."""
    webhooks, oauth = workspace.webhooks, workspace.oauth
    match name:
        case "register":
            address = str(body["url"]).rstrip("/")
            if urlsplit(address).scheme not in ("http", "https"):
                raise ValueError(address)
            oauth.register(redirect_uri=f"{address}/linear/callback", webhook_url=f"{address}/linear/webhooks")
        case "uninstall":
            oauth.uninstall()
        case "expire":
            oauth.expire_access()
        case "kill":
            oauth.kill_tokens()
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
            found = next(one for one in list(webhooks.log) if one.identifier == body["identifier"])
            webhooks.deliver(found, stale=bool(body.get("stale")))
        case "freeze":
            workspace.freeze_updated = not workspace.freeze_updated
        case "advance":
            workspace.clock.advance(minutes=min(60 * 24 * 31, max(0, int(body["minutes"]))))
        case "now":
            workspace.clock.catch_up()
        case "api":
            _play(workspace, str(body.get("fault") or ""))
        case "complete-cycle":
            workspace.complete_cycle(str(body["cycle"]), by=current_user(workspace))
        case _:
            raise NotFoundError("Command", name)


def _play(workspace: LinearWorkspace, fault: str) -> None:
    faults = workspace.faults
    faults.clear()
    plays: dict[str, Callable[[], None]] = {
        "slow": lambda: faults.slow(2.0),
        "unavailable": faults.unavailable,
        "down": faults.down,
        "html": faults.html,
        "rate_limited": faults.rate_limit,
        "errors_with_data": faults.errors_with_data,
        "rejects_tokens": faults.reject_tokens,
        "tokens_refused": faults.tokens_refused,
        "field_dropped": lambda: faults.drop_field("Issue.estimate"),
    }
    if fault:
        plays[fault]()


def _points(value: Any) -> float | None:
    return None if value in (None, "") else max(0.0, min(float(value), 1000.0))


def _words(value: Any) -> str:
    text = " ".join(str(value or "").split())[:255]
    if not text:
        raise ValueError("a title is needed")
    return text
