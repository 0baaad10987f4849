"""`enqueue`: a task with arguments checked against its signature, or raw messages to a queue."""

import sys
from collections.abc import Iterator
from typing import Any

import click
import msgspec

from forebay.app import Forebay
from forebay.cli import output
from forebay.cli.kinds import SECONDS, Json
from forebay.cli.output import to_json
from forebay.cli.progress import Bar
from forebay.cli.shared import Command, the_app, with_app
from forebay.cli.shared import output as form
from forebay.cli.table import Column, Table
from forebay.cli.waiting import patiently
from forebay.model.errors import BadArguments, UnknownTask
from forebay.produce.handle import Handle
from forebay.produce.task import Task

#: Lines of standard input that are published in one transaction.
CHUNK = 1_000
_TEXT_OF_JSON = ("{", "[", '"')

_TABLE: Table[dict[str, Any]] = Table(
    [
        Column("ID", lambda row: row["id"]),
        Column("QUEUE", lambda row: row["queue"]),
        Column("", lambda row: row["note"]),
    ],
    "nothing to enqueue",
)


class How(msgspec.Struct, kw_only=True):
    """What `enqueue` was told besides the task and its positional arguments."""

    args: list[Any] | None
    kwargs: dict[str, Any] | None
    raw: bool
    wait: bool
    timeout: float | None
    header: tuple[str, ...]
    queue: str | None
    id: str | None
    delay: float | None
    priority: int | None
    key: str | None
    unique: str | None
    expires: float | None

    def ways(self) -> dict[str, Any]:
        """The ways to wait, without those that were not named."""
        names = ("queue", "id", "delay", "priority", "key", "unique", "expires")
        chosen = {name: getattr(self, name) for name in names if getattr(self, name) is not None}
        if self.header:
            chosen["headers"] = dict(_header(text) for text in self.header)
        return chosen


def _header(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals or not name:
        raise click.UsageError(f"--header {text!r}: write NAME=VALUE", click.get_current_context())
    return name, value


@click.command(cls=Command)
@click.argument("target", metavar="TASK|QUEUE")
@click.argument("values", nargs=-1, metavar="[JSON]...")
@click.option("--args", type=Json(list[Any]), help="Positional arguments as one JSON array, instead of JSON words.")
@click.option("--kwargs", type=Json(dict[str, Any]), help="Keyword arguments as a JSON object.")
@click.option("--raw", is_flag=True, help="Publish each JSON value as a raw message to QUEUE; '-' reads NDJSON.")
@click.option("-Q", "--queue", help="Use this queue instead of the task's own.")
@click.option("--id", help="An id of your choice; a second message with it changes nothing.")
@click.option("--delay", type=SECONDS, help="Do not run it before this time has passed.")
@click.option("--priority", type=int, help="Higher runs first; default 0.")
@click.option("--key", help="The tenant or entity it belongs to.")
@click.option("--unique", help="Deduplicate: no second message while one with this key waits or runs.")
@click.option("--expires", type=SECONDS, help="Do not start it later than this.")
@click.option("--header", multiple=True, metavar="NAME=VALUE", help="A header; may be given several times.")
@click.option("--wait", is_flag=True, help="Wait until it ends and print the result; exits 1 if it fails.")
@click.option("--timeout", type=SECONDS, help="With --wait: wait at most this long.")
def enqueue(target: str, values: tuple[str, ...], **chosen: Any) -> None:
    """Enqueue TASK of the app; its arguments are checked first, as in a program.

    Each word after it is one argument, read as JSON; a word that is no JSON, such as a@b.c, is a text.
    """
    how = How(**chosen)
    how.ways()  # a wrong one is refused before anything is opened
    if how.timeout is not None and not how.wait:
        text = "--timeout is how long --wait waits: add --wait (how long a task may run: @app.task(timeout=...))"
        raise click.UsageError(text, click.get_current_context())
    if how.raw:
        _publish(target, values, how)
    else:
        _enqueue(target, values, how)


def _enqueue(name: str, values: tuple[str, ...], how: How) -> None:
    if values and how.args is not None:
        raise click.UsageError("give the arguments as words or with --args, not both", click.get_current_context())
    app = the_app("enqueue", required=True)
    task = task_of(app, name)
    args = [word(value) for value in values] if how.args is None else how.args
    with_app(app, lambda app: _one(app, task, args, how), create=True, declare=True)


def task_of(app: Forebay, name: str) -> Task[..., Any, Any]:
    """A task of the app by its name.

    Raises:
        UnknownTask: it has none of that name.
    """
    task = app.registry.tasks.get(name)
    if task is None:
        there = ", ".join(sorted(app.registry.tasks)) or "no tasks"
        raise UnknownTask(f"no task {name!r} in this app: it has {there}; `enqueue --raw` publishes to a queue")
    return task


async def _one(app: Forebay, task: Task[..., Any, Any], args: list[Any], how: How) -> None:
    handle: Handle[Any] = await task.using(**how.ways()).aenqueue(*args, **(how.kwargs or {}))
    if not how.wait:
        row = {"id": handle.id, "queue": how.queue or task.waiting.queue, "duplicate": handle.duplicate}
        output.show_one(form(), row, lambda: [f"{handle.id} {_answer(row)}"])
        return
    output.note(f"{handle.id} {_answer({'queue': how.queue or task.waiting.queue, 'duplicate': handle.duplicate})}")
    click.echo(to_json(await patiently(app, handle.id, how.timeout)))


def _answer(row: dict[str, Any]) -> str:
    return "is there already: a message with this id or unique key" if row["duplicate"] else f"waits on {row['queue']}"


def word(text: str) -> Any:
    """One argument. What begins like JSON has to be JSON, so that a typing error does not become a text."""
    try:
        return msgspec.json.decode(text.encode("utf-8", "surrogatepass"))
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        if text.startswith(_TEXT_OF_JSON):
            raise BadArguments(f"{text[:80]!r} begins like JSON but is none: {error}") from None
        return text


def _publish(queue: str, values: tuple[str, ...], how: How) -> None:
    if how.args is not None or how.kwargs is not None or how.wait:
        text = "--raw publishes to a queue: it has no --args, --kwargs or --wait"
        raise click.UsageError(text, click.get_current_context())
    if how.queue is not None:
        raise click.UsageError("with --raw the first word is the queue; leave out -Q", click.get_current_context())
    if not values:
        raise click.UsageError("give the messages as JSON, or - to read lines", click.get_current_context())
    with_app(the_app("enqueue"), lambda app: _all(app, queue, values, how), create=True, declare=True)


async def _all(app: Forebay, queue: str, values: tuple[str, ...], how: How) -> None:
    rows: list[dict[str, Any]] = []
    count = 0
    with Bar("published", 0) as bar:
        for chunk in _chunks(values):
            handles = await app.apublish_many(queue, chunk, **how.ways())
            count += len(handles)
            bar.advance(len(handles))
            if form() == "table" and values == ("-",):
                continue  # a million ids help nobody
            rows = [{"id": handle.id, "queue": queue, "note": ""} for handle in handles]
            _print(rows)
    if form() == "table" and values == ("-",):
        output.say(f"published {count:,} to {queue}")


def _print(rows: list[dict[str, Any]]) -> None:
    if form() == "table":
        output.show("table", rows, _TABLE)
    else:
        output.stream({"id": row["id"], "queue": row["queue"]} for row in rows)


def _chunks(values: tuple[str, ...]) -> Iterator[list[Any]]:
    if values != ("-",):
        yield [word(value) for value in values]
        return
    chunk: list[Any] = []
    for number, line in enumerate(sys.stdin.buffer, start=1):
        if not line.strip():
            continue
        try:
            chunk.append(msgspec.json.decode(line))
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            raise BadArguments(f"line {number} is not JSON: {error}; the lines before it may be published") from None
        if len(chunk) == CHUNK:
            yield chunk
            chunk = []
    if chunk:
        yield chunk
