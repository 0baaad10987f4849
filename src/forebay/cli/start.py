"""`init`, `demo`: the first five minutes."""

from importlib import resources
from pathlib import Path
from typing import Any

import click

from forebay.cli import output
from forebay.cli.shared import Command
from forebay.cli.shared import output as form
from forebay.model.errors import ConfigError


@click.command(cls=Command)
@click.argument("path", default="app.py", type=click.Path(path_type=Path, dir_okay=False), metavar="[FILE]")
def init(path: Path) -> None:
    """Write a small example app to FILE (app.py unless given) and say what to do next. Never overwrites."""
    if path.suffix != ".py" or not path.stem.isidentifier():
        raise ConfigError(f"{path}: give the name of a Python file that can be imported, such as app.py")
    text = (resources.files("forebay.cli") / "templates" / "app.py.txt").read_text("utf-8")
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        raise click.ClickException(f"{path} exists and is left as it is: name another file") from None
    except OSError as error:
        raise click.ClickException(f"{path} cannot be written: {error.strerror}") from error
    locator = f"{path.stem}:app"
    steps = [
        *([f"cd {path.parent}"] if path.parent != Path() else []),
        f"forebay dev -A {locator}                      # a worker that reloads when you save",
        f"forebay enqueue -A {locator} greet World --wait   # in another terminal",
        f"forebay top -A {locator}                      # and watch",
    ]
    lines = [f"wrote {path}; next:", "", *(f"  {step}" for step in steps)]
    output.show_one(form(), {"path": str(path), "app": locator}, lambda: lines)


@click.command(cls=Command)
@click.option("--files", type=click.IntRange(1), help="How many source files; all unless given.")
@click.option("-p", "--processes", type=click.IntRange(1), help="Worker processes.")
def demo(**chosen: Any) -> int:
    """Index the Python standard library of this machine, lose a worker on purpose, and compare the totals."""
    from forebay.demo import run_demo

    return run_demo(**{name: value for name, value in chosen.items() if value is not None})
