"""The pages of the stand-in: board, issue view, the app's own pages, and the controls."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from flask import Blueprint, Response, abort, jsonify, redirect, render_template, request
from markupsafe import escape
from werkzeug.wrappers import Response as AnyResponse

from . import modules
from .board_view import board_view, written_queries
from .catalogue import RESOLUTIONS, statuses_of
from .records import Issue, Person, Project
from .seeding import LEAD
from .site import JiraSite
from .state import NotFoundError

COOKIE = "standin_person"
STATIC = Path(__file__).parent / "static"


def current_person(site: JiraSite) -> Person:
    """Who is at the screen: the person picked in the top bar, at first the team lead."""
    return site.people.get(request.cookies.get(COOKIE, LEAD)) or site.people[LEAD]


def site_pages(site: JiraSite) -> Blueprint:
    """The blueprint for one site."""
    pages = Blueprint("pages", __name__)

    def visible(project: Project) -> bool:
        return "BROWSE_PROJECTS" in site.permissions(current_person(site), project)

    def show(template: str, project: Project, status: int = 200, **values: Any) -> Response:
        person = current_person(site)
        body = render_template(
            template,
            site=site,
            person=person,
            people=[one for one in site.people.values() if one.active],
            projects=[one for one in site.projects.values() if visible(one)],
            project=project,
            may=site.permissions(person, project),
            apps=modules.app_links(site, person, project),
            **values,
        )
        answer = Response(body, status, mimetype="text/html")
        frames = site.installation.origin if site.installation else "'none'"
        answer.headers["Content-Security-Policy"] = (
            "default-src 'self'; img-src 'self' data:; frame-ancestors 'self'; base-uri 'none'; object-src 'none'; "
            f"form-action 'self'; frame-src {frames}"
        )
        answer.headers["Cache-Control"] = "no-store"
        answer.headers["Referrer-Policy"] = "same-origin"
        return answer

    def chosen_project() -> Project:
        wanted = request.args.get("project", "")
        found = [one for one in site.projects.values() if visible(one)]
        if not found:
            abort(404)
        return next((one for one in found if one.key == wanted.upper()), found[0])

    def refuse_project(project: Project) -> Response:
        home = chosen_project()
        return show("closed.html", home, 404, what=f"the project {project.name}")

    # -- board

    @pages.get("/")
    @pages.get("/board/<key>")
    def board(key: str | None = None) -> Response:
        try:
            project = site.project(key) if key else chosen_project()
        except NotFoundError:
            return show("closed.html", chosen_project(), 404, what="this project")
        if not visible(project):
            return refuse_project(project)
        with site.lock:
            return show("board.html", project, **board_view(site, current_person(site), project, request.args))

    @pages.get("/board/<key>/queries")
    def queries(key: str) -> Response:
        try:
            project = site.project(key)
        except NotFoundError:
            return show("closed.html", chosen_project(), 404, what="this project")
        if not visible(project):
            return refuse_project(project)
        return show("queries.html", project, kinds=written_queries(site.board_of(project)))

    # -- issue view

    @pages.get("/browse/<key>")
    def issue(key: str) -> AnyResponse:
        try:
            found = site.issue(key)
        except NotFoundError:
            return show("closed.html", chosen_project(), 404, what=f"the issue {key}")
        if found.key != key.upper() and not key.isdigit():
            return redirect(f"/browse/{found.key}")
        project = site.projects[found.project_id]
        if not visible(project):
            return refuse_project(project)
        with site.lock:
            above = [
                one
                for one in site.issues.values()
                if one.type.level == found.type.level + 1
                and (one.project_id == found.project_id or (not project.team_managed and found.type.level == 0))
                and (one.project_id == found.project_id or not site.projects[one.project_id].team_managed)
            ]
            return show(
                "issue.html",
                project,
                issue=found,
                parent=site.issues.get(found.parent_id or ""),
                parents=sorted(above, key=lambda one: int(one.id)),
                children=site.children(found),
                links=[(one, *_other_side(found, one)) for one in site.links_of(found) if not one.type.system],
                sprint=site.current_sprint_of(found),
                open_sprints=[one for one in site.sprints_of(site.board_of(project)) if one.state != "closed"],
                panels=modules.issue_panels(site, current_person(site), found),
                statuses=statuses_of(project),
                resolutions=RESOLUTIONS,
            )

    def _other_side(found: Issue, link: Any) -> tuple[str, Issue]:
        outward = link.source_id == found.id
        other = site.issues[link.destination_id if outward else link.source_id]
        return (link.type.outward if outward else link.type.inward), other

    # -- the app

    @pages.get("/plugins/servlet/ac/<app_key>/<module_key>")
    def app_page(app_key: str, module_key: str) -> Response:
        project = chosen_project()
        installation = site.installation
        found = installation.module(module_key) if installation and installation.key == app_key else None
        if found is None or not modules.module_url(found[1]):
            return show("closed.html", project, 404, what="this app page")
        kind, module = found
        person = current_person(site)
        if (kind == "adminPages" and not person.is_admin) or not modules.shows(site, person, module, None, project):
            return show("closed.html", project, 403, what="this app page")
        context = modules.jira_context(site, None, project)
        where = modules.place(site, project, request.args.get("screen", ""), request.args.get("sprint", ""))
        framed = modules.frame(
            site, person, module, modules.module_url(module), context, _custom(), where if kind == "webItems" else None
        )
        if request.args.get("frame"):  # a dialog asks for the frame alone
            return jsonify(
                {"src": framed.src, "name": framed.name, "origin": framed.origin, "title": framed.title,
                 "app": framed.app_key, "module": framed.module_key, "context": framed.context}
            )  # fmt: skip
        return show("app_page.html", project, frame=framed)

    def _custom() -> str:
        # Pages pass their own parameters on to the frame when they start with "ac.", as in Jira.
        pairs = request.query_string.decode().split("&")
        return "&".join(pair[3:] for pair in pairs if pair.startswith("ac."))

    @pages.get("/atlassian-connect/all.js")
    def bridge() -> Response:
        tokens = json.dumps((STATIC / "tokens.css").read_text())
        script = (STATIC / "bridge.js").read_text().replace('"@TOKENS@"', tokens)
        return Response(
            script,
            mimetype="text/javascript",
            headers={"Cache-Control": "no-cache", "Cross-Origin-Resource-Policy": "cross-origin"},
        )

    @pages.get("/ui/context-token")
    def token() -> Response:
        if request.headers.get("Sec-Fetch-Site", "same-origin") != "same-origin" or site.installation is None:
            abort(403)
        project = chosen_project()
        issue = site.issues.get(request.args.get("issue", ""))
        person = current_person(site)
        if issue is not None and "BROWSE_PROJECTS" not in site.permissions(person, site.projects[issue.project_id]):
            abort(403)
        context = modules.jira_context(site, issue, project)
        return jsonify(
            {"token": modules.context_token(site, person, context), "seconds": site.context_token_life.seconds}
        )

    # -- small things

    @pages.get("/ui/version")
    def version() -> AnyResponse:
        answer = jsonify({"version": site.version})
        answer.set_etag(str(site.version))
        answer.headers["Cache-Control"] = "no-cache"
        return answer.make_conditional(request)

    @pages.get("/stand-in")
    def controls() -> Response:
        deliveries = list(site.webhooks.log)[-40:][::-1]
        calls = list(site.calls)[-40:][::-1]
        return show("controls.html", chosen_project(), deliveries=deliveries, calls=calls)

    @pages.get("/avatar/<name>")
    def avatar(name: str) -> Response:
        picture = (
            '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 48 48">'
            '<circle cx="24" cy="24" r="24" fill="#5b6577"/>'
            '<text x="24" y="31" text-anchor="middle" font-family="sans-serif" font-size="18" fill="#fff">'
            f"{escape(name[:2])}</text></svg>"
        )
        return Response(picture, mimetype="image/svg+xml", headers={"Content-Security-Policy": "default-src 'none'"})

    return pages
