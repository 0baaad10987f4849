"""`doctor` and `migrate`: what is wrong with a real file and a real fleet is found, and said with what to do."""

import os
import signal

import pytest

from end_to_end.cli.shell import eventually, sqlite
from forebay.engine.sqlite.schema import newest
from proc import freeze


def findings(shell, *words: str, code: int = 0) -> dict[str, tuple[str, str]]:
    """Check → (level, text and advice); the worst counts where a check has several."""
    rows = shell("doctor", *words, "-o", "json", code=code).json
    worst = sorted(rows, key=lambda row: ["ok", "warn", "fail"].index(row["level"]))
    return {row["check"]: (row["level"], f"{row['text']} → {row['advice']}") for row in worst}


def test_a_sound_system_is_well(world):
    said = world("doctor").out.splitlines()
    assert said[-1] in {"all is well", "1 warning"}  # a test's folder may be on a file system in memory
    found = findings(world)
    assert found["integrity"] == ("ok", "the file is whole → ")
    assert found["schema"][0] == found["numbers"][0] == found["workers"][0] == found["queues"][0] == "ok"
    assert "2 alive" in found["workers"][1]
    assert "integrity" not in world("doctor", "--quick").out
    assert [row["level"] for row in world("doctor", "-o", "ndjson").rows].count("fail") == 0


def test_work_without_workers_and_dead_letters_are_found(shell):
    shell("migrate")
    assert findings(shell)["workers"] == ("warn", "none is alive → start one: `forebay worker -A app:app`")
    shell("doctor", "--strict", code=4)
    with shell.worker("-Q", "default", "--no-schedules"):
        dead = shell.enqueue("boom")
        eventually(lambda: shell.state(dead) == "dead")
        shell.enqueue("nap", "0")
        shell("pause", "default", "--reason", "holidays")
        with sqlite(shell.folder / "forebay.db") as db:
            db.execute("update message set created = created - 86400")
        found = findings(shell, code=4)
        assert found["queues"] == ("fail", "slow: 1 ready, no worker serves it → start a worker with `-Q slow`")
        assert found["dead"][1].startswith("dead letters: default 1 → `forebay dead list`")
        assert ": holidays → `forebay resume default`" in found["paused"][1]
        assert "the oldest of 1 ready waits for 1d" in found["backlog"][1]
    with sqlite(shell.folder / "forebay.db") as db:
        db.execute("update schedule set next = 1, last = null")
        db.execute("update closed set since = since + 86400")
    found = findings(shell, code=4)
    assert "none is alive, 1 message waits" in found["workers"][1]
    assert "yearly was due" in found["schedules"][1]
    assert "the clock was set back" in found["clock"][1]
    shell("schedules", "pause", "yearly")
    assert findings(shell, code=4)["schedules"] == (
        "warn",
        "yearly is paused → `forebay schedules resume yearly` to go on",
    )


def test_a_worker_that_hangs_is_found(shell):
    """Frozen with its parent, it neither renews its lease nor leaves; nobody else is there to bury it."""
    with shell.worker(FOREBAY_LEASE="1s") as worker:
        (row,) = shell("workers", "-o", "json").json
        freeze(shell.folder / "forebay.db", worker.process.pid, row["pid"])
        try:
            found = eventually(lambda: (f := findings(shell, code=0))["workers"][0] == "warn" and f, "a lost worker")
            assert "1 lost, and nobody made what they held ready again yet" in found["workers"][1]
            assert "stale" in shell("workers").out
            assert "ran out" in shell("healthcheck", code=4).out
        finally:
            os.kill(row["pid"], signal.SIGCONT)
            os.kill(worker.process.pid, signal.SIGCONT)


def test_a_file_that_cannot_be_used_is_exit_code_3(shell):
    missing = findings(shell, code=3)["file"][1]  # by its whole path: a relative one is not the same everywhere
    assert missing.startswith(f"{shell.folder.resolve() / 'forebay.db'}: no such file → name the app with -A")
    (shell.folder / "text.db").write_text("some text that is no database at all\n" * 50)
    assert "not a SQLite database" in findings(shell, "--url", "sqlite:///text.db", code=3)["database"][1]
    with sqlite(shell.folder / "theirs.db") as db:
        db.execute("create table cars (name)")
    assert "a database of another program" in findings(shell, "--url", "sqlite:///theirs.db", code=3)["database"][1]
    (shell.folder / "folder.db").mkdir()
    assert "is a folder" in findings(shell, "--url", "sqlite:///folder.db", code=3)["file"][1]


def test_a_file_that_cannot_even_be_looked_for_is_a_finding(shell):
    url = f"sqlite:///{'x' * 300}.db"
    assert "its path is too long: choose a shorter one" in findings(shell, "--url", url, code=3)["file"][1]
    for words in (["healthcheck"], ["migrate", "--check"], ["backup", "copy.db"]):
        assert "its path is too long: choose a shorter one" in shell(*words, "--url", url, code=3).complaint
    shell("migrate")
    assert "File name too long; choose another place" in shell("backup", f"{'x' * 300}.db", code=2).complaint


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_may_not_be_entered_is_named(shell):
    (shell.folder / "closed").mkdir(mode=0)
    url = "sqlite:///closed/q.db"
    assert "give it write access to the file and its folder" in findings(shell, "--url", url, code=3)["file"][1]
    assert "give it write access to the file and its folder" in shell("queues", "--url", url, code=3).complaint


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_file_that_may_not_be_written_is_found(shell):
    shell("migrate")
    (shell.folder / "forebay.db").chmod(0o400)
    assert "may not read and write it" in findings(shell, code=3)["file"][1]


def test_damage_is_found(shell):
    shell("migrate")
    for number in range(3):
        shell("enqueue", "q", "--raw", "-", stdin="".join(f'"{n}{"x" * 200}"\n' for n in range(number, 2_000)))
    path = shell.folder / "forebay.db"
    with sqlite(path) as db:
        db.pragma("wal_checkpoint(truncate)")
        db.execute("update tally set n = n + 5 where name = 'ready'")
    assert "numbers" not in findings(shell, "--quick", code=4)
    numbers = findings(shell, code=4)["numbers"]
    assert numbers[0] == "fail"
    assert "q: 6002 ready told, 5997 there" in numbers[1]
    with sqlite(path) as db:
        db.pragma("wal_checkpoint(truncate)")
    data = bytearray(path.read_bytes())
    for page in range(20, 40):
        data[page * 4096 : page * 4096 + 100] = b"\xff" * 100
    path.write_bytes(bytes(data))
    found = findings(shell, code=4)
    assert any("damaged" in text or "malformed" in text for level, text in found.values() if level == "fail")


def test_a_full_file_is_found_and_its_limit_named(shell):
    shell("migrate")
    shell("enqueue", "q", "--raw", "-", stdin="".join(f'"{n}{"x" * 500}"\n' for n in range(2_000)))
    size = shell.folder / "forebay.db"
    with sqlite(size) as db:
        used = (db.pragma("page_count") - db.pragma("freelist_count")) * db.pragma("page_size")
    for limit, level in ((used - 4096, "fail"), (used + 8192, "warn"), (used * 10, "ok")):
        rows = {row["check"]: row for row in shell("doctor", "-o", "json", code=4, FOREBAY_MAX_SIZE=str(limit)).json}
        assert rows["size"]["level"] == level, rows["size"]


def test_a_log_that_grows_is_found(shell):
    shell("migrate")
    log = shell.folder / "forebay.db-wal"
    with sqlite(shell.folder / "forebay.db") as reader:
        reader.execute("begin")
        reader.execute("select count(*) from message").fetchall()
        with log.open("ab") as file:
            file.truncate(200_000_000)  # sparse: what counts is the size that others will see
        assert "end it (a shell? a backup?)" in findings(shell)["log"][1]


def test_migrate_says_from_where_to_where(shell):
    assert shell("migrate", "--check", code=1).out == f"schema none, {newest()} is the newest: run `forebay migrate`\n"
    assert not (shell.folder / "forebay.db").exists()
    assert shell("migrate").out == f"schema none → {newest()}\n"
    assert shell("migrate").out == f"schema {newest()}: up to date\n"
    assert shell("migrate", "--check", "-o", "json").json == {
        "url": "sqlite:///forebay.db",
        "before": newest(),
        "after": newest(),
        "newest": newest(),
    }


def test_a_newer_schema_is_refused_by_every_command(shell):
    shell("migrate")
    with sqlite(shell.folder / "forebay.db") as db:
        db.pragma("user_version", newest() + 1)
    for words in (
        ["migrate"],
        ["queues"],
        ["enqueue", "greet", "A"],
        ["top", "--count", "1"],
        ["tail", "--count", "1"],
    ):
        assert "upgrade Forebay" in shell(*words, code=3).complaint
    assert findings(shell, code=3)["schema"][0] == "fail"
    assert "upgrade Forebay" in shell("worker", code=3).err or "upgrade Forebay" in shell("worker", code=2).err


def test_the_sql_of_a_schema_is_printed_where_there_is_any(shell):
    assert (
        "has no SQL to print: run `forebay migrate` without --dump-sql"
        in shell("migrate", "--dump-sql", code=2).complaint
    )
    postgres = shell("migrate", "--dump-sql", "--url", "postgresql://127.0.0.1/shop")
    assert "create schema if not exists" in postgres.out
