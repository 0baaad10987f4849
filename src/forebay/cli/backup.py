"""`backup`: a copy of the file, made safely while workers run."""

from pathlib import Path

import click

from forebay.cli import output
from forebay.cli.shared import Command, the_app
from forebay.cli.shared import output as form
from forebay.engine.sqlite.backup import backup as copy
from forebay.model.errors import ConfigError


@click.command(cls=Command)
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--force", is_flag=True, help="Replace FILE if it exists.")
def backup(*, file: Path, force: bool) -> int:
    """Back up the database to FILE while workers run, and check the copy.

    Exits 0 if the copy is there and whole; else there is none: 1 it could not be made, 2 FILE cannot be used, 3 the
    database cannot be read.
    """
    app = the_app("backup")
    if not app.engine.capabilities.shared:
        raise ConfigError(f"{app.settings.url} lives inside one process: there is no file to copy")
    copied = copy(app.settings, file, force=force)
    if copied.missing:
        output.note(f"warning: {copied.missing} messages are missing in {copied.source} already: run `forebay doctor`")
    text = (
        f"copied {copied.source} to {copied.target}: {copied.bytes / 1e6:,.1f} MB, {copied.messages:,} messages, whole"
    )
    output.show_one(form(), copied, lambda: [text])
    return 0
