"""How the documentation is built: Markdown through MyST, in the Furo theme; `make docs` turns warnings into errors."""

import logging
import sys
import tomllib
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "_extensions"))
# A chapter may have no page yet. Sphinx gives that warning no type, so `suppress_warnings` cannot name it.
logging.getLogger("sphinx.sphinx.directives.other").addFilter(
    lambda record: getattr(record, "subtype", None) != "empty_glob"
)

with (Path(__file__).parent.parent / "pyproject.toml").open("rb") as file:
    release = tomllib.load(file)["project"]["version"]

project = "Forebay"
author = "The Forebay authors"
copyright = "2026, The Forebay authors"  # noqa: A001 - Sphinx's own name for it
extensions = ["myst_parser", "lifecycle_diagram", "command_line"]
exclude_patterns = ["_*"]
myst_heading_anchors = 3
smartquotes = False  # "--" in an option is no dash
html_theme = "furo"
html_title = f"Forebay {release}"
html_copy_source = False
