"""From rows to what is known of a message. Nothing that stands in a row stops the reading of others."""

from array import array
from collections.abc import Sequence
from typing import Any

import apsw
from msgspec.structs import replace

from forebay.engine.sqlite import rows
from forebay.engine.sqlite.database import Database
from forebay.engine.sqlite.gates import all_closed
from forebay.engine.sqlite.rows import sql
from forebay.flow.lane import parts, shut
from forebay.model.gate import Gate
from forebay.model.lifecycle import FINAL, State
from forebay.store.records import Found

#: The tables of the view `story`, each at its number in it.
TABLES = ("message", "finished", "dead")


def read_all(db: Database, table: str, seqs: Sequence[int]) -> list[Found]:
    """Those of the rows that are still there, by number."""
    if not seqs:
        return []
    found = [story(row) for row in db.read(sql("stories"), (TABLES.index(table), apsw.carray(array("q", seqs))))]
    return seen(db, found) if table == "message" else found


def seen(db: Database, found: Sequence[Found]) -> list[Found]:
    """As people see them: what is ready behind a closed gate is parked."""
    gates = all_closed(db) if any(one.state is State.READY for one in found) else []
    return [replace(one, state=State.PARKED) if _is_shut(one, gates) else one for one in found]


def _is_shut(found: Found, gates: Sequence[Gate]) -> bool:
    where = (found.queue, found.lane, found.task, found.key)
    return found.state is State.READY and any(shut(gate, *where) for gate in gates)


def story(row: Sequence[Any]) -> Found:
    """From the columns of `find.sql` and `stories.sql`."""
    id_, queue, task, stored, attempt, lost, priority, lane, key, unique, body, headers, created, due = row[:14]
    expires, started, worker, finished, result, cause, failure, progress = row[14:]
    state, flaw = _state(stored)
    shown = due if state is State.SCHEDULED or state in FINAL else None
    return Found(
        id=rows.text(id_), queue=rows.text(queue), task=rows.text(task), state=state, attempt=attempt, lost=lost,
        priority=priority, lane=parts(rows.text(lane)).lane, key=_maybe(key), unique=_maybe(unique), body=body,
        headers=rows.headers(headers), created=created, due=shown, expires=expires, started=started,
        worker=_maybe(worker), finished=finished, result=result,
        cause="" if state is State.RUNNING else flaw or rows.text(cause), failure=rows.failure(failure),
        progress=progress,
    )  # fmt: skip


def _state(stored: int | bytes) -> tuple[State, str]:
    """The state of a row, and what is wrong with it: one that does not exist waits for ever, or has ended somehow."""
    if isinstance(stored, int):
        if stored in range(len(rows.LIVE_STATES)):
            return rows.LIVE_STATES[stored], ""
        return State.PARKED, f"its row has state {stored}, which does not exist: it was not Forebay that wrote it"
    word = rows.text(stored)
    if word in FINAL:
        return State(word), ""
    return State.DISCARDED, f"its row has state {word!r}, which does not exist: it was not Forebay that wrote it"


def _maybe(blob: bytes | None) -> str | None:
    return None if blob is None else rows.text(blob)
