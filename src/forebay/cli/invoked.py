"""How somebody who reads our advice has to call this program, from where they are: advice has to work when typed."""

import shlex
import shutil
import sys
from pathlib import Path


def typed() -> str:
    """`forebay` where the shell finds this very one, else its path, else `python -m forebay`."""
    ours = Path(sys.executable).parent / "forebay"
    found = shutil.which("forebay")
    if found is not None and Path(found).resolve() == ours.resolve():
        return "forebay"
    if ours.is_file():
        return shlex.quote(near(ours))
    return f"{shlex.quote(near(Path(sys.executable)))} -m forebay"


def near(path: Path) -> str:
    """`path`, relative to the present folder if it lies below it."""
    try:
        return str(path.relative_to(Path.cwd()))
    except (ValueError, OSError):  # elsewhere, or the folder is gone
        return str(path)
