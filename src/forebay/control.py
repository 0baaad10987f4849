"""Operator verbs, shared by the command line and the dashboard: pause, resume, cancel, redrive, purge, schedules.

Each leaves one line in the log `forebay.audit`: who did what, to what, and how many it met. Long work goes in batches,
so that workers get their turn in between and progress can be shown.
"""

import getpass
import logging
import platform
from collections.abc import Callable, Sequence
from typing import Protocol

import msgspec

from forebay.engine.contract import Engine, Fate
from forebay.flow import cron
from forebay.model.errors import EngineFull
from forebay.model.ids import new_id
from forebay.model.lifecycle import State
from forebay.store.contract import Choice, Schedule, Store

#: Dead letters that one transaction moves.
BATCH = 1_000

_audit = logging.getLogger("forebay.audit")


class Chosen(msgspec.Struct, frozen=True, kw_only=True):
    """Which dead letters: those named, else those of a queue, else all."""

    ids: Sequence[str] | None = None
    queue: str | None = None

    def __str__(self) -> str:
        if self.ids is not None:
            return f"{len(self.ids)} named"
        return "all" if self.queue is None else f"queue {self.queue}"


class _Move(Protocol):
    async def __call__(self, choice: Choice, limit: int) -> int: ...


def whoami() -> str:
    """Who acts, for the audit log: the user of this process and its host."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # a container's user without a name
        user = "?"
    return f"{user}@{platform.node()}"


class Control:
    """The verbs of one operator.

    Args:
        actor: who acts, as it shall stand in the audit log.
    """

    def __init__(self, engine: Engine, store: Store, actor: str) -> None:
        self._engine, self._store, self._actor = engine, store, actor

    async def pause(self, queue: str, reason: str = "") -> None:
        """Stop leases from a queue; what runs goes on, what waits keeps waiting."""
        await self._store.close_gate(queue, None, reason)
        self._log("pause", queue, reason=reason)

    async def resume(self, queue: str) -> None:
        """Allow leases again."""
        await self._store.open_gate(queue)
        self._log("resume", queue)

    async def cancel(self, ids: Sequence[str]) -> list[State | None]:
        """Cancel messages; the state of each after that, None if unknown."""
        states = await self._store.cancel(ids)
        for id_, state in zip(ids, states, strict=True):
            self._log("cancel", id_, state=str(state) if state else "unknown")
        return states

    async def dead(self, chosen: Chosen) -> int:
        """How many dead letters a choice means, at most."""
        if chosen.ids is not None:
            return len(chosen.ids)
        depths = await self._engine.depth(None if chosen.queue is None else [chosen.queue])
        return sum(depth.dead for depth in depths)

    async def redrive(self, chosen: Chosen, report: Callable[[int], None] | None = None) -> int:
        """Make dead letters ready again, attempts counted from 0; how many.

        Args:
            report: called after each batch with how many it moved.
        """
        count = await self._batches(self._store.redrive, chosen, report)
        self._log("redrive", str(chosen), count=count)
        return count

    async def purge(self, chosen: Chosen, report: Callable[[int], None] | None = None) -> int:
        """Discard dead letters for good; how many. See `redrive` for `report`."""
        count = await self._batches(self._store.purge, chosen, report)
        self._log("purge", str(chosen), count=count)
        return count

    async def run_schedule(self, name: str) -> str | None:
        """Publish a message of a schedule now, beside its ticks; its id, None if there is no such schedule.

        Raises:
            EngineFull: there is no room for it.
        """
        found = next((one for one in await self._store.schedules() if one.name == name), None)
        if found is None:
            return None
        receipt = (await self._engine.publish([found.made(new_id())]))[0]
        if receipt.fate is Fate.FULL:
            raise EngineFull("no room for its message: the engine is full up to max_size")
        self._log("run schedule", name, message=receipt.id)
        return receipt.id

    async def add_schedule(self, schedule: Schedule) -> None:
        """Add a schedule, or change the one of its name.

        Raises:
            ConfigError: its cron expression or its time zone cannot be used.
        """
        cron.check(schedule.cron)
        cron.check_zone(schedule.tz)
        await self._store.put_schedules([schedule])
        self._log("add schedule", schedule.name, cron=schedule.cron, task=schedule.message.task)

    async def pause_schedule(self, name: str) -> bool:
        """Stop a schedule from firing; False if there is none of that name."""
        found = await self._store.pause_schedule(name, True)
        self._log("pause schedule", name, found=found)
        return found

    async def resume_schedule(self, name: str) -> bool:
        """Let a schedule fire again; False if there is none of that name."""
        found = await self._store.pause_schedule(name, False)
        self._log("resume schedule", name, found=found)
        return found

    async def remove_schedule(self, name: str) -> None:
        """Forget a schedule. A worker whose app still declares it makes it known again when it starts."""
        await self._store.drop_schedules([name])
        self._log("remove schedule", name)

    async def _batches(self, move: _Move, chosen: Chosen, report: Callable[[int], None] | None) -> int:
        # No more than were dead at the start: what is redriven may die again at once, and would go round for ever.
        left, total = await self.dead(chosen), 0
        ids = chosen.ids
        while left > 0:
            batch = None if ids is None else ids[:BATCH]
            moved = await move(Choice(ids=batch, queue=chosen.queue), min(BATCH, left))
            ids = None if ids is None else ids[BATCH:]
            total += moved
            left -= moved if ids is None else len(batch or ())
            if report is not None:
                report(moved if ids is None else len(batch or ()))
            if moved == 0 and ids is None:
                break
        return total

    def _log(self, verb: str, target: str, **detail: object) -> None:
        words = "".join(f" {name}={value}" for name, value in detail.items() if value != "")
        _audit.info(
            "%s: %s %s%s",
            self._actor,
            verb,
            target,
            words,
            extra={"actor": self._actor, "verb": verb, "target": target},
        )
