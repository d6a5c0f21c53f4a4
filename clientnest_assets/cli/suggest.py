"""What `clientnest import --suggest` shows: a proposed mapping on standard output, all else on standard error."""

from __future__ import annotations

from pathlib import Path

from rich.markup import escape

from clientnest_assets.cli.importing import importing, show_checked
from clientnest_assets.cli.session import Session, console, errors
from clientnest_assets.errors import ClientNestError


def suggest_mapping(file: Path, session: Session) -> None:
    """Proposes a mapping for the file, and shows what importing with it would do.

    Raises:
        FileError: if the file cannot be read, or none of our tables is for it.
    """
    from clientnest_assets.defs.file_imports import File
    from clientnest_assets.sources.files import import_name, parse_mapping
    from clientnest_assets.sources.files.register import content_hash
    from clientnest_assets.sources.files.suggesting import suggest

    suggestion = suggest(file)
    console.print(suggestion.text, end="", markup=False, highlight=False, soft_wrap=True)
    for note in suggestion.notes:
        errors.print(f"[yellow]note:[/] {escape(note)}", highlight=False)
    given = File(
        file, parse_mapping(suggestion.text, "the proposal"), "proposal", import_name(file), content_hash(file)
    )
    try:
        with importing(session) as imports, imports.checked(given) as checked:
            show_checked(checked, errors)
    except ClientNestError as error:
        # The proposal stands, even where the whole file shows that a line of it has to be another.
        errors.print(f"[bold red]with this mapping:[/] {escape(str(error))}")
    errors.print(
        "keep the mapping in a file, edit it, and try it: "
        f"clientnest import {escape(str(file))} --mapping my_mapping.yaml --dry-run",
        highlight=False,
        soft_wrap=True,
    )
