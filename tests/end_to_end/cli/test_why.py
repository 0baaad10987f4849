"""`why`, `audit` and the verbs for many: an operator sees what holds something up, acts, and it stands who did what."""

import getpass

from end_to_end.cli.shell import eventually
from end_to_end.cli.terminal import on_terminal


def test_why_says_what_holds_a_message_or_a_queue_up(shell):
    id_ = shell.enqueue("greet", "A")
    none = "no worker serves queue default: none is running"
    start = "start one: `forebay worker -A app:app -Q default`, or see the log of one that hangs at its start"
    assert shell("why", id_).out == f"{none}\n  → {start}\n"
    assert shell("why", "default", "-o", "json").json == [{"code": "no-worker", "text": none, "advice": start}]
    assert f"waits     {none}" in shell("messages", id_).out
    shell("pause", "default", "--reason", "holidays")
    with shell.worker():
        said = shell("why", id_[-8:]).out
        assert f"by {getpass.getuser()}@" in said
        assert ": holidays\n  → `forebay resume default` when it may go on" in said
        shell("resume", "default")
        eventually(lambda: shell.state(id_) == "done")
        assert shell("why", id_).out.startswith("done ")
        assert shell("why", "default").out == "nothing waits on queue default\n"
    assert "nobody is no queue here (there is" in shell("why", "nobody", code=1).complaint
    assert "greet is a task, not a message: `forebay messages --task greet`" in shell("why", "greet", code=1).complaint


def test_why_of_a_schedule_says_who_paused_it_and_what_its_last_tick_made(shell):
    shell("schedules", "add", "yearly2", "greet", '"A"', "--cron", "@yearly")
    assert shell("why", "yearly2").out.startswith("schedule yearly2 fires in ")
    shell("schedules", "pause", "yearly2")
    paused, last = shell("why", "yearly2", "-o", "json").json
    assert paused["text"].startswith(f"schedule yearly2 has been paused by {getpass.getuser()}@")
    assert (paused["advice"], last["text"]) == ("`forebay schedules resume yearly2` to go on", "it has not fired yet")


def test_waiting_in_vain_is_told_with_the_reason(shell):
    answer = shell("enqueue", "greet", "A", "--wait", "--timeout", "3s", code=1)
    assert "waits: no worker serves queue default: none is running → start one" in answer.err
    assert "is still ready after 3 s" in answer.err


def test_what_operators_do_is_kept_with_who_and_what_and_how_many(shell):
    shell.enqueue("nap", "0", "--key", "k")
    shell("pause", "slow", "--reason", "holidays")
    shell("resume", "slow")
    assert shell("cancel", "--queue", "slow", "--task", "nap", "--key", "k", "--yes").out == "cancelled 1\n"
    shell("dead", "redrive", "--task", "boom", "--key", "k")
    shell("dead", "purge", "--task", "boom", "--key", "k", "--yes")
    shell("dead", "purge", "--queue", "slow", "--all", "--yes", code=2)
    lines = shell("audit", "--limit", "5", "-o", "json").json
    assert [(line["verb"], line["target"], line["detail"]) for line in lines] == [
        ("purge", "task boom, key k", "count=0"),
        ("redrive", "task boom, key k", "count=0"),
        ("cancel", "queue slow, task nap, key k", "count=1"),
        ("resume", "slow", ""),
        ("pause", "slow", "reason=holidays"),
    ]
    assert all(line["actor"].startswith(f"{getpass.getuser()}@") for line in lines)
    assert [line["verb"] for line in shell("audit", "--before", str(lines[-2]["seq"]), "-o", "json").json] == ["pause"]
    assert "reason=holidays" in shell("audit").out


def test_what_waits_on_a_queue_is_purged_by_task_key_and_state(shell):
    kept = shell.enqueue("greet", "A", "--key", "other")
    for number in range(3):
        shell.enqueue("greet", f"number {number}", "--key", "k")
    later = shell.enqueue("greet", "later", "--key", "k", "--delay", "1h")
    assert "add --yes" in shell("purge", "default", code=2).complaint
    with on_terminal(shell, "purge", "default", "--task", "greet", "--key", "k", "--state", "ready") as purge:
        purge.until("[y/N]")
        purge.type("y\n")
        assert purge.ended() == 0
        assert "purged 3" in purge.text
    assert (shell.state(kept), shell.state(later)) == ("ready", "scheduled")
    assert shell("purge", "default", "--key", "k", "--yes", "-o", "json").json == {"purged": 1}
    assert "no queue 'nobody'" in shell("purge", "nobody", "--yes", code=2).complaint


def test_schedules_are_added_and_run_by_hand(shell):
    added = shell(
        "schedules", "add", "nightly", "greet", "bob", "--cron", "@daily", "--tz", "Europe/Vienna", "--missed", "all"
    )
    assert added.out.startswith("nightly: greet @daily, next in ")
    shell("schedules", "add", "often", "greet", "eve", "--every", "30s", "--overlap", "skip")
    rows = {row["name"]: row for row in shell("schedules", "-o", "json").json}
    assert (rows["nightly"]["missed"], rows["nightly"]["overlap"]) == ("all", "allow")
    assert (rows["often"]["cron"], rows["often"]["overlap"]) == ("every 30s", "skip")
    both = ["--missed", "all", "--overlap", "queue"]
    refused = shell("schedules", "add", "bad", "greet", "x", "--cron", "@daily", *both, code=2).complaint
    assert "--missed all has no effect beside --overlap queue" in refused
    (run,) = shell("schedules", "run", "nightly", "-o", "json").json
    assert shell("messages", run["id"], "-o", "json").json["body"] == {"name": "bob", "loud": False}
    assert "no schedule 'nobody'" in shell("schedules", "run", "nobody", code=2).complaint
    assert "is not usable" in shell("schedules", "add", "bad", "greet", "x", "--cron", "every day", code=2).complaint
    assert (
        "not known"
        in shell("schedules", "add", "bad", "greet", "x", "--cron", "@daily", "--tz", "Mars", code=2).complaint
    )
