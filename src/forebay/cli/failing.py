"""How a command fails: any error becomes one line on stderr, with what to do next, and an exit code."""

from enum import IntEnum

import click

from forebay.cli.human import shortened
from forebay.model.errors import (
    BadArguments,
    ConfigError,
    EngineUnreachable,
    ForebayError,
    SchemaTooNew,
    SchemaTooOld,
    UnknownTask,
    no_text,
)
from forebay.model.plain import printable

#: What other programs call a form of output -> ours.
_FORMS = {"--json": "json", "--ndjson": "ndjson", "--jsonl": "ndjson", "--format": "json"}
_HINT = "FOREBAY_DEBUG=1 shows where"


class Code(IntEnum):
    """Exit codes, the same for all commands."""

    OK = 0
    FAILURE = 1
    USAGE = 2
    UNREACHABLE = 3
    UNHEALTHY = 4
    INTERRUPTED = 130


class Missing(ForebayError):
    """An optional library that this command needs is not installed."""

    def __init__(self, library: str, command: str) -> None:
        super().__init__(f"forebay {command} needs {library}: pip install 'forebay[cli]'")


def report(error: BaseException) -> int:
    """Say what went wrong on stderr; the exit code."""
    if isinstance(error, KeyboardInterrupt | click.Abort):
        return Code.INTERRUPTED
    code, text = _explained(error)
    click.echo(f"{click.style('error:', fg='red')} {shortened(printable(' '.join(text.split())))}", err=True)
    return code


def _explained(error: BaseException) -> tuple[Code, str]:
    match error:
        case EngineUnreachable() | SchemaTooNew() | SchemaTooOld():
            return Code.UNREACHABLE, str(error)
        case ConfigError() | BadArguments() | UnknownTask():
            return Code.USAGE, str(error)
        case ForebayError():
            return Code.FAILURE, str(error)
        case click.UsageError():
            return Code.USAGE, _usage(error)
        case click.ClickException():
            return Code.FAILURE, _sentence(error.format_message())
        case _:
            return _other(error)


def _usage(error: click.UsageError) -> str:
    if isinstance(error, click.NoSuchOption) and error.option_name in _FORMS:
        return f"no such option {error.option_name!r}: write -o {_FORMS[error.option_name]}"
    path = error.ctx.command_path if error.ctx else "forebay"
    return f"{_sentence(error.format_message())} (see {path} --help)"


def _other(error: BaseException) -> tuple[Code, str]:
    """What nobody foresaw; what the system refused, in its own words; a word that was typed and is no text."""
    if isinstance(error, UnicodeEncodeError):
        return Code.USAGE, str(no_text(error))
    if isinstance(error, OSError) and error.strerror and error.filename is None:
        return Code.FAILURE, f"{error.strerror} (where output goes to, perhaps; {_HINT})"
    return Code.FAILURE, f"{type(error).__name__}: {error} ({_HINT})"


def _sentence(text: str) -> str:
    """Click's own words in our form: no capital, no full stop."""
    text = text.rstrip(".")
    return text[:1].lower() + text[1:]
