"""Texts that lie beside an engine's code: statements, migrations, scripts. Read at once, and kept by whoever asks.

From a folder by plain files: `importlib.resources` imports half of what a process of ours imports for its engine, and
is for what was installed as something else.
"""

import os
import sys
from pathlib import Path


def texts(module: str, folder: str, suffix: str) -> dict[str, str]:
    """The texts of a folder by name, without the suffix.

    Args:
        module: the name of a module of the package.
        folder: beside it; "sql", "lua/lib".
        suffix: of the files that are meant.
    """
    package = module.rpartition(".")[0]
    beside = Path(sys.modules[package].__path__[0], folder)
    if not beside.is_dir():
        return _packed(package, folder, suffix)
    names = [name for name in os.listdir(beside) if name.endswith(suffix)]  # noqa: PTH208 - a quarter of the time
    return {name.removesuffix(suffix): (beside / name).read_text("utf-8") for name in names}


def _packed(package: str, folder: str, suffix: str) -> dict[str, str]:
    """The same of a package in a zip file."""
    from importlib import resources

    entries = resources.files(package).joinpath(folder).iterdir()
    return {one.name.removesuffix(suffix): one.read_text("utf-8") for one in entries if one.name.endswith(suffix)}
