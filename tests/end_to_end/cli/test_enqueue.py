"""`enqueue`, `result`, `cancel`: from a shell into the queue and back, with two worker processes at work."""

import json

from end_to_end.cli.shell import eventually


def test_words_are_arguments_and_the_result_comes_back(world):
    done = world("enqueue", "greet", "World", "true", "--wait", "--timeout", "30s")
    assert done.out == '"HELLO World"\n'
    assert "waits on default" in done.err  # beside the result, so that a pipe has only that
    done = world("enqueue", "greet", "--args", '["World"]', "--kwargs", '{"loud": true}', "--wait", "-o", "json")
    assert done.json == "HELLO World"


def test_the_result_can_be_asked_for_later(world):
    id_ = world.enqueue("greet", "a@b.c")
    assert world("result", id_, "--wait", "100s").json == "hello a@b.c"
    shown = world("messages", id_)
    assert "state     done" in shown.out
    assert 'result    "hello a@b.c"' in shown.out or "result    hello a@b.c" in shown.out


def test_a_failure_is_exit_code_1_with_its_cause(world):
    failed = world("enqueue", "boom", "no luck", "--wait", code=1)
    assert "ValueError: no luck" in failed.err.splitlines()[-1]
    assert failed.out == ""
    assert "no message" in world("result", "0" * 32, code=1).complaint


def test_arguments_are_checked_before_anything_is_enqueued(world):
    assert "greet" in world("enqueue", "greet", "1", "2", "3", code=2).complaint
    assert "begins like JSON but is none" in world("enqueue", "greet", '{"a":', code=2).complaint
    assert "no task 'gret' in this app: it has boom, greet" in world("enqueue", "gret", code=2).complaint


def test_ways_to_wait_travel_with_the_message(world):
    id_ = world(
        *("enqueue", "greet", "Late", "--delay", "1h", "--priority", "7", "--key", "tenant-7", "--expires", "2h"),
        *("--header", "from=test", "--header", "by=me", "--queue", "elsewhere", "-o", "json"),
    ).json["id"]
    found = world("messages", id_, "-o", "json").json
    assert (found["state"], found["queue"], found["priority"], found["key"]) == (
        "scheduled",
        "elsewhere",
        7,
        "tenant-7",
    )
    assert found["body"] == {"name": "Late", "loud": False}
    assert (found["headers"]["from"], found["headers"]["by"]) == ("test", "me")
    assert 3500 < found["due"] - found["created"] < 3700
    assert 7100 < found["expires"] - found["created"] < 7300


def test_a_unique_key_makes_a_duplicate_of_the_first(world):
    first = world("enqueue", "greet", "A", "--unique", "only-one", "--delay", "1h", "-o", "json").json
    second = world("enqueue", "greet", "B", "--unique", "only-one", "-o", "json").json
    assert (first["duplicate"], second["duplicate"], second["id"]) == (False, True, first["id"])
    assert "is there already" in world("enqueue", "greet", "C", "--unique", "only-one").out


def test_an_id_of_ones_own_is_taken_once(world):
    assert world("enqueue", "greet", "A", "--id", "greet:1", "-o", "json").json["id"] == "greet:1"
    assert "greet:1 is there already" in world("enqueue", "greet", "B", "--id", "greet:1").out


def test_waiting_messages_are_cancelled_and_unknown_ones_reported(world):
    id_ = world.enqueue("greet", "Never", "--delay", "1h")
    assert world("cancel", id_).out.splitlines()[1].split() == [id_, "cancelled"]
    assert world.state(id_) == "cancelled"
    assert "cancelled" in world("result", id_, code=1).complaint
    unknown = world("cancel", "f" * 32, id_, "-o", "json", code=1).json
    assert unknown == [{"id": "f" * 32, "state": None}, {"id": id_, "state": "cancelled"}]


def test_running_messages_are_asked_to_stop(world):
    id_ = world.enqueue("nap", "300")
    eventually(lambda: world.state(id_) == "running")
    assert "asked to stop" in world("cancel", id_).out
    eventually(lambda: world.state(id_) == "cancelled")


def test_raw_messages_come_as_words_or_as_lines(world):
    assert len(world("enqueue", "clicks", "--raw", '{"page": "/"}', "plain").out.splitlines()) == 3
    lines = "\n".join(json.dumps({"n": number}) for number in range(2_500)) + "\n\n"
    assert world("enqueue", "clicks", "--raw", "-", stdin=lines).out == "published 2,500 to clicks\n"
    rows = world("enqueue", "clicks", "--raw", "-", "-o", "ndjson", stdin="1\n2\n").rows
    assert [sorted(row) for row in rows] == [["id", "queue"]] * 2
    file = world.folder / "clicks.txt"
    eventually(lambda: file.exists() and len(file.read_text().splitlines()) >= 2_504, "all clicks")
    assert set(file.read_text().splitlines()) >= {"{'page': '/'}", "plain", "{'n': 2499}", "1", "2"}


def test_a_bad_line_is_named(world):
    refused = world("enqueue", "clicks", "--raw", "-", stdin='{"a": 1}\n{"a":\n', code=2)
    assert refused.complaint.startswith("line 2 is not JSON")
    refused = world("enqueue", "clicks", "--raw", "-", stdin=b"\xff\xfe\n", code=2)
    assert refused.complaint.startswith("line 1 is not JSON")


def test_a_message_over_the_limit_is_refused(world):
    refused = world("enqueue", "greet", "x" * 5000, code=1, FOREBAY_PAYLOAD_LIMIT="4096")
    assert "over the limit of 4,096" in refused.complaint


def test_waiting_may_have_a_limit(world):
    late = world("enqueue", "greet", "Later", "--delay", "1h", "--wait", "--timeout", "100ms", code=1)
    assert late.err.splitlines()[-1].startswith("error: ")
    assert late.out == ""
