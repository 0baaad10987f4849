"""A closed gate: what it is about, who holds it, and how it is named. Whom it holds up is said by `flow.lane.shut`."""

from shlex import quote
from typing import Self

import msgspec

from forebay.model.errors import EngineError
from forebay.model.message import MAX_KEY, bears_nul

#: Who closes a gate if nothing else is said.
OPERATOR = "operator"
#: Who closes the lane of a provider that said when it may be asked again.
THROTTLE = "throttle"


class Gate(msgspec.Struct, frozen=True):
    """A closed gate: nothing is leased from this queue, or this lane of it, or of this task or key in it.

    Attributes:
        queue: "" for all of them, with a task or key.
        holder: who closed it, and alone opens it; a lane is open when no holder has it closed.
        until: when it opens by itself, seconds since the epoch; None for never.
    """

    queue: str
    lane: str | None = None
    reason: str = ""
    since: float = 0.0
    holder: str = OPERATOR
    until: float | None = None
    task: str | None = None
    key: str | None = None

    def order(self) -> tuple[str, int, str, str]:
        """Where it stands in a list: by queue, whole queues first, then lanes, tasks, keys; then by holder."""
        parts = (self.lane, self.task, self.key)
        kind = next((number for number, part in enumerate(parts, 1) if part is not None), 0)
        return self.queue, kind, parts[kind - 1] or "" if kind else "", self.holder

    def named(self) -> str:
        """What it is about, in words."""
        about = [f"{kind} {name}" for kind in ("lane", "task", "key") if (name := getattr(self, kind)) is not None]
        return ", ".join([*([self.queue] if self.queue else []), *about])

    def audited(self) -> str:
        """What it is about, as an operator's pause of it stands in the audit."""
        about = f"task {self.task}" if self.task is not None else f"key {self.key}" if self.key is not None else ""
        if not about:
            return self.queue
        return f"{about} in {self.queue}" if self.queue else about

    def resumed(self) -> str:
        """The command that opens it, if it is an operator's and no lane's."""
        words = ["forebay resume", *([quote(self.queue)] if self.queue else [])]
        words += [_option(kind, name) for kind in ("task", "key") if (name := getattr(self, kind)) is not None]
        return " ".join(words)

    def checked(self) -> Self:
        """It, if it is about one thing.

        Raises:
            EngineError: it is about several, or all queues and nothing in them, or a key that no message has; or one
                of its texts holds a NUL.
        """
        if self.key is not None and not 0 < len(self.key) <= MAX_KEY:
            raise EngineError(f"a key has 1 to {MAX_KEY} characters, not {len(self.key)}: no message has this one")
        for part in ("key", "task", "reason"):
            if fault := bears_nul(getattr(self, part) or ""):
                raise EngineError(f"the {part} of a gate is not {getattr(self, part)!r:.100}: {fault}")
        if sum(part is not None for part in (self.lane, self.task, self.key)) > 1:
            raise EngineError("a gate is about one thing: name its lane, its task or its key, not several")
        if not self.queue and self.task is None and self.key is None:
            raise EngineError("a gate on all queues is about a task or a key: name one, or close each queue")
        return self


def _option(kind: str, name: str) -> str:
    """As a shell takes it, whatever text it is: a key may be a customer's own."""
    return f"--{kind} {name}" if quote(name) == name and not name.startswith("-") else f"--{kind}={quote(name)}"
