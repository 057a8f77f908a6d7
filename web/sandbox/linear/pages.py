"""The pages of the stand-in: board by cycle, issue, installation of an application, and the controls."""

from __future__ import annotations

from typing import Any

import requests
from flask import Blueprint, Response, abort, jsonify, redirect, render_template, request
from werkzeug.wrappers import Response as AnyResponse

from .oauth import AuthorizeRequest, OAuthError
from .payloads import PRIORITIES
from .records import Cycle, Issue, Team, User, View
from .seeding import LEAD
from .state import NotAllowedError, NotFoundError
from .workspace import LinearWorkspace

COOKIE = "standin_linear_person"
LARGEST_ICON = 1024 * 1024
# States that most teams look at seldom get a column only when something is in them.
QUIET = ("triage", "duplicate")

# What an application asks for, in words.
SCOPES = {
    "read": "Read everything that its user may see",
    "write": "Change issues, labels and attachments",
    "issues:create": "Create issues",
    "comments:create": "Write comments",
    "initiative:read": "Read initiatives",
    "initiative:write": "Change initiatives",
    "admin": "Administer the workspace",
}


def current_user(workspace: LinearWorkspace) -> User:
    """Who is at the screen: the person picked in the top bar, at first the admin."""
    picked = workspace.users.get(request.cookies.get(COOKIE, LEAD))
    return picked if picked is not None and picked.active and not picked.app else workspace.users[LEAD]


def workspace_pages(workspace: LinearWorkspace) -> Blueprint:
    """The blueprint for one workspace."""
    pages = Blueprint("pages", __name__)
    icons: dict[str, bytes | None] = {}

    def teams() -> list[Team]:
        person = current_user(workspace)
        return [one for one in workspace.teams.values() if workspace.sees_team(person, one)]

    def views() -> list[View]:
        person = current_user(workspace)
        mine = [one for one in workspace.views.values() if one.shared or one.creator_id == person.id]
        return sorted(mine, key=lambda one: one.name.casefold())

    def show(template: str, team: Team, status: int = 200, *, leads_to: str = "", **values: Any) -> Response:
        body = render_template(
            template,
            workspace=workspace,
            person=current_user(workspace),
            people=[one for one in workspace.users.values() if one.active and not one.app],
            teams=teams(),
            views=views(),
            team=team,
            **values,
        )
        answer = Response(body, status, mimetype="text/html")
        answer.headers["Content-Security-Policy"] = (
            "default-src 'self'; img-src 'self' data:; frame-ancestors 'none'; base-uri 'none'; object-src 'none'; "
            f"form-action 'self' {leads_to}".strip()
        )
        answer.headers["Cache-Control"] = "no-store"
        answer.headers["Referrer-Policy"] = "same-origin"
        return answer

    # -- board

    @pages.get("/")
    @pages.get("/team/<key>")
    def board(key: str | None = None) -> Response:
        mine = teams()
        team = next((one for one in mine if key is None or one.key == key.upper()), None)
        if team is None:
            return show("closed.html", mine[0], 404, what="this team")
        with workspace.lock:
            return show("board.html", team, **_board(team))

    def _board(team: Team) -> dict[str, Any]:
        cycles = workspace.cycles_of(team)
        wanted = request.args.get("cycle", "")
        cycle: Cycle | None = workspace.active_cycle(team)
        if wanted.isdigit():
            cycle = next((one for one in cycles if one.number == int(wanted)), cycle)
        elif wanted == "none" or not cycles:
            cycle = None
        mine = [one for one in workspace.issues.values() if one.team_id == team.id and one.archived_at is None]
        shown = workspace.sorted(one for one in mine if not cycles or one.cycle_id == (cycle.id if cycle else None))
        columns = []
        for state in workspace.states_of(team):
            issues = [one for one in shown if one.state_id == state.id]
            if issues or state.type not in QUIET:
                columns.append((state, issues))
        live = [one for one in shown if workspace.state(one).type not in ("canceled", "duplicate")]
        return {
            "cycle": cycle,
            "cycles": cycles,
            "columns": columns,
            "scope": sum(one.estimate or 0 for one in live),
            "done": sum(one.estimate or 0 for one in live if one.completed_at),
            "unestimated": sum(1 for one in live if one.estimate is None),
            "states": workspace.states_of(team),
            "links": workspace.links_of(cycle) if cycle else [],
        }

    # -- view

    @pages.get("/<url_key>/view/<words>")
    def view(url_key: str, words: str) -> Response:
        found = next((one for one in views() if one.slug_id == words.rpartition("-")[2]), None)
        if found is None or url_key != workspace.url_key:
            return show("closed.html", teams()[0], 404, what="this view")
        person = current_user(workspace)
        with workspace.lock:
            issues = [one for one in workspace.issues_in(found) if workspace.sees(person, one)]
            return show("view.html", teams()[0], view=found, issues=issues)

    # -- issue

    @pages.get("/<url_key>/issue/<identifier>")
    @pages.get("/<url_key>/issue/<identifier>/<words>")
    def issue(url_key: str, identifier: str, words: str = "") -> AnyResponse:
        try:
            found = workspace.issue(identifier)
        except NotFoundError:
            found = None
        if found is None or url_key != workspace.url_key or not workspace.sees(current_user(workspace), found):
            return show("closed.html", teams()[0], 404, what=f"the issue {identifier}")
        address = workspace.issue_url(found).removeprefix(workspace.base_url)
        if request.path != address:
            return redirect(address)
        team = workspace.teams[found.team_id]
        with workspace.lock:
            return show("issue.html", team, **_issue(found, team))

    def _issue(found: Issue, team: Team) -> dict[str, Any]:
        labels = [one for one in workspace.labels.values() if one.team_id in (None, team.id)]
        usable = [one for one in labels if one.retired_at is None or one.id in found.label_ids]
        groups = [one for one in labels if one.is_group]
        return {
            "issue": found,
            "state": workspace.state(found),
            "states": workspace.states_of(team),
            "parent": workspace.issues.get(found.parent_id or ""),
            "parents": _possible_parents(found),
            "children": workspace.children(found),
            "blockers": [one for one in workspace.blockers_of(found) if workspace.sees(current_user(workspace), one)],
            "blocked": [one for one in workspace.blocked_by(found) if workspace.sees(current_user(workspace), one)],
            "attachments": workspace.attachments_of(found),
            "labels": workspace.labels_of(found),
            "plain_labels": [one for one in usable if not one.is_group and not one.parent_id],
            "label_groups": [
                (one, [child for child in workspace.group_labels(one) if child in usable]) for one in groups
            ],
            "cycles": [one for one in workspace.cycles_of(team) if workspace.cycle_phase(one) != "past"],
            "projects": [one for one in workspace.projects.values() if team.id in one.team_ids],
            "assignable": [one for one in workspace.users.values() if one.active and workspace.sees_team(one, team)],
            "priorities": list(enumerate(PRIORITIES)),
            "original": workspace.issues.get(found.duplicate_of_id or ""),
            "others": [one for one in _possible_parents(found) if workspace.is_open(one)],
        }

    def _possible_parents(found: Issue) -> list[Issue]:
        below = {found.id}
        grown = True
        while grown:
            more = {one.id for one in workspace.issues.values() if one.parent_id in below}
            grown = not more <= below
            below |= more
        person = current_user(workspace)
        mine = (one for one in workspace.issues.values() if one.id not in below and one.archived_at is None)
        return sorted((one for one in mine if workspace.sees(person, one)), key=lambda one: (one.team_id, one.number))

    @pages.get("/ui/icon/<attachment_id>")
    def icon(attachment_id: str) -> Response:
        """The picture of an attachment, fetched by this server as Linear does; only from the application itself."""
        attachment, app = workspace.attachments.get(attachment_id), workspace.oauth.app
        address = attachment.icon_url if attachment is not None else None
        if not address or app is None or not any(address.startswith(f"{one}/") for one in app.origins):
            abort(404)
        if address not in icons:
            icons[address] = fetch_icon(address)
        picture = icons[address]
        if picture is None:
            del icons[address]  # it may come up later
            abort(404)
        kind = "image/png" if picture.startswith(b"\x89PNG") else "image/jpeg"
        return Response(picture, mimetype=kind, headers={"Cache-Control": "max-age=60"})

    # -- installation

    def asked() -> AuthorizeRequest | Response:
        try:
            return workspace.oauth.read_request(request.values.to_dict())
        except OAuthError as refusal:
            # Never sent back: an address that is not registered may belong to somebody who collects codes.
            return show("refused.html", teams()[0], 400, refusal=refusal)

    @pages.get("/oauth/authorize")
    def authorize() -> Response:
        wanted = asked()
        if isinstance(wanted, Response):
            return wanted
        scopes = [(one, SCOPES.get(one, one)) for one in wanted.scopes]
        return show(
            "authorize.html",
            teams()[0],
            asked=wanted,
            scopes=scopes,
            app=workspace.oauth.app,
            leads_to=" ".join(workspace.oauth.app.origins) if workspace.oauth.app else "",
            question=request.args.to_dict(),
        )

    @pages.post("/oauth/authorize")
    def decide() -> AnyResponse:
        if request.headers.get("Sec-Fetch-Site", "same-origin") != "same-origin":
            # Another site must not press the button for a person.
            abort(403)
        wanted = asked()
        if isinstance(wanted, Response):
            return wanted
        person, oauth = current_user(workspace), workspace.oauth
        decisions = {
            "agree": lambda: oauth.agree(wanted, person),
            "decline": lambda: oauth.decline(wanted),
            "ask": lambda: oauth.ask_admin(wanted, person),
        }
        try:
            return redirect(decisions[request.form.get("decision", "decline")](), 303)
        except (KeyError, NotAllowedError):
            abort(403)

    # -- small things

    @pages.get("/ui/version")
    def version() -> AnyResponse:
        answer = jsonify({"version": workspace.version})
        answer.set_etag(str(workspace.version))
        answer.headers["Cache-Control"] = "no-cache"
        return answer.make_conditional(request)

    @pages.get("/stand-in")
    def controls() -> Response:
        oauth = workspace.oauth
        return show(
            "controls.html",
            teams()[0],
            app=oauth.app,
            deliveries=list(workspace.webhooks.log)[-40:][::-1],
            calls=list(workspace.calls)[-40:][::-1],
            ahead=workspace.clock.ahead,
        )

    return pages


def fetch_icon(address: str) -> bytes | None:
    """A PNG or JPEG of at most 1 MiB, or None for what Linear would not take either."""
    try:
        answer = requests.get(address, timeout=2, allow_redirects=False)
    except requests.RequestException:
        return None
    picture = answer.content
    good = answer.status_code == 200 and len(picture) <= LARGEST_ICON
    return picture if good and picture.startswith((b"\x89PNG\r\n", b"\xff\xd8\xff")) else None
