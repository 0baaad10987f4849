"""Operator verbs, shared by the command line and the dashboard: pause, resume, cancel, redrive, purge, schedules.

Each is written down in the store's audit, and as a line in the log `forebay.audit`: who did what, to what, and how many
it met. Long work goes in batches, so that workers get their turn in between and progress can be shown.
"""

import getpass
import logging
import platform
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence

import msgspec

from forebay import rules
from forebay.engine.contract import Engine
from forebay.engine.full import refused
from forebay.flow import cron
from forebay.model.gate import Gate
from forebay.model.ids import new_id
from forebay.model.lifecycle import State
from forebay.model.provider import Provider
from forebay.model.rule import Rule
from forebay.provider.operate import Act, operate
from forebay.store.contract import Store
from forebay.store.records import PAUSE, Choice, Schedule

#: Messages that one transaction moves.
BATCH = 1_000

_audit = logging.getLogger("forebay.audit")

#: Called after each batch with how many it met.
Report = Callable[[int], None]
_Move = Callable[[Choice, int], Awaitable[int]]


def describe(choice: Choice) -> str:
    """A choice in words, for the audit and for whoever is asked to confirm it."""
    names = [f"{name} {value}" for name in ("queue", "task", "key", "state") if (value := getattr(choice, name))]
    if choice.ids is not None:
        names.insert(0, choice.ids[0] if len(choice.ids) == 1 else f"{len(choice.ids)} named")
    return ", ".join(names) or "all"


def whoami() -> str:
    """Who acts, for the audit: the user of this process and its host."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # a container's user without a name
        user = "?"
    return f"{user}@{platform.node()}"


class Paused(msgspec.Struct, frozen=True):
    """What is paused or resumed: a queue, or a task or a key in it; in all queues, if `queue` is ""."""

    queue: str
    task: str | None = None
    key: str | None = None

    def __str__(self) -> str:
        return Gate(self.queue, task=self.task, key=self.key).audited()


class Acts:
    """What operators do is written down in the audit.

    Args:
        actor: who acts, as it shall stand there.
    """

    def __init__(self, engine: Engine, store: Store, actor: str) -> None:
        self._engine, self._store, self._actor = engine, store, actor

    async def _note(self, verb: str, target: str, **detail: object) -> None:
        words = " ".join(f"{name}={value}" for name, value in detail.items() if value != "")
        await self._store.note(self._actor, verb, target, words)
        _audit.info(
            "%s: %s %s %s",
            self._actor,
            verb,
            target,
            words,
            extra={"actor": self._actor, "verb": verb, "target": target},
        )


class RuleControl(Acts):
    """Rules without a deploy."""

    async def add(self, rule: Rule, lasts: float | None = None) -> Rule:
        """Add a rule, for `lasts` seconds if that is given; as it stands. See `rules.add` for the errors."""
        queues = [depth.queue for depth in await self._engine.depth()]
        added = await rules.add(self._store, msgspec.structs.replace(rule, by=self._actor), lasts, queues)
        await self._note("add rule", added.name, **_terms(added), lasts="" if lasts is None else f"{lasts:g}s")
        return added

    async def remove(self, name: str) -> Rule | None:
        """Remove a rule, and let go on what it held up; as it was, None if there is none of that name."""
        found = await rules.remove(self._store, name)
        if found is not None:
            await self._note("remove rule", name, met=found.met)
        return found


class Control(Acts):
    """The verbs of one operator."""

    async def pause(self, what: Paused, reason: str = "", lasts: float | None = None) -> None:
        """Stop leases of this, for `lasts` seconds if that is given; what runs goes on, what waits keeps waiting."""
        until = None if lasts is None else await self._store.now() + lasts
        await self._store.close_gate(what.queue, None, reason, until=until, task=what.task, key=what.key)
        await self._note(PAUSE, str(what), reason=reason, lasts="" if lasts is None else f"{lasts:g}s")

    async def resume(self, what: Paused) -> None:
        """Allow leases again, as far as an operator has stopped them."""
        await self._store.open_gate(what.queue, task=what.task, key=what.key)
        await self._note("resume", str(what))

    async def cancel(self, ids: Sequence[str]) -> list[State | None]:
        """Cancel messages; the state of each after that, None if unknown."""
        states = await self._store.cancel(ids)
        for id_, state in zip(ids, states, strict=True):
            await self._note("cancel", id_, state=str(state) if state else "unknown")
        return states

    async def cancel_all(self, choice: Choice, report: Report | None = None) -> int:
        """Cancel what is chosen and waits, ask what runs to stop; how many. See `redrive` for `report`."""
        return await self._batches("cancel", self._store.cancel_all, [choice], await self.waiting(choice), report)

    async def purge_queue(self, choice: Choice, states: Sequence[State], report: Report | None = None) -> int:
        """Cancel what is chosen and waits in one of `states`; how many. See `redrive` for `report`."""
        choices = [msgspec.structs.replace(choice, state=state) for state in states]
        return await self._batches("purge queue", self._store.cancel_all, choices, await self.waiting(choice), report)

    async def waiting(self, choice: Choice) -> int:
        """How many live messages a choice means, at most."""
        depths = await self._engine.depth(None if choice.queue is None else [choice.queue])
        return sum(depth.ready + depth.scheduled + depth.running + depth.parked for depth in depths)

    async def dead(self, choice: Choice) -> int:
        """How many dead letters a choice means, at most."""
        if choice.ids is not None:
            return len(choice.ids)
        depths = await self._engine.depth(None if choice.queue is None else [choice.queue])
        return sum(depth.dead for depth in depths)

    async def redrive(self, choice: Choice, report: Report | None = None) -> int:
        """Make dead letters ready again, attempts counted from 0; how many.

        Args:
            report: called after each batch with how many it moved.
        """
        while await self._store.tidy(BATCH) >= BATCH:  # what waits and is too late to start keeps no letter dead
            pass
        return await self._batches("redrive", self._store.redrive, [choice], await self.dead(choice), report)

    async def purge(self, choice: Choice, report: Report | None = None) -> int:
        """Discard dead letters for good; how many. See `redrive` for `report`."""
        return await self._batches("purge", self._store.purge, [choice], await self.dead(choice), report)

    async def pause_schedule(self, name: str) -> bool:
        """Stop a schedule from firing; False if there is none of that name."""
        found = await self._store.pause_schedule(name, True)
        await self._note("pause schedule", name, found=found)
        return found

    async def resume_schedule(self, name: str) -> bool:
        """Let a schedule fire again; False if there is none of that name."""
        found = await self._store.pause_schedule(name, False)
        await self._note("resume schedule", name, found=found)
        return found

    async def remove_schedule(self, name: str) -> None:
        """Forget a schedule. A worker whose app still declares it makes it known again when it starts."""
        await self._store.drop_schedules([name])
        await self._note("remove schedule", name)

    async def run_schedule(self, name: str) -> str | None:
        """Publish a message of a schedule now, beside its ticks; its id, None if there is no such schedule.

        Raises:
            EngineFull: there is no room for it.
        """
        found = next((one for one in await self._store.schedules() if one.name == name), None)
        if found is None:
            return None
        receipt = (await self._engine.publish([found.made(new_id())]))[0]
        if (error := refused([receipt])) is not None:
            raise error
        await self._note("run schedule", name, message=receipt.id)
        return receipt.id

    async def add_schedule(self, schedule: Schedule) -> None:
        """Add a schedule, or change the one of its name.

        Raises:
            ConfigError: its cron expression or its time zone cannot be used.
        """
        cron.check(schedule.cron)
        cron.check_zone(schedule.tz)
        await self._store.put_schedules([schedule])
        await self._note("add schedule", schedule.name, cron=schedule.cron, task=schedule.message.task)

    async def provider(self, name: str, act: Act, reason: str = "", lasts: float | None = None) -> Provider:
        """Open, close or probe a provider; see `provider.operate`."""
        one = await operate(self._store, name, act, self._actor, reason, lasts)
        await self._note(f"{act} provider", name, reason=reason, lasts="" if lasts is None else f"{lasts:g}s")
        return one

    async def _batches(
        self, verb: str, move: _Move, choices: Sequence[Choice], most: int, report: Report | None
    ) -> int:
        """One choice after the other, in batches, as one line of the audit.

        No more than `most` of each: what is redriven may die again at once, and go round for ever.
        """
        total = 0
        try:
            for choice in choices:
                async for moved in self._moved(move, choice, most, report):
                    total += moved
        finally:
            alike = len(choices) == 1
            what = choices[0] if alike else msgspec.structs.replace(choices[0], state=None)
            await self._note(verb, describe(what), count=total)
        return total

    async def _moved(self, move: _Move, choice: Choice, most: int, report: Report | None) -> AsyncGenerator[int]:
        left, ids = most, choice.ids
        while left > 0:
            size = min(BATCH, left)
            batch = choice if ids is None else msgspec.structs.replace(choice, ids=ids[:size])
            moved = await move(batch, size)
            met = moved if ids is None else size
            ids = None if ids is None else ids[size:]
            left -= met
            if report is not None:
                report(met)
            yield moved
            if moved == 0 and ids is None:
                break


def _terms(rule: Rule) -> dict[str, object]:
    """What the audit says of a rule."""
    names = ("do", "queue", "task", "key", "where", "to", "rate", "concurrency", "reason")
    return {name: value for name in names if (value := getattr(rule, name)) not in (None, "")}
