"""`init`, `demo`: the first five minutes."""

import shlex
import sys
from importlib import resources
from importlib.machinery import PathFinder
from pathlib import Path
from typing import Any

import click

from forebay.cli import output
from forebay.cli.invoked import typed
from forebay.cli.shared import Command
from forebay.cli.shared import output as form
from forebay.model.errors import ConfigError

_FOLDER: Any = click.Path(path_type=Path, file_okay=False)


@click.command(cls=Command)
@click.argument("path", default="app.py", type=click.Path(path_type=Path, dir_okay=False), metavar="[FILE]")
def init(path: Path) -> None:
    """Write a small example app to FILE (default app.py), and say what to do next. Never overwrites a file."""
    if path.suffix != ".py" or not path.stem.isidentifier():
        raise ConfigError(f"{path}: give the name of a Python file that can be imported, such as app.py")
    if path.stem in sys.stdlib_module_names or _elsewhere(path):
        raise ConfigError(f"{path}: it would hide the module {path.stem!r} that is installed: take another name")
    text = (resources.files("forebay.cli") / "templates" / "app.py.txt").read_text("utf-8")
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        raise click.ClickException(f"{path} exists and is left as it is: name another file") from None
    except OSError as error:
        raise click.ClickException(f"{path} cannot be written: {error.strerror}") from error
    locator, call = f"{path.stem}:app", typed()
    steps = [
        *([(f"cd {shlex.quote(str(path.parent))}", "")] if path.parent != Path() else []),
        (f"{call} dev -A {locator}", "a worker that restarts when you save"),
        (f"{call} enqueue -A {locator} greet World --wait", "in another terminal"),
        (f"{call} top -A {locator}", "and watch"),
    ]
    widest = max(len(step) for step, _ in steps)
    lines = [f"wrote {path}; next:", "", *(f"  {step:{widest}}  # {why}".rstrip("# ") for step, why in steps)]
    output.show_one(form(), {"path": str(path), "app": locator}, lambda: lines)


def _elsewhere(path: Path) -> bool:
    """Whether that name is taken by a module that lies neither in the file's own folder nor in the present one."""
    ours = {path.parent.resolve(), Path.cwd()}
    return (
        PathFinder.find_spec(path.stem, [entry for entry in sys.path if Path(entry).resolve() not in ours]) is not None
    )


@click.command(cls=Command)
@click.option("--files", type=click.IntRange(1), help="How many source files to index; default all.")
@click.option("-p", "--processes", type=click.IntRange(1), help="Worker processes; default 2.")
@click.option("--no-kill", "kill", is_flag=True, flag_value=False, default=True, help="Do not kill a worker.")
@click.option("--keep", type=_FOLDER, help="Keep queue and index in this new folder.")
def demo(**chosen: Any) -> int:
    """Index this machine's Python standard library, kill a worker half-way, and compare with a plain loop."""
    from forebay.demo import run_demo

    return run_demo(**{name: value for name, value in chosen.items() if value is not None}, typed=typed())
