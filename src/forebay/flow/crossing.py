"""How a message crosses from one store to another, once whatever is interrupted: what stands where, and what is next.

Pure. A message is held in four places, one after another, and each step is one transaction in one of the two stores:

    queue at the source ─depart─► aside at the source ─arrive─► queue at the target, marked ─forget─► and no more aside
    ─forget─► and not marked any more

As long as it stands aside nobody at the source may run it; as long as it is marked, arriving again changes nothing,
whatever has become of it there. The mark goes last. So both stores together say how far a message is.
"""

from collections.abc import Iterable, Sequence
from enum import StrEnum
from typing import NamedTuple, Protocol

from forebay.model.passage import Passage


class Step(StrEnum):
    """What has to be done next about a message."""

    ARRIVE = "arrive"
    FORGET_ASIDE = "forget aside"
    FORGET_MARK = "forget mark"
    NOTHING = "nothing"


def step(*, aside: bool, marked: bool) -> Step:
    """What is next for a message, if it is known whether it stands aside at the source, and is marked at the target."""
    if aside:
        return Step.FORGET_ASIDE if marked else Step.ARRIVE
    return Step.FORGET_MARK if marked else Step.NOTHING


def route(source: str, target: str) -> str:
    """The way from one store to another, by the names of both."""
    return f"{source}>{target}"


class Answer(Protocol):
    """What the target says of one message: `engine.contract.Receipt`."""

    @property
    def id(self) -> str: ...
    @property
    def fate(self) -> str: ...


class Sorted(NamedTuple):
    """The messages of a batch by what the target said.

    Attributes:
        there: they have arrived, now or before. known: their id was known there already, not from here.
        held: a live message there has their unique key, so that they cannot come in.
    """

    there: Sequence[Passage]
    known: Sequence[Passage]
    held: Sequence[Passage]


def sort(passages: Sequence[Passage], answers: Iterable[Answer]) -> Sorted:
    """See `Sorted`."""
    there, known, held = list[Passage](), list[Passage](), list[Passage]()
    for passage, answer in zip(passages, answers, strict=True):
        if answer.fate == "accepted":
            there.append(passage)
        elif answer.id == passage.id:
            known.append(passage)
        else:
            held.append(passage)
    return Sorted(there, known, held)


class Able(Protocol):
    """What an engine can do: `engine.capabilities.Capabilities`."""

    @property
    def delays(self) -> bool: ...
    @property
    def priorities(self) -> bool: ...
    @property
    def unique(self) -> bool: ...
    @property
    def meters(self) -> bool: ...


def needs(passage: Passage) -> list[str]:
    """What a message asks of an engine, by the names of capabilities."""
    asked = {
        "delays": passage.scheduled,
        "priorities": passage.priority != 0,
        "unique": passage.unique is not None,
        "meters": bool(passage.meters) or passage.cost != 1.0,
    }
    return [name for name, needed in asked.items() if needed]


def unfit(passages: Iterable[Passage], able: Able) -> tuple[Passage, str] | None:
    """The first message that asks for something an engine has not, and what; None if there is none."""
    for passage in passages:
        for name in needs(passage):
            if not getattr(able, name):
                return passage, name
    return None
