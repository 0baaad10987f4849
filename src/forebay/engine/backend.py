"""What an engine may have beside the verbs: checks of itself, and publishing in a transaction of the caller's own."""

from collections.abc import Iterator, Sequence
from typing import Any, Protocol

from forebay.engine.contract import Receipt
from forebay.model.finding import Finding
from forebay.model.message import Message


class Checks(Protocol):
    """Looking at what an engine stands on, without opening it and without changing anything."""

    def examine(self, *, deep: bool = True) -> Iterator[Finding]:
        """All findings, as they come; ends early when nothing more can be asked.

        Args:
            deep: also read everything there is; that takes as long as it is large.
        """
        ...

    def reachable(self) -> None:
        """Whether there is something to look at already.

        Raises:
            EngineUnreachable: nothing was ever made there, or nothing answers.
        """
        ...


class Transacts(Protocol):
    """Publishing with the caller's own changes, in one transaction: both happen, or neither."""

    def owns(self, connection: Any) -> bool:
        """Whether this connection leads to the very place where this engine keeps its messages."""
        ...

    async def publish_in(self, connection: Any, messages: Sequence[Message]) -> list[Receipt]:
        """As `Engine.publish`, in the transaction that is open on `connection`; durable when the caller commits it.

        Nobody is told before that; workers find the messages at the commit, or at their next look.

        Raises:
            EngineError: the connection leads elsewhere, or no transaction is open on it.
        """
        ...
