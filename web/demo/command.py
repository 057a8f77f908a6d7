"""`ladder demo`: set the stage, fill it, say where to look, and wait until interrupted; or play the story."""

from __future__ import annotations

import os
import signal
import tempfile
import time
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import NoReturn

from rich.console import Console
from rich.markup import escape

from connector.planning.held_work import open_sprints
from connector.settings import PREFIX
from connector.sign_in import create_link
from web.demo.acme import MIRA
from web.demo.linear_season import add_linear
from web.demo.season import Season, past_site
from web.demo.stage import Stage, StageFailed, free_port
from web.demo.story import Story, empty_site, empty_workspace
from web.sandbox.linear import LinearWorkspace

out = Console(highlight=False, soft_wrap=True)
err = Console(stderr=True, highlight=False)


def run(*, script: bool, ladder_port: int, jira_port: int, linear_port: int, folder: str | None) -> int:
    """Run the demo; return the exit status: 1 when something failed or a number of the story is not as specified."""
    # The demo brings settings of its own; keys or addresses meant for a real Ladder must not get mixed in.
    for name in [name for name in os.environ if name.upper().startswith(PREFIX)]:
        del os.environ[name]
    with ExitStack() as stack:
        place = Path(folder).resolve() if folder else Path(stack.enter_context(tempfile.TemporaryDirectory()))
        place.mkdir(parents=True, exist_ok=True)
        # TERM as Ctrl-C, also for a shell's background job: both unwind this stack, so that no server is left behind.
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.default_int_handler)
        try:
            ports = choose_ports(ladder_port, jira_port, linear_port)
            return _play_story(place, *ports) if script else _open_house(place, *ports)
        except StageFailed as error:
            err.print(f"[bold red]ladder demo:[/] {escape(str(error))}", soft_wrap=True)
            return 1
        except KeyboardInterrupt:
            err.print("Stopped.")
            return 1 if script else 0


def choose_ports(ladder_port: int, jira_port: int, linear_port: int) -> tuple[int, int, int]:
    """Return the three ports, or free ones in place of those that are taken, and say so."""
    chosen: list[int] = []
    for name, wanted in (
        ("Ladder", ladder_port),
        ("The stand-in Jira site", jira_port),
        ("The stand-in Linear workspace", linear_port),
    ):
        port = free_port(wanted, other_than=chosen)
        if port != wanted and wanted:
            err.print(f"Port {wanted} is taken; {name} gets {port}.")
        chosen.append(port)
    return chosen[0], chosen[1], chosen[2]


def _play_story(folder: Path, ladder_port: int, jira_port: int, linear_port: int) -> int:
    with Stage(folder, empty_site(jira_port), empty_workspace(linear_port), ladder_port=ladder_port) as stage:
        return 0 if Story(stage, out).play() else 1


def _open_house(folder: Path, ladder_port: int, jira_port: int, linear_port: int) -> NoReturn:
    if (folder / "ladder.db").exists():
        raise StageFailed(f"{folder} holds a database already; the demo starts from nothing. Name an empty folder.")
    today = datetime.now(UTC).date()
    site = past_site(f"http://127.0.0.1:{jira_port}", today)
    linear = LinearWorkspace(name="Acme", base_url=f"http://127.0.0.1:{linear_port}")
    with Stage(folder, site, linear, ladder_port=ladder_port) as stage:
        with err.status("Installing Ladder in both stand-ins and playing seven weeks of work"):
            site.install(stage.ladder_url)
            # Ladder first learns what the site calls things, such as its field for story points.
            stage.settle()
            season = Season(stage, site, today)
            season.play()
            add_linear(stage, season)
        out.print(_where_to_look(stage, season))
        while True:
            time.sleep(1)
            stage.check_alive()


def _common_plan(stage: Stage, season: Season) -> str:
    """Return the address of the overlay over everything that runs now, in both trackers."""
    with stage.core.database.reading() as session:
        running = [one.id for one in open_sprints(session, season.workspace_id) if one.state == "active"]
    first, *others = sorted(running)
    beside = f"?with={','.join(map(str, others))}" if others else ""
    return f"{stage.ladder_url}/planning/{first}{beside}"


def _where_to_look(stage: Stage, season: Season) -> str:
    """Return the lines to print; no table, since an address must stay whole however narrow the window is."""
    with stage.core.database.writing() as session:
        secret = create_link(session, season.workspace_id, now=stage.core.clock(), person_id=season.people[MIRA])
    ours = stage.settings
    places = (
        ("Board of the stand-in Jira site", f"{stage.jira_url}/"),
        ("An issue with Ladder's panel", f"{stage.jira_url}/browse/ATL-9"),
        ("Board of the stand-in Linear workspace", f"{stage.linear_url}/"),
        ("Ladder's own pages (link works once)", f"{stage.ladder_url}/sign-in/{secret}"),
        ("Both trackers' sprints in one plan", _common_plan(stage, season)),
        ("Reference of the API", f"{stage.ladder_url}/api/v1/docs"),
        ("Database and log", str(stage.folder)),
    )
    return "\n".join(
        (
            "",
            "[bold]The demo is running.[/] All of it on this machine; both trackers are stand-ins, not the real ones.",
            "",
            *(f"  {name:<40}[bold]{escape(place)}[/]" for name, place in places),
            "",
            "In another window, this leads [bold]ladder token create NAME[/] and the other commands to the demo:",
            f"  [bold]export LADDER_BASE_URL={ours.base_url} LADDER_DATABASE_URL={escape(ours.database_url)}[/]",
            "",
            "Try: drag a card to Done on either board, and watch its key result move in both and on the pages.",
            "Ctrl-C stops everything.",
        )
    )
