"""Which messages and queues to look at, as a program asks for them: checked, and turned into what a store is asked."""

from collections.abc import Mapping, Sequence
from typing import Any, TypedDict

import msgspec

from forebay.model.errors import ConfigError, encodable
from forebay.model.lifecycle import State
from forebay.model.message import bears_nul
from forebay.model.options import misfit
from forebay.produce.task import Task
from forebay.store.records import Query

#: The most messages of one answer; page on with `after`.
MOST = 100_000


class Which(TypedDict, total=False):
    """Which messages to list. What is not named may be anything.

    Keys:
        queue, key, unique: of the message.
        task: a task, or the name of one.
        state: such as "dead" or State.DEAD; unless given, those that wait or run.
        after: page on from the id of the last message seen.
        limit: the most messages to answer; 50 unless given.
    """

    queue: str
    task: "Task[..., Any, Any] | str"
    state: State | str
    key: str
    unique: str
    after: str
    limit: int


def queues_asked(names: Sequence[str]) -> list[str] | None:
    """The queues that are asked for; None for all.

    Raises:
        ConfigError: one is no text that could be a name.
    """
    for name in names:
        if not isinstance(name, str) or encodable(name) != name:  # pyright: ignore[reportUnnecessaryIsInstance]
            raise ConfigError(f"queues: the name of a queue is a text, not {name!r:.200}")
    return list(names) or None


def asked(query: Query | None, which: Mapping[str, Any]) -> Query:
    """The query that `which` means; what it names wins over `query`.

    Raises:
        ConfigError: a name or a value is not known.
    """
    named = {name: value for name, value in which.items() if value is not None}
    if isinstance(task := named.get("task"), Task):
        named["task"] = task.name
    base = {} if query is None else msgspec.structs.asdict(query)
    if unknown := sorted(set(named) - set(Query.__struct_fields__)):
        raise ConfigError(
            f"messages: unknown filter {', '.join(unknown)}: known are {', '.join(Which.__annotations__)}"
        )
    try:
        found = msgspec.convert({**base, **named}, Query)
        msgspec.json.encode(found)  # half a surrogate pair is text to Python, and to nobody else
    except (msgspec.ValidationError, UnicodeError) as error:
        hint = f"; a state is one of {', '.join(State)}" if "$.state" in str(error) else ""
        raise ConfigError(f"messages: {misfit(error, named)}{hint}") from None
    for name in ("queue", "task", "key", "unique"):
        if fault := bears_nul(getattr(found, name) or ""):
            raise ConfigError(f"messages: no message has {name}={getattr(found, name)!r:.100}: {fault}")
    if not 1 <= found.limit <= MOST:
        raise ConfigError(f"messages: limit={found.limit} is not usable: use 1 to {MOST:,}")
    return found
