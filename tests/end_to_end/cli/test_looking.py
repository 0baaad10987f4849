"""Looking at a system, and stopping and starting parts of it: tables for people, steady JSON for programs."""

import subprocess

import pytest

from end_to_end.cli.shell import COMMAND, eventually
from forebay.engine.waiting import drive
from forebay.model.message import Message
from forebay.store.records import Schedule


@pytest.fixture(scope="module")
def full(world):
    """A world with something of everything: done, dead, scheduled, a queue that nobody serves."""
    world("enqueue", "greet", "Done", "--wait")
    for number in range(3):
        world("enqueue", "boom", f"cause {number}", "--wait", code=1)
    world("enqueue", "greet", "Later", "--delay", "1h")
    world("enqueue", "nobody", "--raw", "1", "2", "3")
    return world


def test_queues_are_numbers_by_name(full):
    table = full("queues").out.splitlines()
    assert table[0].startswith("QUEUE ")
    assert [line.split()[0] for line in table[1:]] == ["clicks", "default", "nobody", "slow"]
    (row,) = full("queues", "nobody", "-o", "json").json
    assert (row["queue"], row["ready"], row["published"], row["paused"]) == ("nobody", 3, 3, False)
    assert row["age"] > 0
    assert "no queue 'nobdy': there is clicks, default, nobody, slow" in full("queues", "nobdy", code=2).complaint


def test_messages_are_listed_by_state_queue_and_task_page_by_page(full):
    live = full("messages", "-o", "json").json
    assert {row["state"] for row in live} == {"ready", "scheduled"}
    (later,) = full("messages", "--state", "scheduled", "--task", "greet", "-Q", "default", "-o", "ndjson").rows
    assert later["body"] == {"name": "Later", "loud": False}
    first = full("messages", "--queue", "nobody", "--limit", "2")
    last = first.out.splitlines()[-1].split()[0]
    assert f"there may be more: --after {last}" in first.err
    (third,) = full("messages", "-Q", "nobody", "--after", last, "-o", "json").json
    assert third["body"] == 3
    assert full("messages", "--state", "parked").out.startswith("no parked messages; those that wait or run: 3 ready")


def test_messages_are_found_by_their_key_and_unique_key(full):
    keyed = full.enqueue("greet", "K", "--delay", "1h", "--key", "tenant-7", "--unique", "welcome:7")
    assert [row["id"] for row in full("messages", "--key", "tenant-7", "-o", "json").json] == [keyed]
    assert [row["id"] for row in full("messages", "--unique", "welcome:7", "-o", "json").json] == [keyed]
    assert full("messages", "--key", "other").out.startswith("no message waits or runs, key other; ended up to now: ")
    assert full("dead", "list", "--key", "tenant-7").out.startswith("no dead messages, key tenant-7; those that wait")
    assert "no queue 'nobdy': there is clicks" in full("messages", "-Q", "nobdy", code=2).complaint
    full("cancel", keyed)


def test_an_id_may_be_given_by_its_end(full):
    id_ = full.enqueue("greet", "E", "--delay", "1h")
    assert full("messages", f"…{id_[-8:]}", "-o", "json").json["id"] == id_
    assert full("cancel", id_[-8:], "-o", "json").json == [{"id": id_, "state": "cancelled"}]
    assert "is cancelled" in full("result", id_[-8:], code=1).complaint
    for number in (1, 2):
        full("enqueue", "greet", "E", "--delay", "1h", "--id", f"job-{number}-of-4")
    several = "'-of-4' is the end of several ids: give more of job-1-of-4, job-2-of-4"
    assert several in full("cancel", "--", "-of-4", code=2).complaint
    ended = full("cancel", "-o", "json", "--", "1-of-4", "2-of-4").json
    assert ended[1] == {"id": "job-2-of-4", "state": "cancelled"}
    assert "no message of-5" in full("messages", "of-5", code=1).complaint


def test_a_done_message_is_listed_with_its_result(full):
    done = full("messages", "--state", "done", "-o", "json").json
    assert [row["result"] for row in done] == ["hello Done"]
    assert '"hello Done"' in full("messages", "--state", "done").out


def test_dead_letters_are_listed_shown_redriven_and_purged(full):
    dead = full("dead", "list", "-Q", "default", "--task", "boom", "--limit", "10", "-o", "json").json
    assert [row["failure"]["message"] for row in dead] == ["cause 0", "cause 1", "cause 2"]
    first, second, third = (row["id"] for row in dead)
    assert len(full("dead", "list", "--after", second).out.splitlines()) == 2
    story = full("dead", "show", first).out
    assert "Traceback (most recent call last):" in story
    assert "ValueError: cause 0" in story
    assert [row["id"] for row in full("dead", "show", first, second, "-o", "ndjson").rows] == [first, second]
    assert full("dead", "redrive", first).out == "redriven 1\n"
    eventually(lambda: full.depth("default").died == 4, "it dies again")
    assert full("dead", "purge", third, "--yes", "-o", "json").json == {"purged": 1}
    assert full.state(third) == "discarded"
    assert "is discarded, not dead" in full("dead", "show", third, code=1).complaint
    assert "nobody is there to confirm: add --yes" in full("dead", "purge", "--all", code=2).complaint
    assert full("dead", "redrive", "--queue", "default").out == "redriven 2\n"
    eventually(lambda: full.depth("default").dead == 2)
    assert full("dead", "purge", "-Q", "slow", "--yes").out == "purged 0\n"
    assert full("dead", "purge", "--all", "--yes").out == "purged 2\n"
    assert full("dead", "list").out.startswith("no dead messages; ")
    assert full("dead", "redrive", "--all").out == "redriven 0\n"


def test_a_paused_queue_keeps_its_messages_until_it_is_resumed(full):
    assert full("pause", "slow", "clicks", "--reason", "provider is down").out == "slow: paused\nclicks: paused\n"
    id_ = full.enqueue("nap", "0")
    assert full("queues", "slow").out.splitlines()[1].endswith("ago: provider is down")
    refused = full("result", id_, "--wait", "500ms", code=1)  # long enough for an open queue, far too short to be sure
    assert full.state(id_) == "parked", refused
    assert full("resume", "slow", "clicks", "-o", "ndjson").rows == [
        {"queue": "slow", "paused": False},
        {"queue": "clicks", "paused": False},
    ]
    assert full("result", id_, "--wait", "100s").json == "rested"
    assert "no queue 'fast'" in full("pause", "fast", code=2).complaint
    assert "no queue 'fast'" in full("resume", "fast", code=2).complaint


def test_schedules_are_listed_paused_and_resumed(full):
    eventually(lambda: full.look(lambda app: drive(app.store.schedules())), "the worker makes it known")
    (row,) = full("schedules", "-o", "json").json
    assert (row["name"], row["cron"], row["tz"], row["paused"]) == ("yearly", "0 0 1 1 *", "Europe/Vienna", False)
    assert "in " in full("schedules", "list").out.splitlines()[1]
    assert full("schedules", "pause", "yearly", "-o", "json").json == [{"name": "yearly", "paused": True}]
    assert full("schedules").out.splitlines()[1].split()[:2] == ["yearly", "paused"]
    assert full("schedules", "resume", "yearly").out.splitlines()[1].split() == ["yearly", "on"]
    assert "no schedule 'daily': there is yearly" in full("schedules", "pause", "daily", code=2).complaint


def test_a_schedule_that_the_code_no_longer_has_is_removed(full):
    old = Schedule(
        name="old", cron="0 0 1 1 *", tz="UTC", message=Message(id="", queue="default", task="gone"), next=4e9
    )
    full.look(lambda app: drive(app.store.put_schedules([old])))
    assert full("schedules", "remove", "old", "-o", "json").json == [{"name": "old", "state": "removed"}]
    assert [row["name"] for row in full("schedules", "-o", "json").json] == ["yearly"]
    assert "no schedule 'old'" in full("schedules", "remove", "old", code=2).complaint


def test_workers_are_listed_and_healthy(full):
    rows = full("workers", "-o", "json").json
    assert len(rows) == 2
    assert {(row["concurrency"], row["state"]) for row in rows} == {(20, "running")}
    assert {tuple(sorted(row["queues"])) for row in rows} == {("clicks", "default", "slow")}
    assert full("workers").out.count("running") == 2
    healthy = full("healthcheck", "-o", "json").json
    assert (healthy["healthy"], healthy["workers"]) == (True, 2)
    assert full("healthcheck", "--max-age", "60s").out.startswith("healthy: 2 worker(s)")
    assert full("healthcheck", "--max-age", "0", code=4).out.startswith("unhealthy: ")


def test_settings_are_shown_with_their_origin(full):
    (full.folder / "pyproject.toml").write_text('[tool.forebay]\nlease = "20s"\npoll = 0.5\n')
    try:
        rows = full("config", "show", "--origin", "-o", "json", FOREBAY_POLL="2s").json
        told = {row["name"]: (row["value"], row["origin"]) for row in rows}
        assert told["url"] == ("sqlite:///forebay.db", "Forebay(...)")
        assert told["lease"][0] == 20.0
        assert told["lease"][1].endswith("pyproject.toml [tool.forebay]")
        assert told["poll"] == (2.0, "environment FOREBAY_*")
        assert told["durability"] == ("full", "default")
    finally:
        (full.folder / "pyproject.toml").unlink()
    plain = full("config", "show", "-o", "json", "--url", "sqlite:///other.db").json
    assert plain["url"] == "sqlite:///other.db"
    assert "ORIGIN" not in full("config", "show").out
    assert "--url" in full("config", "show", "--origin", "--url", "sqlite:///other.db").out


def test_what_a_message_says_cannot_act_on_the_terminal(full):
    id_ = full("enqueue", "nobody", "--raw", '"\\u001b[2J\\u202eevil"', "-o", "json").rows[0]["id"]
    for words in (["messages"], ["messages", id_], ["messages", id_, "-o", "json"]):
        said = full(*words).out
        assert "evil" in said
        assert not any(c in said for c in "\x1b\u202e")
    full("cancel", id_)


def test_a_reader_that_leaves_is_no_error(full):
    with subprocess.Popen(
        [*COMMAND, "messages", "--limit", "50"], cwd=full.folder, env=full.env, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:  # fmt: skip
        assert process.stdout
        assert process.stderr
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait(60) == 0


def test_a_purge_of_a_queue_is_one_line_of_the_audit(shell):
    for number in range(3):
        shell.enqueue("greet", f"n{number}", *(("--delay", "1h") if number else ()))
    assert shell("purge", "default", "--yes", "-o", "json").json == {"purged": 3}
    (line,) = shell("audit", "-o", "json").json
    assert (line["verb"], line["target"], line["detail"]) == ("purge queue", "queue default", "count=3")
    shell.enqueue("greet", "later", "--delay", "1h")
    shell("purge", "default", "--state", "scheduled", "--yes")
    assert shell("audit", "-o", "json").json[0]["target"] == "queue default, state scheduled"


def test_a_task_or_a_key_is_paused_and_resumed(full):
    full("pause", "--task", "nap", "--reason", "broken")
    full("pause", "--key", "tenant-7")
    id_ = full.enqueue("nap", "0")
    assert "broken" in full("why", id_).out
    full("result", id_, "--wait", "500ms", code=1)
    assert full.state(id_) == "parked"
    full("resume", "--key", "tenant-7")
    full("resume", "--task", "nap")
    assert full("result", id_, "--wait", "100s").json == "rested"


def test_a_pause_for_a_time_says_so_and_ends_by_itself(full):
    assert full("pause", "slow", "--for", "90m", "--reason", "moving house").out == "slow: paused for 1h 30m\n"
    id_ = full.enqueue("nap", "0")
    assert "more: moving house" in full("queues", "slow").out
    assert "opens by itself in 1h" in full("why", id_).out
    assert full("audit", "-o", "json").json[0]["detail"] == "reason=moving house lasts=5400s"
    full("pause", "slow", "--for", "1s")  # the newest word counts
    assert full("result", id_, "--wait", "100s").json == "rested"


def test_a_pause_for_no_time_is_refused(shell):
    assert "--for is a time from now" in shell("pause", "default", "--for", "0", code=2).complaint


def test_a_worker_runs_on_the_loop_that_is_asked_for(shell, full):
    assert full("worker", "--loop", "asyncio", "--burst", "-Q", "clicks").out == ""
    assert "invalid value" in full("dev", "--loop", "trio", code=2).complaint


def test_a_dead_letter_whose_unique_key_is_taken_says_why_it_stays(full):
    full("enqueue", "boom", "again", "--unique", "once:1", "--wait", code=1)
    (dead,) = full("messages", "--state", "dead", "--unique", "once:1", "-o", "json").json
    live = full.enqueue("greet", "K", "--delay", "1h", "--unique", "once:1")
    answer = full("dead", "redrive", dead["id"], code=1)
    assert "redriven 0" in answer.out
    assert "stays dead, for its unique key once:1 is taken" in answer.err
    full("cancel", live)
    assert "redriven 1" in full("dead", "redrive", dead["id"]).out
