"""From `module:attribute` to the app object."""

import contextlib
import importlib
import sys
import traceback
from pathlib import Path

from forebay.app import Forebay
from forebay.engine.native import refuse_greenlets
from forebay.model.errors import ConfigError


class BrokenApp(ConfigError):
    """The user's own module raised while it was imported."""


def locate(locator: str) -> Forebay:
    """Import the app named by `module:attribute` (attribute `app` unless given) from here or from the path.

    Raises:
        ConfigError: there is no such module or attribute, it is no Forebay app, or its module raises (BrokenApp).
    """
    module_name, _, attribute = locator.partition(":")
    attribute = attribute or "app"
    if not all(part and f"_{part}".isidentifier() for part in module_name.split(".")):  # a file may begin with a number
        raise ConfigError(f"{locator!r} names no module: -A takes module:attribute, such as {_module(module_name)}:app")
    with contextlib.suppress(OSError):  # a current folder that is gone has no modules
        here = str(Path.cwd())
        if here not in sys.path:
            sys.path.insert(0, here)
    app: object = _import(locator, module_name)
    _refuse_shadowed(module_name)
    for part in attribute.split("."):
        app = getattr(app, part, None)
    if not isinstance(app, Forebay):
        raise ConfigError(f"{locator!r} is no Forebay app: {module_name} has no Forebay object named {attribute!r}")
    return app


def _import(locator: str, name: str) -> object:
    try:
        return importlib.import_module(name)
    except ConfigError:
        raise  # an option of theirs that cannot work, said better than we could
    except ModuleNotFoundError as error:
        if error.name is not None and f"{name}.".startswith(f"{error.name}."):
            such = f", such as {_module(name)}:app" if name.endswith(".py") else ""
            raise ConfigError(f"no module {name!r} here or on the path: -A takes module:attribute{such}") from error
        raise _broken(locator, error) from error  # a module that theirs imports
    except (Exception, SystemExit) as error:
        refuse_greenlets()  # an import that they come into fails with words that say nothing of them
        raise _broken(locator, error) from error


def _module(name: str) -> str:
    """The module of a file, if that was named in its place."""
    parts = [part for part in name.removesuffix(".py").split("/") if part not in ("", ".")]
    good = name.endswith(".py") and not name.startswith("/") and all(part.isidentifier() for part in parts)
    return ".".join(parts) if good else "shop.tasks"


def _refuse_shadowed(name: str) -> None:
    """A module of that name had been imported, from elsewhere, before anybody could look here."""
    top = name.partition(".")[0]
    found = getattr(sys.modules[top], "__file__", None)
    with contextlib.suppress(OSError):
        for mine in (Path.cwd() / f"{top}.py", Path.cwd() / top / "__init__.py"):
            if mine.is_file() and (found is None or not mine.samefile(found)):
                raise ConfigError(
                    f"{mine} has the name of a module that Python has imported already: give it another name"
                )


def _broken(locator: str, error: BaseException) -> BrokenApp:
    """What to say when the app cannot be imported: the place in the user's code, not ours."""
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if "importlib" not in frame.filename]
    place, name, text = f"{frames[-1].filename}:{frames[-1].lineno}", type(error).__name__, str(error)
    if isinstance(error, SyntaxError):
        place, text = f"{error.filename}:{error.lineno}", error.msg
    return BrokenApp(f"app {locator} cannot be imported: {place}: {name}: {text} (FOREBAY_DEBUG=1 shows where)")
