"""The judge: a history in, a verdict out. Pure, and the same for every engine.

What the tasks wrote about themselves is held against what the engine answered, so an engine that only believes that a
message is done is found out. Where two processes did things at nearly the same time, only what must be wrong is wrong.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise

from forebay.testing.history.events import AnyEvent
from forebay.testing.history.story import Grant, Histories, Life, Story, sort

#: The fault by which a history tells that the server was killed: its name and detail.
SERVER_KILLED = ("SIGKILL", "the server")


class Kind(StrEnum):
    """The ways in which a promise can be broken, as columns of the table.

    lost: accepted, and at the end nowhere, or done without having been done.
    invented: run or kept, though nobody published it (or not with that body).
    duplicated: run once more with no lost lease to account for it.
    overlapping: two workers held it at the same time.
    disordered: run before what came before it.
    stuck: accepted, and not ended although there was time.
    """

    LOST = "lost"
    INVENTED = "invented"
    DUPLICATED = "duplicated"
    OVERLAPPING = "overlapping"
    DISORDERED = "disordered"
    STUCK = "stuck"


@dataclass(frozen=True)
class Rules:
    """What this history was promised beyond the usual.

    Attributes:
        ordered: queues in which each key's messages run one after the other, in order of acceptance.
        fifo: queues that are leased in order of acceptance (none of their messages has a delay or a priority).
        effects: whether the tasks wrote down their starts and ends themselves.
        window: seconds before each SIGKILL of the server, of which it may have lost what it had answered.
    """

    ordered: frozenset[str] = frozenset()
    fifo: frozenset[str] = frozenset()
    effects: bool = True
    window: float = 0.0


@dataclass(frozen=True)
class Violation:
    """One broken promise: about which message, and how it shows."""

    kind: Kind
    id: str
    why: str


@dataclass(frozen=True)
class Verdict:
    """What the history shows.

    Attributes:
        published: ids that somebody tried to publish; accepted: those with that answer.
        recovered: ids whose producer had no answer, and that turned up all the same.
        runs: starts of tasks; counted: those beyond the first of a message, each under a lease of its own.
        refused: settlements that were not carried out, because the lease was gone.
        declared: violations that a crash of the server is allowed, for they are about its last seconds.
    """

    violations: tuple[Violation, ...]
    published: int
    accepted: int
    recovered: int
    runs: int
    counted: int
    refused: int
    declared: int = 0

    @property
    def clean(self) -> bool:
        """Whether every promise was kept."""
        return not self.violations

    def of(self, kind: Kind) -> tuple[Violation, ...]:
        """The violations of one kind."""
        return tuple(violation for violation in self.violations if violation.kind is kind)


def check(history: Iterable[AnyEvent], rules: Rules | None = None) -> Verdict:
    """Judge a history that ends with a census."""
    return judge(sort(history), rules or Rules())


def judge(found: Histories, rules: Rules) -> Verdict:
    """Judge a sorted history."""
    stories = list(found.stories.values())
    violations = (
        [] if found.counted else [Violation(Kind.STUCK, "", "no census was taken, so nobody knows what is left")]
    )
    for story in stories:
        violations += (Violation(Kind.LOST, story.id, why) for why in _lost(story, rules, found.counted))
        violations += (Violation(Kind.INVENTED, story.id, why) for why in _invented(story))
        violations += (Violation(Kind.DUPLICATED, story.id, why) for why in _duplicated(story))
        violations += (Violation(Kind.OVERLAPPING, story.id, why) for why in _overlapping(story, found.lives))
        violations += (Violation(Kind.STUCK, story.id, why) for why in _stuck(story))
    violations += (Violation(Kind.DISORDERED, id_, why) for id_, why in _disordered(stories, rules))
    allowed = _struck(found, rules.window)
    kept = tuple(violation for violation in violations if violation.id not in allowed)
    return Verdict(
        kept,
        published=sum(bool(story.publications) for story in stories),
        accepted=sum(story.accepted for story in stories),
        recovered=sum(story.unknown and bool(story.grants or story.final) for story in stories),
        runs=sum(len(story.starts) for story in stories),
        counted=sum(max(0, len({start.fence for start in story.starts}) - 1) for story in stories),
        refused=sum(s.carried is False for story in stories for s in story.settlements),
        declared=len(violations) - len(kept),
    )


def _struck(found: Histories, window: float) -> set[str]:
    """Messages of which something was answered in the last seconds of a server, if those may be lost."""
    crashes = [fault.at for fault in found.faults if (fault.name, fault.detail) == SERVER_KILLED] if window else []
    return {
        story.id for story in found.stories.values()
        if any(crash - window <= at <= crash for crash in crashes for at in _answers(story))
    }  # fmt: skip


def _answers(story: Story) -> Iterator[float]:
    yield from (p.at for p in story.publications if p.at is not None)
    yield from (grant.at for grant in story.grants)
    yield from (s.at for s in story.settlements if s.at is not None)


def _lost(story: Story, rules: Rules, counted: bool) -> Iterator[str]:
    state = "" if story.standing is None else story.standing.state
    if counted and story.accepted and not state:
        yield "it was accepted, and the engine does not know it any more"
    if state == "done":
        if rules.effects and not story.ends:
            yield "the engine says that it is done, and no run of it reached its end"
        elif not any(s.fate.move == "ack" and s.carried is not False for s in story.settlements):
            yield "the engine says that it is done, and no worker reported that"


def _invented(story: Story) -> Iterator[str]:
    if not story.publications:
        yield "nobody published it"
        return
    digests = {publication.item.digest for publication in story.publications}
    if any(start.digest not in digests for start in story.starts if start.digest):
        yield "it ran with another body than it was published with"


def _duplicated(story: Story) -> Iterator[str]:
    if sum(publication.fate == "accepted" for publication in story.publications) > 1:
        yield "it was accepted twice under one id"
    fences = [grant.lease.fence for grant in story.grants]
    if len(fences) > len(set(fences)):
        yield "one fence was granted twice"
    starts = [start.fence for start in story.starts]
    if len(starts) > len(set(starts)):
        yield "it started twice under one fence"
    if set(starts) - set(fences):
        yield "it started under a fence that nobody was granted"
    last = [s for s in story.settlements if s.last and s.carried]
    if len(last) > 1:
        yield "it ended twice"
    if last and max(fences, default=0) > last[0].fate.fence:
        yield f"it had ended under fence {last[0].fate.fence}, and was leased again"
    yield from _uncounted(story)


def _uncounted(story: Story) -> Iterator[str]:
    """A run that another one follows has cost an attempt, unless it was handed back."""
    for one, other in pairwise(sorted(story.starts, key=lambda start: start.fence)):
        refunded = any(settlement.refunds for settlement in story.ways(one.fence))
        if one.fence < other.fence and other.attempt < one.attempt + (not refunded):
            yield f"its run under fence {other.fence} was attempt {other.attempt}, as if there had been none before"


def _overlapping(story: Story, lives: dict[str, Life]) -> Iterator[str]:
    for one, other in pairwise(sorted(story.grants, key=lambda grant: grant.lease.fence)):
        if one.lease.fence == other.lease.fence:
            continue  # that is a duplicate
        late = [s for s in story.ways(one.lease.fence) if s.carried and s.began > other.at]
        if late:
            yield f"fence {one.lease.fence} was settled although fence {other.lease.fence} had been granted before"
        elif not story.ways(one.lease.fence):
            yield from _taken(story, one, other, lives.get(one.worker, Life()))
    yield from _refused(story, lives)


def _refused(story: Story, lives: dict[str, Life]) -> Iterator[str]:
    """Whoever holds the last lease must be heard, or somebody else has meddled with the message."""
    last = max((grant.lease.fence for grant in story.grants), default=0)
    for s in story.settlements:
        life = lives.get(s.worker)
        if s.carried is not False or s.fate.fence != last or story.ways(last) or life is None or s.at is None:
            continue
        if life.held_at(s.at) and not any(burial.began <= s.at for burial in life.buried):
            yield f"its holder was refused, though nobody was granted anything after fence {last}"


def _taken(story: Story, one: Grant, other: Grant, life: Life) -> Iterator[str]:
    """Nobody settled the earlier lease, so it has to have been lost: by its time, or by the death of its worker."""
    fence = one.lease.fence
    named = [burial for burial in life.buried if one.worker in burial.named and burial.began <= other.at]
    if not named and life.held_at(other.at):
        yield f"fence {other.lease.fence} was granted while the lease of fence {fence} still held"
    for burial in named[:1]:
        acts = [(act.at, act.fence) for act in story.starts] + [(act.at, act.fence) for act in story.ends]
        if any(at > burial.at and under == fence for at, under in acts):
            yield f"its worker was buried as dead, and still ran it under fence {fence}"


def _stuck(story: Story) -> Iterator[str]:
    if story.standing is not None and story.standing.state and not story.final:
        yield f"it is still {story.standing.state}"


def _disordered(stories: list[Story], rules: Rules) -> Iterator[tuple[str, str]]:
    accepted = [(story, p) for story in stories for p in story.publications if p.fate == "accepted" and p.at]
    keyed: dict[tuple[str, str], list[tuple[float, Story]]] = defaultdict(list)
    for story, publication in accepted:
        if publication.item.queue in rules.ordered and publication.item.key is not None:
            keyed[publication.item.queue, publication.item.key].append((publication.began, story))
    for line in keyed.values():
        for (_, one), (_, other) in pairwise(sorted(line, key=lambda pair: pair[0])):
            if other.starts and not _ended_before(one, other.starts[0].at):
                yield other.id, f"it started before {one.id}, which has the same key and came before it, had ended"
    for queue in rules.fifo:
        yield from _out_of_turn([(s, p.began, p.at or 0.0) for s, p in accepted if p.item.queue == queue])


def _ended_before(story: Story, time: float) -> bool:
    ends = [s.began for s in story.settlements if s.last and s.carried is not False]
    return any(end <= time for end in ends) or (not ends and story.final)


def _out_of_turn(line: list[tuple[Story, float, float]]) -> Iterator[tuple[str, str]]:
    """First leases that must have come before the lease of something older."""
    line = [entry for entry in line if entry[0].grants and entry[0].grants[0].lease.fence == 1]
    older = sorted(line, key=lambda entry: entry[2])
    at, latest, who = 0, 0.0, ""
    for story, began, _ in sorted(line, key=lambda entry: entry[1]):
        while at < len(older) and older[at][2] < began:
            first = older[at][0].grants[0]
            if first.began > latest:
                latest, who = first.began, older[at][0].id
            at += 1
        if story.grants[0].at < latest:
            yield story.id, f"it was leased before {who}, which was accepted before it"
