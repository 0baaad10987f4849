"""How the documentation is built: Markdown through MyST, in the Furo theme; `make docs` turns warnings into errors."""

import tomllib
from pathlib import Path

with (Path(__file__).parent.parent / "pyproject.toml").open("rb") as file:
    release = tomllib.load(file)["project"]["version"]

project = "Forebay"
author = "The Forebay authors"
copyright = "2026, The Forebay authors"  # noqa: A001 - Sphinx's own name for it
extensions = ["myst_parser"]
exclude_patterns = ["_*"]
myst_heading_anchors = 3
suppress_warnings = ["toc.empty_glob"]  # a chapter may have no page yet
html_theme = "furo"
html_title = f"Forebay {release}"
html_copy_source = False
