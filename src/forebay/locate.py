"""From `module:attribute` to the app object."""

import importlib
import sys
from pathlib import Path

from forebay.app import Forebay
from forebay.model.errors import ConfigError


def locate(locator: str) -> Forebay:
    """Import the app named by `module:attribute` (attribute `app` unless given) from here or from the path.

    Raises:
        ConfigError: there is no such module or attribute, or it is no Forebay app.
    """
    module_name, _, attribute = locator.partition(":")
    attribute = attribute or "app"
    if not all(part.isidentifier() for part in module_name.split(".")):
        raise ConfigError(f"{locator!r} names no module: -A takes module:attribute, such as shop.tasks:app")
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.insert(0, here)
    try:
        found = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{module_name}.".startswith(f"{error.name}."):
            raise  # a module that theirs imports is missing: that traceback is the best message
        raise ConfigError(f"no module {module_name!r} here or on the path: -A takes module:attribute") from error
    app: object = found
    for part in attribute.split("."):
        app = getattr(app, part, None)
    if not isinstance(app, Forebay):
        raise ConfigError(f"{locator!r} is no Forebay app: {module_name} has no Forebay object named {attribute!r}")
    return app
