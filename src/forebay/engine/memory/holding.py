"""Who holds a unique key: nobody who waits and is too late to start, whether or not that one was ended already."""

from collections.abc import Mapping

from msgspec.structs import replace

from forebay.engine.memory.record import WAITING, Record
from forebay.model.lifecycle import State
from forebay.model.message import Message


class Holders:
    """Of each unique key the live messages that hold it: one, or with debounce some that run and one that waits."""

    def __init__(self, records: Mapping[str, Record], merged: Mapping[str, str]) -> None:
        self._records, self._merged = records, merged
        self._of: dict[str, dict[str, None]] = {}

    def hold(self, record: Record) -> None:
        """Let no other message with its unique key in, from here to its end."""
        if record.message.unique is not None:
            self._of.setdefault(record.message.unique, {})[record.id] = None

    def free(self, record: Record) -> None:
        """Let others with its unique key in."""
        if (unique := record.message.unique) is not None:
            holders = self._of.get(unique, {})
            holders.pop(record.id, None)  # not there, if it was dead before
            if not holders:
                self._of.pop(unique, None)

    def held(self, unique: str | None) -> bool:
        """Whether a live message holds this key."""
        return unique in self._of

    def waiting(self, unique: str) -> str:
        """The id of the message that waits with this key, "" if none does."""
        return next((id_ for id_ in self._of.get(unique, ()) if self._records[id_].state in WAITING), "")

    def newer(self, record: Record) -> str:
        """The id of another live one with its key and newer arguments: it came later, or was merged; "" if none."""
        if record.message.unique is None:
            return ""
        if (over := self._overtaken(record)) is not None:
            return over
        others = (self._records[id_] for id_ in self._of.get(record.message.unique, ()))
        return next((one.id for one in others if one is not record and _later(one, record)), "")

    def running(self, unique: str) -> list[str]:
        """Ids of the messages that run with this key."""
        return [id_ for id_ in self._of.get(unique, ()) if self._records[id_].state is State.RUNNING]

    def _overtaken(self, record: Record) -> str | None:
        """The id of one that came in while this one ran, has newer arguments, and has ended with them; None if none."""
        over = self._merged.get(record.id)
        ended = None if over is None else self._records.get(over)
        return over if ended is None or ended.state in {State.DONE, State.DEAD} else None

    def before(self, message: Message, now: float) -> Record | None:
        """The live message that stands in the way of another with its unique key."""
        if message.unique is None:
            return None
        waiting = self.waiting(message.unique)
        if not self.held(message.unique) or (message.debounce > 0 and not waiting):
            return None
        holder = self._records[waiting or next(iter(self._of[message.unique]))]
        if waiting and holder.expires is not None and holder.expires <= now and not merges(message, holder):
            self.free(holder)
            holder.message = replace(holder.message, unique=None)
            return self.before(message, now)
        return holder


def merges(message: Message, holder: Record) -> bool:
    """Whether a message, debounced, takes the place of one that waits for the same."""
    before = holder.message
    return message.debounce > 0 and (before.queue, before.task) == (message.queue, message.task)


def _later(one: Record, other: Record) -> bool:
    return one.receipt > other.receipt or one.created > other.created
