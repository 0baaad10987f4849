"""What the schema should hold, what a user needs there, and what it has lost: for `doctor`. Decides; asks nothing.

What it should hold is read from the migrations, so that it cannot go out of date. The rights are those that
docs/how-to/postgresql.md names.
"""

import re
from collections.abc import Iterable, Iterator, Sequence

from forebay.engine.postgres import schema
from forebay.model.duration import span
from forebay.model.finding import Finding, fail, fine, warn

_MADE = re.compile(
    r"^create (?:or replace |unique )*(table|view|function|index|type) (?:forebay\.)?(\w+)", re.MULTILINE
)
_PAGE = "grant them as docs/how-to/postgresql.md shows, as the owner of the schema"
#: Seconds for which a loss is told.
REMEMBERED = 3 * 86_400.0
#: Things that are named in one line.
_NAMED = 5
_CHANGED = ("message", "bound", "meter", "apart", "fair", "ran")
#: What one needs who only enqueues, as a right and what it is on.
TO_ENQUEUE = frozenset(
    {("insert", one) for one in (*_CHANGED, "delta", "merged", "queue", "lane", "stir", "audit")}
    | {("update", one) for one in (*_CHANGED, "queue", "lane")}
    | {("delete", one) for one in _CHANGED}
)


def wanted() -> list[tuple[str, str]]:
    """Kind and name of each thing that the migrations make."""
    return sorted({(kind, name) for _, text in schema.migrations() for kind, name in _MADE.findall(text)})


def missing(found: Sequence[tuple[str, str]], name: str) -> Iterator[Finding]:
    """What somebody has dropped.

    Args:
        name: of the schema.
    """
    if not found:
        return
    lacks = f"{name} lacks {_few(f'the {kind} {what}' for kind, what in found)}: somebody has dropped it"
    if any(kind == "table" for kind, _ in found):
        yield fail(
            "schema", lacks,
            f"restore the schema from a back-up (pg_restore -n {name}); or, if what is in it may be lost, "
            f'drop schema "{name}" cascade, and run `forebay migrate`',
        )  # fmt: skip
    else:
        yield fail(
            "schema", lacks,
            "the messages are safe: create it again, as `forebay migrate --dump-sql` prints it for a namespace that is "
            f"new, with {name} for the name of that",
        )  # fmt: skip


def rights(lacking: Sequence[tuple[str, str]], user: str) -> Iterator[Finding]:
    """What a user may not do, of all that those may who run workers: a right, and what it is on."""
    needed = [one for one in lacking if one in TO_ENQUEUE or one[0] in ("select", "execute")]
    if needed:
        yield fail("rights", f"{user} lacks {_few(f'{right} on {what}' for right, what in needed)}", _PAGE)
    elif lacking:
        lacks = _few(f"{right} on {what}" for right, what in lacking)
        yield warn(
            "rights", f"{user} may enqueue, but not run workers: it lacks {lacks}",
            f"leave that as it is for one who only enqueues; for workers, {_PAGE}",
        )  # fmt: skip
    else:
        yield fine("rights", f"{user} may do all that producers and workers do")


def lost(found: Sequence[tuple[float, str]]) -> Iterator[Finding]:
    """What workers have found the server to have lost (`mark`), for some days.

    Args:
        found: how many seconds ago, and how.
    """
    for ago, how in found:
        if ago < REMEMBERED:
            yield warn(
                "loss", f"{span(max(0.0, ago))} ago it was found to have lost messages that it had accepted: {how}",
                "was it restored from an older back-up, replaced by a standby that lagged, or emptied? publish again "
                "what was accepted since then, and had not run by then",
            )  # fmt: skip


def _few(texts: Iterable[str]) -> str:
    texts = list(texts)
    more = f" and {len(texts) - _NAMED} more" if len(texts) > _NAMED else ""
    return ", ".join(texts[:_NAMED]) + more
