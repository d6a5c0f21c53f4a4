"""The `clientnest` command: its subcommands, and how errors are told."""

from __future__ import annotations

import sys
import warnings

import typer
from rich.markup import escape

from clientnest_assets.cli.backfill import backfill
from clientnest_assets.cli.capture import capture
from clientnest_assets.cli.collect import collect
from clientnest_assets.cli.consume import consume
from clientnest_assets.cli.demo import demo
from clientnest_assets.cli.doctor import doctor
from clientnest_assets.cli.features import features
from clientnest_assets.cli.import_ import import_file
from clientnest_assets.cli.land import land
from clientnest_assets.cli.maintain import maintain
from clientnest_assets.cli.models import models
from clientnest_assets.cli.quarantine import quarantine
from clientnest_assets.cli.query import sql, warehouse
from clientnest_assets.cli.rebuild import rebuild
from clientnest_assets.cli.session import HomeOption, errors, set_home
from clientnest_assets.cli.simulate import simulate
from clientnest_assets.cli.status import status
from clientnest_assets.cli.up import down, up
from clientnest_assets.errors import ClientNestError

INTERRUPTED = 130


def _flowing(docstring: str | None) -> str:
    """A docstring whose paragraphs are one line each, so that help breaks lines by the terminal and not by the source."""
    return "\n\n".join(" ".join(part.split()) for part in (docstring or "").split("\n\n"))


cli = typer.Typer(
    name="clientnest",
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help=(
        "ClientNest's analytics platform, from source rows to predictions.\n\n"
        "Begin with [bold]clientnest demo[/]: a simulated company, every layer built, the models trained, and the pages "
        "to look at. Then [bold]status[/] tells what is there and where, and [bold]sql[/] and [bold]warehouse[/] ask "
        "questions. All state of the embedded default is in one folder, see --home."
    ),
)


@cli.callback()
def _everywhere(home: HomeOption = None) -> None:
    set_home(home)


RUNNING, FILLING, ASKING = "Run", "Fill", "Ask"
cli.command(rich_help_panel=RUNNING)(demo)
cli.command(rich_help_panel=RUNNING)(up)
cli.command(rich_help_panel=RUNNING)(down)
cli.command(rich_help_panel=RUNNING)(doctor)
cli.command(rich_help_panel=RUNNING)(maintain)
cli.command(rich_help_panel=FILLING)(simulate)
cli.command("import", rich_help_panel=FILLING)(import_file)
cli.command(rich_help_panel=FILLING)(capture)
cli.command(rich_help_panel=FILLING)(collect)
cli.command(rich_help_panel=FILLING)(land)
cli.command(rich_help_panel=FILLING)(consume)
cli.command(rich_help_panel=FILLING)(backfill)
cli.command(rich_help_panel=FILLING)(rebuild)
cli.add_typer(quarantine, name="quarantine", rich_help_panel=FILLING)
cli.command(rich_help_panel=ASKING)(status)
cli.add_typer(features, name="features", rich_help_panel=ASKING)
cli.add_typer(models, name="models", rich_help_panel=ASKING)
cli.command(rich_help_panel=ASKING)(sql)
cli.command(rich_help_panel=ASKING)(warehouse)
_groups = (cli, features, models, quarantine)
for _command in (command for group in _groups for command in group.registered_commands):
    _command.help = _flowing(_command.callback.__doc__ if _command.callback else None)


def app() -> None:
    """The entry point. An error that the user can mend is told in words, any other with its traceback."""
    # Dagster's backfill policies are marked beta; that is our concern, not our users'.
    warnings.filterwarnings("ignore", message=".*is currently in (beta|preview).*")
    try:
        cli()
    except ClientNestError as error:
        errors.print(f"[bold red]error:[/] {escape(str(error))}")
        sys.exit(1)
    except KeyboardInterrupt:
        errors.print("interrupted")
        sys.exit(INTERRUPTED)


if __name__ == "__main__":
    app()
