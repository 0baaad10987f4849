"""One trial: a scenario played against real processes, then the verdict on what they wrote down.

The scenario breaks things; the trial then waits for the work to drain without an operator, takes a census, and judges.
"""

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import msgspec

from forebay.engine.contract import Receipt
from forebay.model.errors import EngineUnreachable
from forebay.model.message import Message
from forebay.store.records import Found
from forebay.testing.faults.ground import MakePlace
from forebay.testing.faults.procs import strike
from forebay.testing.faults.stage import Stage
from forebay.testing.history import Growing, events

#: Seconds after which a condition that has to come has not come.
PATIENCE = 60.0
#: Seconds between looks: where something is struck at once upon it, and where nothing is.
_LOOK, LEISURE = 0.02, 0.1
_FEW = 20


class Broken(AssertionError):
    """A scenario's own claim does not hold."""


class Trial(Stage):
    """What a scenario plays with: messages, faults, and waiting for what has to come of them."""

    def __init__(
        self, folder: Path, make_place: MakePlace, seed: int, wrappers: Sequence[tuple[str, dict[str, str]]] = ()
    ) -> None:
        super().__init__(folder, make_place, seed, wrappers)
        self._count = 0
        self._ids: dict[str, None] = {}
        self.finished = False
        self._written = Growing(self.history)
        self.notes: list[str] = []  # what is to be said under its row

    def messages(self, task: str, count: int, *, ways: dict[str, Any] | None = None, **arguments: Any) -> list[Message]:
        """Messages with ids that follow from their number, so that another process can make the same ones."""
        first, self._count = self._count, self._count + count
        return [message(self.seed, number, task, ways, **arguments) for number in range(first, self._count)]

    def publish(self, messages: Sequence[Message]) -> list[Receipt]:
        """Publish in one batch."""
        self.expect([one.id for one in messages])
        return self.do(self.engine.publish(messages))

    def expect(self, ids: Sequence[str]) -> None:
        """Wait for these in the end, too, whoever publishes them."""
        self._ids.update(dict.fromkeys(ids))

    def send(self, task: str, count: int, **arguments: Any) -> list[str]:
        """Publish so many messages of a task; their ids."""
        return [receipt.id for receipt in self.publish(self.messages(task, count, **arguments))]

    @property
    def ids(self) -> list[str]:
        """All messages that are waited for in the end."""
        return list(self._ids)

    def find(self, ids: Sequence[str]) -> list[Found]:
        """What is known of these messages; those that are not known are left out."""
        return [found for found in self.do(self.engine.find(ids)) if found is not None]

    def fault(self, name: str, detail: object = "") -> None:
        """Write a fault into the history."""
        self.recorder.write(events.Fault, name=name, detail=str(detail))

    def events(self, kind: type[events.AnyEvent]) -> list[Any]:
        """What was written down so far, of one kind."""
        return [event for event in self._written.read() if isinstance(event, kind)]

    def until(
        self, what: str, condition: Callable[[], object], patience: float = PATIENCE, look: float = _LOOK
    ) -> None:
        """Wait for a condition, which is looked at every `look` seconds.

        Raises:
            Broken: it did not come; the text says what was waited for.
        """
        give_up = time.monotonic() + patience
        while not condition():
            if time.monotonic() > give_up:
                raise Broken(f"not within {patience:g} s: {what}")
            time.sleep(look)

    def until_running(self, count: int = 1) -> None:
        """Wait until so many runs are under way, as the tasks themselves say."""
        self.until(f"{count} running", lambda: len(self.at_work()) >= count)

    def at_work(self) -> list[int]:
        """The processes that have a run under way, once for each run."""
        ended = {(event.id, event.fence) for event in self.events(events.Ended)}
        under_way = [event for event in self.events(events.Started) if (event.id, event.fence) not in ended]
        alive = {pid: strike(pid, 0) for pid in {event.pid for event in under_way}}
        return [event.pid for event in under_way if alive[event.pid]]

    def pause(self, least: float, most: float) -> None:
        """Let a random time pass, so that the fault meets the work somewhere else each time."""
        time.sleep(self.random.uniform(least, most))

    def drain(self, patience: float = PATIENCE) -> None:
        """Wait until everything has ended, without helping.

        Raises:
            Broken: something has not.
        """
        self.until("every message ended", self._all_ended, patience, LEISURE)

    def _all_ended(self) -> bool:
        """Most looks come too early even for some of them, which are cheaper to ask for."""
        parts = self.ids[:_FEW], self.ids[-_FEW:], self.ids
        try:
            return all(found.finished is not None for part in parts for found in self.find(part))
        except EngineUnreachable:
            return False  # where its server is struck, that is part of the play

    def census(self) -> None:
        """Write down where every message is that anybody tried to publish."""
        published = {item.id for event in self.events(events.Publishing) for item in event.items}
        ids = [*published, *(id_ for id_ in self._ids if id_ not in published)]
        found = {one.id: one for one in self.find(ids)}
        standings = [
            events.Standing(id_, str(found[id_].state), found[id_].cause) if id_ in found else events.Standing(id_, "")
            for id_ in ids
        ]
        self.recorder.write(events.Census, standings=standings)

    def finish(self) -> None:
        """Stop everything and take the census; a scenario whose engine goes away before its end does so itself.

        Raises:
            Broken: something did not leave as it should.
        """
        if not self.finished:
            self.finished = True
            complaints = self.stop_all()
            self.census()
            self.let_go()
            if complaints:
                raise Broken("; ".join(complaints))


def message(seed: int, number: int, task: str, ways: dict[str, Any] | None = None, **arguments: Any) -> Message:
    """Message `number` of a trial."""
    body = msgspec.msgpack.encode({"number": number, **arguments})
    return Message(id=f"{seed:016x}{number:016x}", queue="work", task=task, body=body, **(ways or {}))
