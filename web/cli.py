"""The command `ladder`: each command reads the settings, builds the core, makes one call and says what came of it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click
from rich.console import Console
from rich.markup import escape

from connector.settings import BadSettings, Settings, load_settings
from web.calc import calc

if TYPE_CHECKING:
    from connector.core import Core

# Heavy imports (Flask, SQLAlchemy, the trackers) stand inside the commands: `ladder calc` and `--help` stay instant.
out = Console(highlight=False, soft_wrap=True)
err = Console(stderr=True, highlight=False, soft_wrap=True)


def give_up(message: str, status: int = 1) -> click.exceptions.Exit:
    """Print one line about what went wrong and return the exception that ends the command."""
    err.print(f"[bold red]ladder:[/] {escape(message)}")
    return click.exceptions.Exit(status)


def read_settings() -> Settings:
    """Return the settings; ends the command with one line that names the unknown or bad one (exit 2)."""
    try:
        return load_settings()
    except BadSettings as error:
        raise give_up(str(error), 2) from None


@contextmanager
def open_core(settings: Settings | None = None) -> Iterator[Core]:
    """Give a core on an up-to-date database; refusals and an unreachable database end the command with one line.

    Migrations run by themselves on SQLite only: on a shared database, processes of an older version may be at work.
    """
    from sqlalchemy.exc import SQLAlchemyError

    from connector import migrate
    from connector.core import build_core
    from connector.errors import Refusal
    from connector.tracker import TrackerError

    settings = settings or read_settings()
    try:
        if settings.sqlite_path:
            migrate.upgrade(settings)
        core = build_core(settings)
        try:
            if not migrate.is_current(core.database):
                raise give_up("the database lacks tables of this version; run: ladder db upgrade")
            yield core
        finally:
            core.close()
    except BadSettings as error:
        raise give_up(str(error), 2) from None
    except (Refusal, TrackerError) as error:
        raise give_up(str(error)) from None
    except SQLAlchemyError as error:
        raise give_up(f"the database does not answer as it should ({type(error).__name__})") from error


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="ladder-okr", prog_name="ladder")
def main() -> None:
    """Key results that move by themselves when issues change state."""


main.add_command(calc)


class LinearCommands(click.Group):
    """The tracker's own commands, imported when one of them is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Name them."""
        return self._theirs().list_commands(ctx)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return one of them."""
        return self._theirs().get_command(ctx, cmd_name)

    @staticmethod
    def _theirs() -> click.Group:
        from linear_app.manifest import linear_commands

        return linear_commands


main.add_command(LinearCommands("linear", help="Register Ladder at Linear."))


@main.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", default=8080, show_default=True, help="Port to listen on.")
@click.option("--no-worker", is_flag=True, help="Serve only; run `ladder worker` beside it.")
@click.option("--access-log", is_flag=True, help="Log a line per request, without query strings.")
def serve(host: str, port: int, no_worker: bool, access_log: bool) -> None:
    """Run the web app, with a worker inside unless told otherwise."""
    from connector.sign_in import ensure_workspace, has_admin
    from web.serve import serve as run_server

    settings = read_settings()
    if "base_url" not in settings.model_fields_set:
        settings = settings.model_copy(update={"base_url": f"http://{host}:{port}"})
    with open_core(settings) as core, core.database.writing() as session:
        workspace = ensure_workspace(session)
        fresh = not has_admin(session, workspace.id)
    out.print(f"Ladder listens on {host}, port {port}, and is reached at [bold]{escape(settings.base_url)}[/]")
    if fresh:
        out.print("Nobody is in charge yet. Sign in once with this link, within 15 minutes:")
        out.print(f"  [bold]{new_sign_in_link(settings, None)}[/]", highlight=False)
    try:
        run_server(settings, with_worker=not no_worker, host=host, port=port, access_log=access_log)
    except OSError as error:
        raise give_up(f"can't listen on {host}:{port} ({error.strerror})") from None


@main.command()
def worker() -> None:
    """Run a worker only: applies deliveries and runs errands at trackers."""
    from connector import worker as worker_module
    from connector.doorbell import Doorbell
    from connector.telemetry import configure

    settings = read_settings()
    configure(settings.log_format)
    with open_core(settings) as core:
        worker_module.run(core, Doorbell(settings))


@main.group()
def db() -> None:
    """Look after the database."""


@db.command()
def upgrade() -> None:
    """Bring the database to the tables of this version."""
    from sqlalchemy.exc import SQLAlchemyError

    from connector import migrate

    settings = read_settings()
    try:
        migrate.upgrade(settings)
    except SQLAlchemyError as error:
        raise give_up(f"the database could not be upgraded ({type(error).__name__}: {error})") from error
    out.print("The database has the tables of this version.")


@db.command()
def reseal() -> None:
    """Seal every stored secret with the first of the keys, so that older keys can go."""
    from connector.resealing import reseal as run
    from connector.vault import SealBroken

    with open_core() as core:
        try:
            with core.database.writing() as session:
                count = run(session, core.vault)
        except SealBroken as error:
            raise give_up(f"nothing was changed: a stored secret is {error}") from None
    out.print(f"{count} secrets are sealed with the first key.")


@main.group()
def token() -> None:
    """Keys with which programs use the API."""


@token.command("create")
@click.argument("name")
@click.option("--workspace", help="Its name or id; needed only when there are several.")
def token_create(name: str, workspace: str | None) -> None:
    """Make an API token called NAME and print it, once."""
    from connector.sign_in import ensure_workspace
    from connector.tokens import create_token, workspace_for_token

    with open_core() as core, core.database.writing() as session:
        ensure_workspace(session)
        _, secret = create_token(session, workspace_for_token(session, workspace).id, name)
    err.print("Keep it now; it can't be shown again:")
    out.print(secret)


@token.command("list")
@click.option("--workspace", help="Its name or id; needed only when there are several.")
def token_list(workspace: str | None) -> None:
    """Show the tokens of a workspace: id, name, last use, and whether they are revoked."""
    from connector.tokens import list_tokens, workspace_for_token

    with open_core() as core, core.database.reading() as session:
        for row in list_tokens(session, workspace_for_token(session, workspace).id):
            used = f"last used {row.last_used_at:%Y-%m-%d %H:%M} UTC" if row.last_used_at else "never used"
            revoked = f", revoked {row.revoked_at:%Y-%m-%d %H:%M} UTC" if row.revoked_at else ""
            out.print(f"{row.id}  {escape(row.name)}  {used}{revoked}")


@token.command("revoke")
@click.argument("token_id")
@click.option("--workspace", help="Its name or id; needed only when there are several.")
def token_revoke(token_id: str, workspace: str | None) -> None:
    """Make the token with this id (see `ladder token list`) useless from now on."""
    from connector.tokens import revoke_token, workspace_for_token

    with open_core() as core, core.database.writing() as session:
        revoke_token(session, workspace_for_token(session, workspace).id, token_id, now=core.clock())
    out.print("Revoked.")


@main.command("sign-in-link")
@click.option("--person", help="Their e-mail address, name or id; without it, the link makes the first admin.")
def sign_in_link(person: str | None) -> None:
    """Print a one-time link to the pages, valid for 15 minutes."""
    out.print(new_sign_in_link(read_settings(), person))


def new_sign_in_link(settings: Settings, person: str | None) -> str:
    """Return the address of a new one-time link for a person, or for the first admin."""
    from sqlalchemy import or_, select

    from connector.models import Person
    from connector.sign_in import create_link, ensure_workspace

    with open_core(settings) as core, core.database.writing() as session:
        workspace = ensure_workspace(session)
        person_id = None
        if person is not None:
            named = or_(Person.id == person, Person.email == person, Person.name == person)
            found = session.scalars(select(Person.id).where(Person.workspace_id == workspace.id, named)).all()
            if len(found) != 1:
                raise give_up(f"{'nobody is' if not found else 'several people are'} called {person}")
            person_id = found[0]
        secret = create_link(session, workspace.id, now=core.clock(), person_id=person_id)
    return f"{settings.base_url}/sign-in/{secret}"


@main.command()
@click.option("--connection", "wanted", help="Its id or site; default: every active connection.")
def reconcile(wanted: str | None) -> None:
    """Read again what changed in the trackers and repair what was never delivered."""
    from sqlalchemy import select

    from connector.models import Connection
    from connector.reconcile import reconcile as run

    with open_core() as core:
        with core.database.reading() as session:
            connections = session.scalars(select(Connection).where(Connection.state == "active")).all()
        chosen = [one for one in connections if wanted in (None, one.id, one.site, one.display_site)]
        if wanted and not chosen:
            raise give_up(f"there is no active connection {wanted}")
        for connection in chosen:
            with err.status(f"Reading {connection.display_site or connection.site}"):
                result = run(core, connection.id)
            name = escape(connection.display_site or connection.site)
            out.print(f"{name}: {result.seen} issues read, {result.repaired} were news")
        if not chosen:
            out.print("No tracker is connected yet.")


@main.command()
@click.option("--check", is_flag=True, help="Change nothing; exit 1 on any difference.")
def recompute(check: bool) -> None:
    """Compute every key result from nothing, and compare with or replace the running values."""
    from connector.recompute import recompute as run

    with open_core() as core:
        result = run(core, check=check)
    for difference in result.differences:
        out.print(f"[yellow]differs[/] {escape(str(difference))}")
    done = f"{result.key_results} key results over {result.issues} issues, {len(result.differences)} differences"
    if not result.differences:
        out.print(f"{done}: every running value equals a computation from nothing.")
        return
    out.print(f"{done}." if check else f"{done}, put right.")
    if check:
        raise click.exceptions.Exit(1)


@main.command()
@click.option("--script", is_flag=True, help="Play the story unattended; exit 0 only if every number is as specified.")
@click.option("--port", default=8080, show_default=True, help="Ladder's port; another one if it is taken.")
@click.option("--jira-port", default=8081, show_default=True, help="The stand-in Jira site's port.")
@click.option("--linear-port", default=8082, show_default=True, help="The stand-in Linear workspace's port.")
@click.option(
    "--folder",
    type=click.Path(file_okay=False, writable=True),
    help="Keep the database and the log here; default: a temporary folder, removed at the end.",
)
def demo(script: bool, port: int, jira_port: int, linear_port: int, folder: str | None) -> None:
    """Run Ladder beside a stand-in Jira site and a stand-in Linear workspace on this machine; no account needed."""
    from web.demo.command import run

    sys.exit(run(script=script, ladder_port=port, jira_port=jira_port, linear_port=linear_port, folder=folder))


if __name__ == "__main__":
    main()
