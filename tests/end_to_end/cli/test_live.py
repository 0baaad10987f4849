"""`top` and `tail`: what happens, while it happens, on a terminal and in a pipe."""

import json
import shlex
import signal
import sys

import pytest

from end_to_end.cli.shell import COMMAND, eventually
from end_to_end.cli.terminal import on_terminal

#: A shell with job control, which asks for a terminal of its own.
SHELL = """
import fcntl, os, termios
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
os.execvp("bash", ["bash", "--norc", "--noprofile", "-i"])
"""


def test_top_is_a_live_screen_that_q_ends(world):
    with on_terminal(world, "top", "--interval", "200ms") as top:
        top.until("QUEUE")
        top.until("workers 2")
        world("enqueue", "top-queue", "--raw", "1", "2")
        top.until("top-queue")
        top.until("next on schedule: yearly in ")
        top.type("q")
        assert top.ended() == 0
        assert top.raw.startswith("\x1b[?1049h")
        assert top.raw.rstrip().endswith("\x1b[?1049l")  # the screen is given back as it was


def test_top_fits_its_terminal_and_shows_the_busiest(world):
    for number in range(12):
        world.look(lambda app, n=number: [app.publish(f"many{n:02}", value) for value in range(n + 1)])
    with on_terminal(world, "top", rows=16, columns=60) as top:
        top.until("more queues, less busy")
        assert "many11" in top.text
        assert "many00" not in top.text
        top.process.send_signal(signal.SIGINT)
        assert top.ended() == 130
    assert "Traceback" not in top.text


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_top_gives_the_terminal_back_whatever_ends_it(world, number):
    with on_terminal(world, "top", "--interval", "200ms") as top:
        top.until("every 200ms")
        eventually(lambda: not top.whole_lines, "keys without Enter")
        top.process.send_signal(number)
        assert top.ended() in (-number, 128 + number)
        assert top.raw.rindex("\x1b[?1049l") > top.raw.rindex("\x1b[?1049h")
        assert top.raw.rindex("\x1b[?25h") > top.raw.rindex("\x1b[?25l")
        assert top.whole_lines


def test_top_gives_the_terminal_back_while_it_is_stopped(world):
    """In a shell: Ctrl-Z, a command, `fg`, and q still ends it."""
    with on_terminal(world, command=[sys.executable, "-c", SHELL], PS1="$ ") as bash:
        bash.until("$ ")
        bash.type(f"{shlex.join(COMMAND)} top --interval 200ms; echo over $?\n")
        bash.until("every 200ms")
        bash.type("\x1a")
        bash.until("Stopped")
        seen = bash.raw.index("Stopped")
        assert bash.raw.rindex("\x1b[?1049l", 0, seen) > bash.raw.rindex("\x1b[?1049h", 0, seen)
        bash.type("fg\n")
        eventually(lambda: "every 200ms" in bash.raw[seen:], "the screen is back")
        bash.type("kxq")  # other keys beside it, at once
        bash.until("$ ")
        eventually(lambda: bash.raw.count("\x1b[?1049l") == bash.raw.count("\x1b[?1049h") == 2, "both given back")
        bash.type("exit\n")
        bash.ended()


def test_top_in_a_pipe_is_tables_or_objects(world):
    plain = world("top", "--count", "2", "--interval", "100ms").out
    assert plain.count("QUEUE  ") == 2
    assert "\x1b" not in plain
    first, second = world("top", "--count", "2", "--interval", "0.1", "-o", "ndjson").rows
    assert {row["queue"] for row in first["queues"]} >= {"clicks", "default", "slow"}
    assert (first["queues"][0]["rates"], len(first["workers"])) == (None, 2)
    assert second["at"] > first["at"]
    world("enqueue", "greet", "A", "--wait")
    with world.start("top", "--interval", "2s", "-o", "json") as top:
        top.ended()
    (queue,) = (row for row in json.loads("\n".join(top.out))["queues"] if row["queue"] == "default")
    assert set(queue["rates"]) == {"queue", "published", "done", "retried", "died"}
    assert queue["workers"] == 2


def test_tail_shows_messages_as_they_come_and_end(world):
    with world.start("tail", "-n", "0", "-Q", "default,slow", "-o", "ndjson") as tail:
        # the first message that is seen says that the tail has begun
        eventually(lambda: world.enqueue("greet", "early") and tail.said, "the first line")
        late = world.enqueue("greet", "late", "--delay", "1h")
        boom = world.enqueue("boom", "gone")
        other = world("enqueue", "elsewhere", "--raw", "1", "-o", "json").rows[0]["id"]
        tail.until(late)
        tail.until('"event":"dead"')
        world("cancel", late)
        tail.until('"event":"cancelled"')
        tail.end(signal.SIGINT)
    rows = [json.loads(line) for line in tail.out]
    assert [row["event"] for row in rows if row["id"] == late] == ["accepted", "cancelled"]
    (died,) = (row for row in rows if row["id"] == boom and row["event"] == "dead")
    assert died["failure"]["message"] == "gone"
    assert other not in tail.said
    keys = [(row["id"], row["event"]) for row in rows]
    assert len(keys) == len(set(keys))


def test_tail_begins_with_the_last_and_can_be_counted(world):
    for name in ("one", "two", "three"):
        world("enqueue", "greet", name, "--wait")
    lines = world("tail", "--lines", "3", "--count", "3", "--task", "greet", "--queues", "default").out.splitlines()
    assert [line.split()[-1].strip('"') for line in lines] == ["one", "two", "three"]
    assert all(line.split()[1] == "done" for line in lines)


def test_tail_on_a_terminal_has_colour_unless_it_is_not_wanted(world):
    world("enqueue", "greet", "A", "--wait")
    with on_terminal(world, "tail", "-n", "1", "--count", "1") as tail:
        assert tail.ended() == 0
    assert "\x1b[32m" in tail.raw
    with on_terminal(world, "tail", "-n", "1", "--count", "1", NO_COLOR="1") as tail:
        assert tail.ended() == 0
    assert "\x1b" not in tail.raw


def test_a_purge_asks_on_a_terminal(world):
    dead = world.enqueue("boom")
    eventually(lambda: world.state(dead) == "dead")
    with on_terminal(world, "dead", "purge", dead) as purge:
        purge.until("Discard 1 dead letter for good? [y/N]")
        purge.type("n\n")
        assert purge.ended() == 130
    assert world.state(dead) == "dead"
    with on_terminal(world, "dead", "purge", dead) as purge:
        purge.until("[y/N]")
        purge.type("y\n")
        assert purge.ended() == 0
    assert world.state(dead) == "discarded"
