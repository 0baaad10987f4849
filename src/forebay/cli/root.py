"""The root of the command line: which commands there are, and how each of them ends.

A command's module is imported when the command is asked for, so `forebay --help` and `forebay queues` do not pay for
rich, watchfiles or the worker. All errors end here, as one line and an exit code.
"""

import os
import sys
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Any, TextIO, cast

import click

from forebay.cli import failing
from forebay.cli.shared import Shared, common_options
from forebay_command import imported

#: Command -> (module under `forebay.cli`, line in `forebay --help`), in the order in which somebody meets them.
COMMANDS: dict[str, tuple[str, str]] = {
    "init": ("start", "Write a small app to begin with."),
    "demo": ("start", "Index Python's standard library with two workers, and kill one."),
    "dev": ("worker", "Run a worker that restarts when code changes, for development."),
    "worker": ("worker", "Run tasks and consumers."),
    "check": ("check", "Check the app for mistakes, for CI."),
    "enqueue": ("enqueue", "Enqueue a task, or publish raw messages."),
    "result": ("messages", "Print the result of a message."),
    "cancel": ("cancel", "Cancel waiting or running messages."),
    "queues": ("queues", "Show queues: waiting, running, scheduled, dead."),
    "messages": ("messages", "List messages, or show everything about one."),
    "dead": ("dead", "Dead letters: list, show, redrive, purge."),
    "why": ("why", "Say why a message, queue or schedule waits, and what to do."),
    "purge": ("cancel", "Cancel all waiting messages of a queue."),
    "pause": ("queues", "Stop workers from taking messages from queues."),
    "resume": ("queues", "Let workers take messages from queues again."),
    "providers": ("providers", "Providers: list, open, close, probe."),
    "rules": ("rules", "Rules: pause, throttle, reroute or drop messages without a deploy."),
    "schedules": ("schedules", "Schedules: list, add, run, pause, resume, remove."),
    "audit": ("why", "List what operators did: who, what, when."),
    "workers": ("workers", "List worker processes."),
    "top": ("top", "Show queues and workers, live."),
    "scale": ("scale", "Say how many slots queues want, for autoscaling."),
    "tail": ("tail", "Print messages as they arrive and end."),
    "doctor": ("doctor", "Look for problems, and say what to do."),
    "healthcheck": ("workers", "Exit 0 if a worker on this host is alive and working."),
    "move": ("move", "Move messages to another engine."),
    "backup": ("backup", "Back up the database while workers run."),
    "migrate": ("doctor", "Migrate the database schema."),
    "bench": ("bench", "Benchmark this machine."),
    "config": ("config", "Show the settings in force, and where they come from."),
    "completion": ("completion", "Print a shell completion script."),
}

#: What other queues call it -> a command.
ELSEWHERE = {
    "status": "doctor", "inspect": "workers", "info": "queues", "stats": "queues", "ls": "messages", "jobs": "messages",
    "tasks": "messages", "retry": "dead redrive", "requeue": "dead redrive", "failed": "dead list", "beat": "schedules",
    "cron": "schedules", "monitor": "top", "events": "tail", "logs": "tail", "ping": "healthcheck", "run": "worker",
    "start": "worker", "send": "enqueue", "publish": "enqueue --raw", "suspend": "pause", "empty": "purge",
    "revoke": "cancel", "new": "init",
}  # fmt: skip


class Root(click.Group):
    """Commands by name, imported on demand."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """All of them, in the order of the table."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the command's module."""
        if cmd_name not in COMMANDS:
            return None
        module = import_module(f"forebay.cli.{COMMANDS[cmd_name][0]}")
        imported()
        return cast("click.Command", getattr(module, cmd_name))

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """See click; with a guess at what was meant."""
        name = args[0]
        if name not in COMMANDS and not name.startswith("-") and not ctx.resilient_parsing:
            import difflib  # for a slip alone

            near = difflib.get_close_matches(name, COMMANDS, n=1) or [*filter(None, [ELSEWHERE.get(name)])]
            ctx.fail(f"no command {name!r}" + (f": did you mean {near[0]!r}?" if near else ""))
        return super().resolve_command(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:
        """See click; whoever read us may leave early (`| head`), and that is no failure."""
        try:
            code = super().invoke(ctx)
            out: TextIO | None = sys.stdout  # None where descriptor 1 is closed
            if out is not None:
                out.flush()
        except BrokenPipeError:
            _leave_quietly(sys.stdout)
            return 0
        return code

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """From the table, so that help imports nothing."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, line) in COMMANDS.items()])


def _version(ctx: click.Context, _parameter: click.Parameter, wanted: bool) -> None:
    if wanted and not ctx.resilient_parsing:
        from forebay import __version__

        click.echo(f"forebay {__version__}")
        ctx.exit()


@click.command(cls=Root, params=common_options(), no_args_is_help=True)
@click.option(
    "--version", is_flag=True, is_eager=True, expose_value=False, callback=_version, help="Print the version."
)
@click.help_option("-h", "--help")
def cli() -> None:
    """Forebay: background jobs and message queues on a SQLite file, PostgreSQL or Redis.

    Options given before the command may also stand after it. Exit codes: 0 ok, 1 failure, 2 usage, 3 engine
    unreachable, 4 unhealthy.
    """


def main(args: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code; never raises for what a user can cause.

    Args:
        args: the words after `forebay`; those of the process if None.
    """
    shared = Shared(debug=os.environ.get("FOREBAY_DEBUG", "") not in ("", "0"))
    _open_what_is_closed()
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors="backslashreplace")  # a name may hold what the terminal cannot show
    try:
        given = None if args is None else list(args)
        code: object = cli.main(given, prog_name="forebay", standalone_mode=False, obj=shared)
    except click.exceptions.NoArgsIsHelpError as asked:
        click.echo(asked.format_message(), err=True)
        return asked.exit_code
    except BaseException as error:  # the last frame of the program: whatever it is ends as a line
        if isinstance(error, SystemExit) or (shared.debug and not isinstance(error, KeyboardInterrupt | click.Abort)):
            raise
        failed = failing.report(error)
        _end_quietly()
        return failed
    return code if isinstance(code, int) else 0


def _open_what_is_closed() -> None:
    """A shell may start us without standard streams (`>&-`); what is written then goes nowhere."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, Path(os.devnull).open(mode, encoding="utf-8"))  # noqa: SIM115 - as long as we run


def _end_quietly() -> None:
    """What cannot be written any more (a full disk) is told by now, and is not to be tried again at the end."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:
            _leave_quietly(stream)


def _leave_quietly(stream: TextIO) -> None:
    """Keep the interpreter from complaining when it flushes at its end."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
