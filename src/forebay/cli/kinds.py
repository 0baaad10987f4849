"""Kinds of option values: durations, sizes, lists of names, JSON."""

import re
from typing import Any

import click
import msgspec

from forebay.model.duration import seconds
from forebay.model.errors import ConfigError
from forebay.model.queue import check_name

#: Bytes; more than any machine has, and what a float holds exactly.
_LARGEST = 2**53
_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*(?:([kmgt])?(i)?b?)?", re.IGNORECASE)


class Seconds(click.ParamType[float]):
    """Seconds, from "30s", "5m", "1.5h" or a plain number."""

    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """See click."""
        try:
            return seconds(value, param.name or "duration" if param else "duration")
        except ConfigError as error:
            self.fail(str(error), param, ctx)


class Size(click.ParamType[int]):
    """Bytes, from "500MB", "2GiB" or a plain number."""

    name = "size"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """See click."""
        match = _SIZE.fullmatch(str(value).strip())
        if match is None:
            self.fail(f"{value!r} is not a size: write bytes, or a number with kB, MB, GB or MiB", param, ctx)
        number, unit, binary = match[1], (match[2] or "").lower(), match[3]
        size = float(number) * (1024 if binary else 1000) ** " kmgt".index(unit or " ")
        if size > _LARGEST:
            self.fail(f"{str(value)[:40]!r} is too large", param, ctx)
        return int(size)


class Names(click.ParamType[tuple[str, ...]]):
    """Names of queues, from "a,b,c"; they need not be there yet, but have to be such as a queue may have."""

    name = "names"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, ...]:
        """See click."""
        if isinstance(value, tuple):
            return value  # pyright: ignore[reportUnknownVariableType]
        names = tuple(name.strip() for name in str(value).split(",") if name.strip())
        if not names:
            self.fail("name at least one", param, ctx)
        for one in names:
            if one == "*":
                self.fail("'*' names no queue: leave the option out for all of them", param, ctx)
            try:
                check_name("queue", one)
            except ConfigError as error:
                self.fail(str(error), param, ctx)
        return names


class Json(click.ParamType[Any]):
    """JSON of one kind, or of any."""

    name = "json"

    def __init__(self, kind: Any = Any) -> None:
        self._kind = kind

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """See click."""
        if not isinstance(value, str):
            return value
        try:
            return msgspec.json.decode(value.encode("utf-8", "surrogatepass"), type=self._kind)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            self.fail(f"{value[:80]!r} is not usable: {error}", param, ctx)


SECONDS, SIZE, NAMES = Seconds(), Size(), Names()
