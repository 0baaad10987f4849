"""Rows that somebody else wrote, seen by the commands that read: each of them shows all other rows, in every form.

The rows are written by another program, with the stdlib's SQLite: a row for each column and each odd value of it.
"""

import json
import subprocess
import sys

import msgspec
import pytest

from forebay import Forebay
from forebay.cli import main
from forebay.cli.failing import Code
from forebay.model.message import Message
from forebay.work.host import identity

pack = msgspec.msgpack.encode
BAD, WIDE = b"t\xff\xfe\x1b[2J\xe2\x80\xae", b"\xed\xa0\x80"
TEXTS = [BAD, WIDE, b"", b"a\0b\nc", b"x" * 100_000]
NUMBERS = [-(2**63), -1, 7, 2**63 - 1]
TIMES = ["-9e999", "-1e300", "-1e17", -1.0, 0.0, 1e12, 1e17, 1e300, "9e999"]
DEEP = b"\x91" * 10_000 + b"\xc0"
BLOBS = [b"", b"\xc1", b"\x81\xa1a", DEEP, BAD, pack([1, "two"]), pack(3), pack({"a": 2**63}), pack({"": float("inf")})]


def beats():
    """Details of workers: what can be read and has no meaning, beside what cannot be read."""
    good = {"worker": "w", "lease": 15.0, "node": "n", "pid": 1, "queues": ["default"], "concurrency": 1}
    odd = {
        "node": [1, None, "\u202e\x1b"], "queues": ["default", [1], [None], ["q"] * 2000, {"a": 1}, ["\0", "\x1b"]],
        "concurrency": [-1, 0, 2**64 - 1, "3", 1.5], "running": [2**63, -(2**63), None], "done": [2**64 - 1, "x"],
        "failed": [-5], "proved": [float("nan"), float("inf"), -1e300, 1e300, "soon"],
        "state": [1, "", "what"], "rss": [2**64 - 1, -1, 1.5], "lease": [float("inf"), "long", None],
    }  # fmt: skip
    return [*BLOBS, *(pack({**good, name: value}) for name, values in odd.items() for value in values)]


def forms():
    """Forms of schedules likewise."""
    good = {"id": "", "queue": "default", "task": "add", "body": b""}
    odd = {"queue": ["", "\x1b", 1], "body": [BAD, DEEP, "text"], "priority": [2**63, -(2**63), 1.5],
           "headers": [{"a": 1}, {"\x1b": "\0"}, []], "ttl": [-1.0, float("inf"), float("nan")]}  # fmt: skip
    return [*BLOBS, *(pack({**good, name: value}) for name, values in odd.items() for value in values)]


#: Of each table: a good row; whatever of it may be odd, with what it may be.
TABLES = {
    "message": (
        {"id": b"good-message", "queue": b"good-queue", "state": 1, "created": 1e9, "body": pack({"a": 1})},
        {"id": TEXTS, "queue": TEXTS, "lane": TEXTS, "task": TEXTS, "key": TEXTS, "once": TEXTS, "cause": TEXTS,
         "worker": TEXTS, "home": TEXTS, "cost": TIMES, "holds": NUMBERS,
         "state": NUMBERS, "priority": NUMBERS, "attempt": NUMBERS, "lost": NUMBERS, "fence": NUMBERS,
         "created": TIMES, "due": TIMES, "expires": TIMES, "leased": TIMES, "unknown": TIMES, "headers": BLOBS,
         "failure": BLOBS, "progress": BLOBS, "body": BLOBS},
    ),
    "finished": (
        {"id": b"good-end", "queue": b"good-queue", "task": b"t", "state": b"done", "attempt": 1, "created": 1e9,
         "finished": 1e9, "expires": 9e9},
        {"id": TEXTS, "queue": TEXTS, "task": TEXTS, "state": TEXTS, "cause": TEXTS, "worker": TEXTS,
         "attempt": NUMBERS, "created": TIMES, "finished": TIMES, "due": TIMES, "late": TIMES, "started": TIMES,
         "headers": BLOBS, "failure": BLOBS, "progress": BLOBS, "result": BLOBS},
    ),
    "dead": (
        {"id": b"good-dead", "queue": b"good-queue", "lane": b"", "priority": 0, "attempt": 1, "lost": 0, "fence": 1,
         "created": 1e9, "finished": 1e9, "task": b"t", "cause": b"c", "body": b""},
        {"id": TEXTS, "queue": TEXTS, "lane": TEXTS, "task": TEXTS, "key": TEXTS, "once": TEXTS, "cause": TEXTS,
         "priority": NUMBERS, "attempt": NUMBERS, "lost": NUMBERS, "created": TIMES, "finished": TIMES, "due": TIMES,
         "headers": BLOBS, "failure": BLOBS, "body": BLOBS},
    ),
    "worker": (
        {"id": b"good-worker", "host": identity().encode(), "boot": b"b", "pid": 1, "started": 1e9, "until": 9e9,
         "state": b"running",
         "detail": pack({"worker": "w", "lease": 15.0, "queues": ["good-queue"], "concurrency": 1})},
        {"id": TEXTS, "host": TEXTS, "boot": TEXTS, "state": TEXTS, "pid": NUMBERS, "started": TIMES, "until": TIMES,
         "detail": beats()},
    ),
    "schedule": (
        {"name": b"good-schedule", "cron": b"0 0 * * *", "tz": b"UTC", "missed": b"once", "overlap": b"allow",
         "next": 9e9, "form": pack(Message(id="", queue="default"))},
        {"name": TEXTS, "cron": TEXTS, "tz": TEXTS, "missed": TEXTS, "overlap": TEXTS, "next": TIMES, "last": TIMES,
         "declared": TIMES, "paused": NUMBERS, "form": forms()},
    ),
    "closed": (
        {"queue": b"good-queue", "what": b"", "holder": b"operator", "reason": b"good-gate", "since": 1e9},
        {"queue": TEXTS, "what": TEXTS, "holder": TEXTS, "reason": TEXTS, "since": TIMES, "until": TIMES},
    ),
    "audit": (
        {"at": 1e9, "actor": b"good-actor", "verb": b"v", "target": b"t", "detail": b"d"},
        {"at": TIMES, "actor": TEXTS, "verb": TEXTS, "target": TEXTS, "detail": TEXTS},
    ),
    "tally": (
        {"queue": b"good-queue", "name": b"ready", "n": 1},
        {"queue": TEXTS, "name": TEXTS, "n": NUMBERS},
    ),
    "queue": ({"name": b"good-queue"}, {"name": TEXTS, "ttl": TIMES, "limits": BLOBS}),
    "lane": (
        {"queue": b"good-queue", "lane": b""},
        {"queue": TEXTS, "lane": TEXTS, "n": NUMBERS, "go": TIMES, "waits": TEXTS, "tat": TIMES, "running": NUMBERS},
    ),
    "meter": (
        {"name": b"task:good", "rate": 1.0, "generation": 1, "running": 0, "tat": 0.0},
        {"name": TEXTS, "rate": TIMES, "burst": TIMES, "slots": NUMBERS, "generation": NUMBERS, "running": NUMBERS,
         "tat": TIMES},
    ),
}  # fmt: skip
#: Columns that tell rows of a table apart.
OWN = {"message": "id", "finished": "id", "dead": "id", "worker": "id", "schedule": "name", "closed": "what",
       "queue": "name", "lane": "lane", "meter": "name"}  # fmt: skip
BLOB_COLUMNS = frozenset({"body", "headers", "failure", "progress", "result", "form", "limits"})

WRITER = """
import json, sqlite3, sys
db = sqlite3.connect(sys.argv[1])
kinds = {"t": lambda hex: (bytes.fromhex(hex), "cast(? as text)"), "b": lambda hex: (bytes.fromhex(hex), "?"),
         "n": lambda number: (float(number) if isinstance(number, str) else number, "?")}
for table, row in json.load(sys.stdin):
    values = [kinds[kind](value) for kind, value in row.values()]
    marks = ", ".join(mark for _, mark in values)
    db.execute(f"insert or ignore into {table} ({', '.join(row)}) values ({marks})", [value for value, _ in values])
db.commit()
"""


def rows(table):
    """Its good row first, then one for each odd value."""
    good, odd = TABLES[table]
    made = [good]
    for column, values in odd.items():
        for value in values:
            own = OWN.get(table)
            name = {} if own in (None, column) else {own: f"odd-{len(made)}".encode()}
            made.append({**good, **name, column: value})
    return [(table, {column: _told(table, column, value) for column, value in row.items()}) for row in made]


def _told(table, column, value):
    if isinstance(value, bytes):
        blob = column in BLOB_COLUMNS or (table, column) == ("worker", "detail")
        return ("b" if blob else "t"), value.hex()
    return "n", value


@pytest.fixture(scope="module")
def odd(tmp_path_factory):
    """A file with a good row in each table and odd ones beside it."""
    path = tmp_path_factory.mktemp("odd") / "forebay.db"
    with Forebay(f"sqlite:///{path}"):
        pass
    ready = {**TABLES["message"][0], "id": b"odd-ready", "state": 1}
    made = [("message", {column: _told("message", column, value) for column, value in ready.items()})]
    made += [rows(table)[0] for table in TABLES] + [row for table in TABLES for row in rows(table)[1:]]
    subprocess.run([sys.executable, "-c", WRITER, str(path)], input=json.dumps(made), text=True, check=True, timeout=60)
    return path


#: Commands that read, with what each shows of the good rows.
READERS = {
    ("queues",): "good-queue",
    ("queues", "good-queue"): "good-queue",
    ("messages", "--limit", "100000"): "good-message",
    ("messages", "--state", "done", "--limit", "100000"): "good-end",
    ("messages", "--state", "dead", "--limit", "100000"): "good-dead",
    ("messages", "--state", "parked", "--limit", "100000"): "good-message",
    ("messages", "-Q", "good-queue", "--limit", "100000"): "good-message",
    ("messages", "good-message"): "good-message",
    ("messages", "good-end"): "good-end",
    ("messages", "good-dead"): "good-dead",
    ("dead", "list", "--limit", "100000"): "good-dead",
    ("dead", "show", "good-dead"): "good-dead",
    ("why", "good-message"): "good-queue",
    ("why", "odd-ready"): "good-queue",
    ("why", "good-queue"): "good-queue",
    ("workers",): "good-worker",
    ("schedules",): "good-schedule",
    ("audit", "--limit", "10000"): "good-actor",
    ("top", "--count", "2", "--interval", "100ms"): "good-queue",
    ("tail", "-n", "200", "--count", "1"): "",
    ("doctor",): "",
    ("healthcheck", "--max-age", "3650d"): "worker",
}


@pytest.fixture
def here(odd, monkeypatch):
    monkeypatch.setenv("FOREBAY_URL", f"sqlite:///{odd}")
    monkeypatch.delenv("COLUMNS", raising=False)


@pytest.mark.parametrize("words", READERS, ids=" ".join)
def test_an_odd_row_hides_no_other_from_a_command_that_reads(here, words, capfd):
    for form in ("table", "ndjson") if words[0] == "tail" else ("table", "json", "ndjson"):
        code = main([*words, "-o", form])
        said = capfd.readouterr()
        assert "error:" not in said.err, said.err[-2000:]
        assert code in (Code.OK, Code.UNHEALTHY)
        assert "\x1b" not in said.out
        assert READERS[words] in said.out
        if form != "table":
            [json.loads(part) for part in ([said.out] if form == "json" else said.out.splitlines())]


def test_a_worker_whose_beat_cannot_be_read_is_shown_and_proves_nothing(tmp_path, monkeypatch, capfd):
    monkeypatch.setenv("FOREBAY_URL", f"sqlite:///{tmp_path}/forebay.db")
    with Forebay():
        pass
    for name, detail in enumerate((b"\xc1", pack({"worker": "w", "lease": 15.0, "proved": float("nan")}))):
        good = {**TABLES["worker"][0], "id": b"%d" % name, "detail": detail}
        row = "worker", {column: _told("worker", column, value) for column, value in good.items()}
        subprocess.run(
            [sys.executable, "-c", WRITER, f"{tmp_path}/forebay.db"], input=json.dumps([row]), text=True, check=True,
            timeout=60,
        )  # fmt: skip
        assert main(["healthcheck", "--max-age", "100d"]) == Code.UNHEALTHY
        assert main(["doctor", "--quick"]) == Code.UNHEALTHY
        assert "what it says of itself cannot be read" in " ".join(capfd.readouterr().out.split())
