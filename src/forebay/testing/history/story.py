"""The history sorted by message: all that was said about each id, ready to be judged. Judges nothing itself."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field

from forebay.model.lifecycle import FINAL
from forebay.testing.history import events
from forebay.testing.history.events import AnyEvent

#: Moves after which a message never runs again.
_LAST = frozenset({"ack", "dead-letter", "discard", "cancel", "expire"})
_REFUNDED = frozenset({"snooze", "park", "release"})


@dataclass(frozen=True)
class Publication:
    """One attempt to publish an id: asked at `began`, answered at `at` with `fate`; None if there was no answer."""

    item: events.Item
    began: float
    at: float | None = None
    fate: str | None = None


@dataclass(frozen=True)
class Grant:
    """One lease of a message: granted to `worker` between `began` and `at`."""

    worker: str
    lease: events.Lease
    began: float
    at: float


@dataclass(frozen=True)
class Settlement:
    """One attempt to settle: `carried` is None when there was no answer."""

    fate: events.Fate
    worker: str
    began: float
    at: float | None = None
    carried: bool | None = None

    @property
    def last(self) -> bool:
        """Whether it ends the message, if it was carried out."""
        return self.fate.move in _LAST

    @property
    def refunds(self) -> bool:
        """Whether it hands the attempt back, if it was carried out."""
        return self.fate.move in _REFUNDED


@dataclass
class Story:
    """Everything about one message."""

    id: str
    publications: list[Publication] = field(default_factory=list[Publication])
    grants: list[Grant] = field(default_factory=list[Grant])
    starts: list[events.Started] = field(default_factory=list[events.Started])
    ends: list[events.Ended] = field(default_factory=list[events.Ended])
    settlements: list[Settlement] = field(default_factory=list[Settlement])
    standing: events.Standing | None = None

    @property
    def accepted(self) -> bool:
        """Whether the engine promised to keep it."""
        return any(publication.fate == "accepted" for publication in self.publications)

    @property
    def unknown(self) -> bool:
        """Whether a producer had no answer, and never got one."""
        return bool(self.publications) and not any(p.fate for p in self.publications)

    @property
    def final(self) -> bool:
        """Whether it has ended, as the census saw it."""
        return self.standing is not None and self.standing.state in FINAL

    def ways(self, fence: int) -> list[Settlement]:
        """The settlements under one fence that were carried out, or may have been."""
        return [s for s in self.settlements if s.fate.fence == fence and s.carried is not False]


@dataclass
class Life:
    """What is known of one worker process: until when it held its leases at least, and its burials."""

    until: list[tuple[float, float]] = field(
        default_factory=list[tuple[float, float]]
    )  # (said at, holds until at least)
    buried: list[events.Recovered] = field(default_factory=list[events.Recovered])

    def held_at(self, time: float) -> bool:
        """Whether, by what was answered before `time`, its lease still holds then."""
        return any(said <= time < until for said, until in self.until)


@dataclass
class Histories:
    """All stories, all lives, and the faults that stood between."""

    stories: dict[str, Story]
    lives: dict[str, Life]
    faults: list[events.Fault]
    counted: bool = False  # whether a census was taken


class _Sorter:
    """Sorts events that come in order of time."""

    def __init__(self) -> None:
        self.stories: dict[str, Story] = {}
        self.lives: dict[str, Life] = defaultdict(Life)
        self.faults: list[events.Fault] = []
        self.counted = False
        self._asked: dict[tuple[int, int], events.Publishing | events.Settling] = {}

    def take(self, event: AnyEvent) -> None:
        match event:
            case events.Publishing() | events.Settling():
                self._asked[event.pid, event.call] = event
            case events.Published() | events.Settled():
                self._answer(self._asked.pop((event.pid, event.call)), event)
            case events.Leased(worker=worker, leases=leases, began=began, at=at):
                for lease in leases:
                    self._story(lease.id).grants.append(Grant(worker, lease, began, at))
            case events.Started():
                self._story(event.id).starts.append(event)
            case events.Ended():
                self._story(event.id).ends.append(event)
            case _:
                self._aside(event)

    def _aside(self, event: AnyEvent) -> None:
        match event:
            case events.Extended(worker=worker, began=began, at=at, lease=lease, renewed=True):
                self.lives[worker].until.append((at, began + lease))
            case events.Recovered(buried=buried):
                for worker in buried:
                    self.lives[worker].buried.append(event)
            case events.Fault():
                self.faults.append(event)
            case events.Census(standings=standings):
                self.counted = True
                for standing in standings:
                    self._story(standing.id).standing = standing
            case _:
                pass

    def finish(self) -> None:
        """Questions that nobody answered."""
        for asked in self._asked.values():
            self._answer(asked, None)

    def _answer(
        self, asked: events.Publishing | events.Settling, answer: events.Published | events.Settled | None
    ) -> None:
        at = None if answer is None else answer.at
        if isinstance(asked, events.Publishing):
            fates = [fate for _, fate in answer.receipts] if isinstance(answer, events.Published) else []
            for number, item in enumerate(asked.items):
                fate = fates[number] if fates else None
                self._story(item.id).publications.append(Publication(item, asked.at, at, fate))
        else:
            verdicts = answer.verdicts if isinstance(answer, events.Settled) else ()
            for number, what in enumerate(asked.fates):
                carried = verdicts[number] if verdicts else None
                self._story(what.id).settlements.append(Settlement(what, asked.worker, asked.at, at, carried))

    def _story(self, id_: str) -> Story:
        return self.stories.setdefault(id_, Story(id_))


def sort(history: Iterable[AnyEvent]) -> Histories:
    """The history by message and by worker."""
    sorter = _Sorter()
    for event in history:
        sorter.take(event)
    sorter.finish()
    return Histories(sorter.stories, sorter.lives, sorter.faults, sorter.counted)
