"""What all commands share: the common options, the app or engine they speak of, and the way they run.

`-A`, `--url`, `-o` and `--debug` may stand before or after a command's name; the later one counts.
"""

import asyncio
import logging
import os
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeVar, cast

import click
import msgspec

from forebay.app import Forebay
from forebay.config import masked
from forebay.engine.contract import Depth
from forebay.locate import locate
from forebay.model.errors import ConfigError, SchemaTooOld

T = TypeVar("T")

_APP = "FOREBAY_APP"
_URL = "FOREBAY_URL"


class Shared(msgspec.Struct):
    """The common options of this run."""

    app: str | None = None
    url: str | None = None
    output: str = "table"
    debug: bool = False

    @property
    def locator(self) -> str:
        """Where the app is: `-A`, else FOREBAY_APP; empty if neither is given."""
        return self.app or os.environ.get(_APP, "")


def _keep(ctx: click.Context, parameter: click.Parameter, value: Any) -> None:
    if value is None or value is False or ctx.resilient_parsing:
        return
    if parameter.name == "url" and not value:  # as of a variable of a shell that is not set
        raise click.UsageError("--url is empty: write sqlite:///name.db or the like, or leave it out", ctx)
    setattr(current(), str(parameter.name), value)
    if parameter.name == "url":
        # The flag is stronger than the environment, and worker processes have to see it too: it takes its place there.
        os.environ[_URL] = value
    if parameter.name == "debug":
        logging.basicConfig(level=logging.INFO)


def common_options() -> list[click.Parameter]:
    """The options that every command has."""
    keep: Any = {"callback": _keep, "expose_value": False}
    return [
        click.Option(["-A", "--app"], metavar="MODULE:ATTR", help="The app; default FOREBAY_APP.", **keep),
        click.Option(["--url"], metavar="URL", help="The engine: the app's own unless given.", **keep),
        click.Option(
            ["-o", "--output"],
            type=click.Choice(["table", "json", "ndjson"]),
            help="Output format; default table.",
            **keep,
        ),
        click.Option(["--debug"], is_flag=True, help="Show tracebacks and log lines (or FOREBAY_DEBUG=1).", **keep),
    ]


class Command(click.Command):
    """A command with the common options."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.params = [*self.params, *common_options()]
        self.context_settings.setdefault("help_option_names", ["-h", "--help"])

    def get_short_help_str(self, limit: int = 45) -> str:
        """Its first sentence in a list of commands: as many of its clauses as there is room for, and no half of one."""
        sentence = super().get_short_help_str(10_000)
        while len(sentence) > limit and (ends := [at for mark in ";:," if (at := sentence.rfind(mark)) > 0]):
            sentence = sentence[: max(ends)]
        return sentence if len(sentence) <= limit else super().get_short_help_str(limit)


class Group(click.Group):
    """A command with commands below it, all with the common options."""

    command_class = Command

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.params = [*self.params, *common_options()]
        self.context_settings.setdefault("help_option_names", ["-h", "--help"])


def current() -> Shared:
    """The common options of the command that runs."""
    return cast("Shared", click.get_current_context().obj)


def locator() -> str:
    """The app, for advice: as it was given."""
    return current().locator or "module:app"


def output() -> str:
    """The form of output asked for."""
    return current().output


def needed_locator(command: str) -> str:
    """The app's locator.

    Raises:
        ConfigError: none is given.
    """
    found = current().locator
    if not found:
        raise ConfigError(f"forebay {command} needs an app: -A module:attr, or {_APP}")
    return found


def load_app(locator: str) -> Forebay:
    """Import the app.

    Raises:
        ConfigError: it is not there, or its module raises.
    """
    return locate(locator)


def the_app(command: str, *, required: bool = False) -> Forebay:
    """The app asked for. Where none is needed, one without tasks on the engine of `--url` or of the settings."""
    shared = current()
    if required:
        return load_app(needed_locator(command))
    if shared.app or (shared.locator and not shared.url):
        return load_app(shared.locator)
    return Forebay()


def with_app(
    app: Forebay, work: Callable[[Forebay], Awaitable[T]], *, create: bool = False, declare: bool = False
) -> T:
    """Open the app's engine, do some work with it, and close it again.

    Args:
        declare: declare the app's queues, as a program that enqueues does. Whoever looks changes nothing.
        create: make the file if there is none, and bring an older one up to date. Looking must not leave an empty
            database behind, nor take the schema away from workers of an older version.

    Raises:
        SchemaTooOld: it is older.
        EngineUnreachable: nothing is there.
        ConfigError: what is there cannot be seen from another process.
    """
    _reachable(app, create)
    app.engine.declares = declare
    if not create:
        msgspec.structs.force_setattr(app.settings, "migrate", False)  # nobody else has this app: the process is ours

    async def run() -> T:
        try:
            await app.engine.open()  # whoever looks has nothing to do with what others left in the outbox
        except SchemaTooOld as error:
            raise SchemaTooOld(f"{error}, or start the workers of this version; nothing was changed") from error
        try:
            return await work(app)
        finally:
            await app.close()

    return asyncio.run(run())


async def depths(app: Forebay) -> list[Depth]:
    """The numbers of all queues: those that are there, and those of the app that nobody has made yet, with zeros."""
    there = await app.engine.depth()
    new = set(app.registry.queues) - {depth.queue for depth in there}
    return sorted([*there, *(await app.engine.depth(sorted(new)) if new else [])], key=lambda depth: depth.queue)


def timed(app: Forebay, work: Callable[[Forebay], Awaitable[T]]) -> tuple[T, float]:
    """As `with_app`, and the store's time: how long ago something was is told by the clock that wrote it down."""

    async def both(app: Forebay) -> tuple[T, float]:
        return await work(app), await app.store.now()

    return with_app(app, both)


def _reachable(app: Forebay, create: bool) -> None:
    url = masked(app.settings.url)
    if not app.engine.capabilities.shared:
        raise ConfigError(f"{url} lives inside one process and cannot be seen from here: use sqlite:///name.db")
    if not create and app.backend.checks is not None:
        app.backend.checks.reachable()


def only(names: Sequence[str], known: Sequence[str], kind: str) -> None:
    """Refuse names that do not exist, before anything is done to the others.

    Raises:
        ConfigError: with what there is.
    """
    for name in names:
        if name not in known:
            there = ", ".join(known[:20]) or "none yet"
            raise ConfigError(f"no {kind} {name!r}: there is {there}")
