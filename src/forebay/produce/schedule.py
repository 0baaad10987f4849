"""A schedule as it was declared: which task, when, how its messages wait; `row` makes of it what the store keeps."""

from typing import Any

import msgspec
from msgspec.structs import replace

from forebay.flow import cron as crons
from forebay.model.errors import ConfigError
from forebay.model.message import Message
from forebay.model.sealed import FIRED_BY, Part
from forebay.produce.pricing import priced
from forebay.produce.task import Task
from forebay.produce.ways import AS_PARENT, Options
from forebay.store.records import Schedule


class Planned(msgspec.Struct, frozen=True, kw_only=True):
    """One `periodic`.

    Attributes:
        cron: five fields, a name such as "@daily", or an interval such as "every 30s".
        body: the arguments of each tick's message.
        waiting: how it waits.
    """

    name: str
    task: Task[..., Any, Any]
    cron: str
    tz: str
    missed: str
    overlap: str
    body: bytes
    waiting: Options

    def called(self, name: str) -> "Planned":
        """The same, under another name."""
        return replace(self, name=name)

    def of(self, task: Task[..., Any, Any]) -> "Planned":
        """The same, of another copy of its task."""
        return replace(self, task=task)

    def check_zone(self) -> None:
        """Raises ConfigError if the time zone is not known on this host; reads a file."""
        try:
            crons.check_zone(self.tz)
        except ConfigError as error:
            raise ConfigError(f"schedule {self.name} of task {self.task.name}: {error}") from error

    def row(self, now: float) -> Schedule:
        """What the store keeps, with the first tick after `now`, seconds since the epoch.

        Raises:
            ConfigError: the time zone is not known here, or there is no such tick.
        """
        chosen, seal = self.waiting, self.task.producer.seal
        ttl = None if chosen.expires == AS_PARENT else chosen.expires  # a tick has no parent
        headers = {**(chosen.headers or {}), FIRED_BY: self.name}
        form = Message(
            id="", queue=chosen.queue, lane=self.task.way[0], meters=self.task.way[1], task=self.task.name,
            body=self.body, headers=headers, key=chosen.key, priority=chosen.priority, ttl=ttl,
            unique=chosen.unique,
        )  # fmt: skip
        if self.task.running.priced:
            (form,) = priced(self.task, [form], [self.body])
        if seal is not None:
            form = replace(form, body=seal.close(Part.BODY, form, form.body))
        return Schedule(
            name=self.name, cron=self.cron, tz=self.tz, message=form, missed=self.missed, overlap=self.overlap,
            next=crons.following(self.cron, self.tz, now),
        )  # fmt: skip
