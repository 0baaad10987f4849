"""A verdict as text for a person: one table of what happened, then the shortest counter-examples as timelines."""

from collections.abc import Iterator

from forebay.testing.history.checker import Kind, Verdict
from forebay.testing.history.story import Histories, Story

#: Counter-examples that are shown; the shortest teach most.
EXAMPLES = 5

#: Seconds after the last that was heard of a message in which a fault may be why.
_AFTER = 1.0

Line = tuple[float, str]


def describe(verdict: Verdict, found: Histories, examples: int = EXAMPLES) -> str:
    """The whole report."""
    lines = [*_table(verdict)]
    shown = sorted({v.id for v in verdict.violations if v.id}, key=lambda id_: (len(_timeline(found, id_)), id_))
    for id_ in shown[:examples]:
        lines += ["", f"message {id_}"]
        lines += [f"  {violation.kind}: {violation.why}" for violation in verdict.violations if violation.id == id_]
        lines += [f"  {text}" for text in timeline(found, id_)]
    if len(shown) > examples:
        lines += ["", f"... and {len(shown) - examples} more messages with longer stories"]
    return "\n".join(lines)


def _table(verdict: Verdict) -> Iterator[str]:
    rows = {
        "published": verdict.published, "accepted": verdict.accepted, "unanswered but kept": verdict.recovered,
        "runs": verdict.runs, "repeats that the leases account for": verdict.counted,
        "settlements refused": verdict.refused, **{str(kind): len(verdict.of(kind)) for kind in Kind},
    }  # fmt: skip
    for name, number in rows.items():
        yield f"{name:<40} {number:>8,}"
    yield from (f"{violation.kind}: {violation.why}" for violation in verdict.violations if not violation.id)


def timeline(found: Histories, id_: str) -> list[str]:
    """Everything about one message in order of time, in seconds since the first of it."""
    lines = _timeline(found, id_)
    first = lines[0][0] if lines else 0.0
    return [f"{at - first:+9.3f}  {text}" for at, text in lines]


def _timeline(found: Histories, id_: str) -> list[Line]:
    story = found.stories[id_]
    lines = sorted(_own(story))
    if not lines:
        return [(0.0, f"census: {story.standing.state or 'unknown'}")] if story.standing is not None else []
    first, last = lines[0][0], lines[-1][0]
    workers = {grant.worker for grant in story.grants}
    around = [(fault.at, f"FAULT {fault.name} {fault.detail}") for fault in found.faults]
    around += [
        (burial.at, f"worker {worker[-6:]} buried{' (held for dead)' if worker in burial.named else ''}")
        for worker in workers & found.lives.keys()
        for burial in found.lives[worker].buried
    ]
    lines = sorted(lines + [line for line in around if first <= line[0] <= last + _AFTER])
    if story.standing is not None:
        lines.append((last, f"census: {story.standing.state or 'unknown'} {story.standing.cause}".rstrip()))
    return lines


def _own(story: Story) -> Iterator[Line]:
    for p in story.publications:
        yield p.began, "publish"
        if p.at is not None:
            yield p.at, f"  answered {p.fate}"
    for g in story.grants:
        yield g.at, f"leased by {g.worker[-6:]} fence {g.lease.fence} attempt {g.lease.attempt} lost {g.lease.lost}"
    for start in story.starts:
        yield start.at, f"run starts in process {start.pid} fence {start.fence}"
    for end in story.ends:
        yield end.at, f"run ends in process {end.pid} fence {end.fence}"
    for s in story.settlements:
        yield s.began, f"{s.worker[-6:]} settles fence {s.fate.fence}: {s.fate.move}"
        if s.at is not None:
            yield s.at, f"  answered {'carried out' if s.carried else 'refused'}"
