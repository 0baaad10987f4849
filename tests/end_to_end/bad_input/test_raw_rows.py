"""Rows of the table of bad input: what somebody wrote straight into the file, past all checks of a producer.

STRICT holds the types of the columns and nothing else: a text may be no UTF-8, a number may be of no meaning.
"""

import apsw
import msgspec
import pytest

import starts
from fleet import until
from forebay.model.ids import new_id
from forebay.store.records import Choice

pack = msgspec.msgpack.encode
CALL = pack({"a": 1, "b": 2})
DEEP = b"\x91" * 10_000 + b"\xc0"
COLUMNS = {"queue": "default", "lane": "", "state": 1, "priority": 0, "created": 0.0, "task": "add", "body": CALL}
WAITING = {0: "scheduled", 1: "ready"}


@pytest.fixture(autouse=True)
def worker_lives(shared):
    """No row costs the worker its process, and good messages run after it."""
    before = shared.pids
    yield
    shared.still_works()
    assert shared.pids == before, shared.fleet.said[-3000:]


def write(shared, **columns):
    """A row as anybody with a shell may write it; a handle of it. Its tally is kept, as a careful one would."""
    row = {"id": new_id(), **COLUMNS, **columns}
    db = apsw.Connection(f"{shared.place.folder}/queue.db")
    db.set_busy_timeout(30_000)
    marks = ", ".join("cast(? as text)" if isinstance(value, Text) else "?" for value in row.values())
    with db:
        db.execute(f"insert into message ({', '.join(row)}) values ({marks})", tuple(map(bytes_of, row.values())))
        seq = db.last_insert_rowid()
        for name in (WAITING.get(row["state"], "other"), "published"):
            db.execute(
                "insert into tally values (?, ?, 1) on conflict do update set n = n + 1", (str(row["queue"]), name)
            )
    db.close()
    return seq, None if isinstance(row["id"], Text) else shared.crew.app.handle(row["id"])


class Text(bytes):
    """Bytes that are written as a text."""


def bytes_of(value):
    return bytes(value) if isinstance(value, Text) else value


def died(shared, seq):
    """Wait until the row is no live message any more; its cause, from the dead letters, which can be listed."""
    db = apsw.Connection(f"{shared.place.folder}/queue.db", flags=apsw.SQLITE_OPEN_READONLY)
    db.set_busy_timeout(30_000)
    until(lambda: not db.execute("select 1 from message where seq = ?", (seq,)).fetchall(), f"row {seq} to end")
    db.close()


def forebay(shared, *arguments):
    place = shared.place
    done = starts.run([*arguments, "-A", place.locator], place.folder, place.environment, 60)
    assert "Traceback" not in done.stderr, done.stderr
    return done


BODIES = {
    "nothing": (b"", "bad arguments: task add: "),
    "garbage": (bytes(range(256)), "bad arguments: task add: "),
    "truncated": (CALL[:-1], "bad arguments: task add: "),
    "too much": (CALL + CALL, "bad arguments: task add: "),
    "a huge length": (b"\xdf\xff\xff\xff\xff", "bad arguments: task add: "),
    "no UTF-8": (b"\x82\xa1a\xa2\xff\xfe\xa1b\x02", "bad arguments: task add: "),
    "deep": (DEEP, "bad arguments: task add: "),
    "sealed by a stranger": (b"\xc1" + CALL, "bad "),
    "too large": (b"\xc4" + b"x" * 10_000_000, "the body has 10,000,001 bytes, the limit is 1,048,576"),
}


@pytest.mark.parametrize("body", BODIES)
def test_a_body_of_garbage_is_a_dead_letter_with_its_cause(shared, body):
    blob, cause = BODIES[body]
    _, handle = write(shared, body=blob)
    found = shared.death(handle)
    assert found.cause.startswith(cause), found.cause
    assert (found.lost, found.attempt) == (0, 1)
    assert shared.place.ask("purge", Choice(ids=[found.id])) == 1


def test_a_raw_message_of_garbage_is_a_dead_letter_and_its_neighbours_reach_the_consumer(shared):
    good = shared.crew.app.publish("clicks", "a click")
    handles = [write(shared, queue="clicks", task="", body=body)[1] for body in (b"", DEEP, CALL[:-1], b"\xa2\xff\xfe")]
    assert {shared.death(handle).cause[:31] for handle in handles} == {"the payload is not MessagePack:"}
    until(lambda: good.status() == "done", "its neighbour")


UNREADABLE = {
    "task is no UTF-8": {"task": Text(b"add\xff")},
    "key is no UTF-8": {"key": Text(b"\xc3\x28")},
    "id is no UTF-8": {"id": Text(b"\xff" * 32)},
    "headers are no MessagePack": {"headers": b"\xc1\xff"},
    "headers are no map": {"headers": pack([1, 2])},
    "headers hold a number": {"headers": pack({"a": 1})},
    "headers are too deep": {"headers": DEEP},
    "queue is no UTF-8 and it is due": {"queue": Text(b"q\xff"), "state": 0, "due": 1.0},
    "queue is no UTF-8 and it is late": {"queue": Text(b"q\xff"), "expires": 1.0},
    "the fence is at its end": {"fence": 2**63 - 1},
    "the attempts are at their end": {"attempt": 2**63 - 1},
}


@pytest.mark.parametrize("row", UNREADABLE)
def test_a_row_that_cannot_be_leased_is_a_dead_letter_with_its_cause_and_stops_nobody(shared, row):
    seq, _ = write(shared, **UNREADABLE[row])
    died(shared, seq)
    listed = forebay(shared, "dead", "list", "-o", "ndjson")
    assert listed.returncode == 0, listed.stderr
    last = [msgspec.json.decode(line) for line in listed.stdout.splitlines()][-1]
    assert last["cause"].startswith("its row is not readable: "), last
    assert last["queue"] in {"default", "q\\xff"}


def test_texts_with_nul_and_escapes_run_like_others_and_reach_a_terminal_escaped(shared):
    _, handle = write(shared, key="a\0b", headers=pack({"a\0": "\x1b[2J"}), id="\x1b" * 32)
    assert handle.result(30) == 3
    seq, _ = write(shared, id=Text(b"\0" * 32))  # which no handle can name, on any engine
    died(shared, seq)
    db = apsw.Connection(f"{shared.place.folder}/queue.db", flags=apsw.SQLITE_OPEN_READONLY)
    assert db.execute("select count(*) from dead where hex(id) like '00%'").get == 0, "it has run"
    db.close()
    _, handle = write(shared, task="\x1b[2J\0" * 300_000)
    found = shared.death(handle)
    assert found.cause.startswith("unknown task ")
    assert len(found.cause) < 1_000
    listed = forebay(shared, "dead", "list")
    assert (listed.returncode, "\x1b[2J" in listed.stdout) == (0, False)
    assert "\x1b[2J" not in shared.fleet.said


def test_numbers_beyond_what_a_batch_of_acks_carries_are_settled_one_by_one(shared):
    handles = [write(shared, **columns)[1] for columns in (
        {"fence": 2**20}, {"fence": 2**62}, {"fence": -1}, {"fence": -(2**63)}, {"attempt": 2**40}, {"attempt": -5},
        {"priority": 2**62}, {"priority": -(2**63)}, {"created": -1e300}, {"created": 9e999}, {"lost": -1},
    )]  # fmt: skip
    assert [handle.result(30) for handle in handles] == [3] * len(handles)


def test_a_state_that_does_not_exist_is_left_alone_and_told_beside_all_others(shared):
    _, handle = write(shared, state=7, expires=1.0)
    later = shared.crew.app.publish("nobody", "waits")
    for command in (["messages", handle.id], ["messages", "-o", "json"]):
        done = forebay(shared, *command)
        assert (done.returncode, done.stderr) == (0, "")
        assert "state 7" in done.stdout
    assert later.id in done.stdout
    shared.still_works()
    later.cancel()
    assert handle.cancel() == "cancelled"


def test_a_queue_that_nobody_could_have_named_waits_and_disturbs_nobody(shared):
    for queue in ("no such queue", "", "a\0b", "\x1b[2J", "q" * 1_000_000):
        write(shared, queue=queue)
    shared.still_works()
    listed = forebay(shared, "queues")
    assert (listed.returncode, "\x1b[2J" in listed.stdout) == (0, False)


def test_times_that_no_calendar_knows_are_waited_for_and_shown(shared):
    handles = [write(shared, state=0, due=due)[1] for due in (1e17, 1e300, 9e999)]
    handles += [write(shared, state=0, due=1e17, expires=1e18, created=-1e17)[1]]
    shared.still_works()
    for handle in handles:
        assert handle.status() == "scheduled"
        for form in ("table", "json"):
            shown = forebay(shared, "messages", handle.id, "-o", form)
            assert shown.returncode == 0, shown.stderr
    assert forebay(shared, "messages").returncode == 0
    assert {handle.cancel() for handle in handles} == {"cancelled"}
