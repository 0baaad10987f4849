"""Rows of the table of bad input: what a producer may ask for, and from where it may ask."""

import asyncio
import json
import math
import os
import subprocess
import sys
import threading
from datetime import UTC, datetime, timedelta

import pytest

from forebay import BadArguments, ConfigError, Forebay
from forebay.engine.waiting import drive

pytestmark = pytest.mark.usefixtures("pythons_forked")

LONG = "x" * 1_000_000
HALF = "half of a \ud83d"


@pytest.fixture(params=["memory://", "sqlite"])
def app(request, tmp_path):
    with Forebay(request.param if "://" in request.param else f"sqlite:///{tmp_path}/f.db") as app:

        @app.task
        def add(a: int, b: int) -> int:
            return a + b

        app.add = add
        yield app


@pytest.mark.parametrize(
    ("ways", "said"),
    [
        ({"queue": LONG}, "queue name"),
        ({"queue": "a b"}, "use 1 to 128 letters"),
        ({"queue": "a\0"}, "use 1 to 128 letters"),
        ({"queue": 7}, r"using\(\): queue is a str, not 7"),
        ({"key": LONG}, "key must have 1 to 512 characters"),
        ({"key": ""}, "key must have 1 to 512 characters"),
        ({"key": HALF}, "half of a surrogate pair"),
        ({"unique": LONG}, "unique must have 1 to 512 characters"),
        ({"unique": HALF}, "half of a surrogate pair"),
        ({"priority": 2**31}, "priority 2147483648 is out of range"),
        ({"priority": -(2**70)}, "priority|Integer"),
        ({"priority": 1.5}, "priority is an int, not 1.5"),
        ({"priority": True}, "priority is an int, not True"),
        ({"delay": math.inf}, "delay must be a finite number of seconds, 0 or more"),
        ({"delay": math.nan}, "delay must be a finite number"),
        ({"delay": -1}, "delay must be a finite number"),
        ({"delay": timedelta(days=-1)}, "delay must be a finite number"),
        ({"delay": "soon"}, "write seconds, or a number with ms, s, m, h or d"),
        ({"delay": [1]}, "must be seconds, a timedelta"),
        ({"expires": math.inf}, "expires must be a finite number"),
        ({"due": math.inf}, "due must be seconds since the epoch or an aware datetime"),
        ({"due": math.nan}, "due must be seconds since the epoch"),
        ({"due": datetime(2030, 1, 1)}, "due needs a time zone"),  # noqa: DTZ001 - what it is here for
        ({"due": "tomorrow"}, "due is seconds since the epoch or an aware datetime, not 'tomorrow'"),
        ({"headers": {"a": 1}}, "headers is a dict from str to str, not {'a': 1}"),
        ({"headers": {1: "a"}}, "headers is a dict from str to str, not {1: 'a'}"),
        ({"headers": [("a", "b")]}, "headers is a dict from str to str, not "),
        ({"headers": range(3)}, r"headers is a dict from str to str, not range\(0, 3\)"),
        ({"key": 5}, "key is a str, not 5"),
        ({"in_time": 1}, "in_time is True or False, not 1"),
        ({"headers": {"a": HALF}}, "half of a surrogate pair"),
        ({"headers": {"a": LONG}}, "headers of 1,000,001 characters are too long"),
        ({"no_such_way": 1}, "unknown option no_such_way: known are id, delay, due, .*, queue, in_transaction"),
    ],
)
def test_a_way_that_makes_no_sense_is_one_clear_error_and_nothing_is_sent(app, ways, said):
    with pytest.raises(ConfigError, match=said) as caught:
        app.add.using(**ways).enqueue(1, 2)
    assert len(str(caught.value)) < 1_000
    assert app.add.enqueue(1, 2).status() == "ready"
    assert sum(depth.ready for depth in drive(app.engine.depth())) == 1


@pytest.mark.parametrize("many", ["abc", "", b"ab", {"a": 1}, {}, 5, None, datetime(2030, 1, 1, tzinfo=UTC)])
def test_what_is_no_list_is_never_taken_apart_into_messages(app, many):
    with pytest.raises(BadArguments, match="publish_many: give it a list of values, one for each message; not "):
        app.publish_many("raw", many)
    with pytest.raises(BadArguments, match=r"task add: enqueue_many takes a list of calls, such as \[\(1,\), \(2,\)\]"):
        app.add.enqueue_many(many)
    assert sum(depth.ready for depth in drive(app.engine.depth())) == 0
    assert len(app.publish_many("raw", (n for n in range(3)))) == 3  # whatever can be gone through


def test_an_error_about_a_raw_message_names_the_call_that_was_made(app):
    with pytest.raises(ConfigError, match=r"publish\(\): unknown option queues: known are id, .*, in_transaction$"):
        app.publish("raw", 1, queues="x")
    with pytest.raises(ConfigError, match=r"publish\(\): key is a str, not 5"):
        app.publish("raw", 1, key=5)


def test_a_time_that_no_calendar_knows_is_waited_for(app):
    handle = app.add.using(due=3e16).enqueue(1, 2)  # the year 10^9
    assert handle.status() == "scheduled"
    assert app.add.using(delay=timedelta.max).enqueue(1, 2).status() == "scheduled"
    assert handle.find().due == 3e16


def test_two_functions_of_one_name_are_refused_when_the_second_is_declared(app):
    with pytest.raises(
        ConfigError, match=r"two tasks are named 'add' \(line \d+: .* and line \d+: .*\): give one another name"
    ):

        @app.task(name="add")
        def other(a: int) -> int:
            return a

    def made(app):
        @app.task
        def twice(a: int) -> int:
            return a

    made(app)
    made(app)  # the same one, imported again
    module = compile("@app.task\ndef first(): ...\n\n@app.task\ndef first(): ...\n", "module.py", "exec")
    with pytest.raises(ConfigError, match="two tasks are named 'first'"):
        exec(module, {"app": app, "__name__": "module"})  # a module with a slip in it


def test_an_app_that_was_closed_opens_again_when_it_is_used(tmp_path):
    app = Forebay(f"sqlite:///{tmp_path}/f.db")
    first = app.publish("q", 1)
    drive(app.close())
    second = app.publish("q", 2)
    assert (first.status(), second.status()) == ("ready", "ready")
    drive(app.close())


def test_threads_enqueue_while_a_loop_of_the_same_process_does(tmp_path):
    app = Forebay(f"sqlite:///{tmp_path}/f.db")

    async def both():
        threads = [threading.Thread(target=lambda: [app.publish("q", n) for n in range(20)]) for _ in range(4)]
        for thread in threads:
            thread.start()
        await asyncio.gather(*(app.apublish("q", n) for n in range(100)))
        app.publish("q", "and synchronously on the loop")
        await asyncio.gather(*(asyncio.to_thread(thread.join) for thread in threads))

    with app:
        asyncio.run(both())
        [depth] = drive(app.engine.depth(["q"]))
        assert depth.ready == 181


def run(tmp_path, code, *arguments):
    """A program of a user; what it printed, as JSON."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code, f"sqlite:///{tmp_path}/f.db", *arguments],
        capture_output=True, text=True, timeout=60, check=False, env={**os.environ},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


INTERRUPTED = """
import json, signal, sys, time
from forebay import Forebay
from forebay.engine.waiting import drive

app = Forebay(sys.argv[1])
sent, in_handler, in_a_call = 0, 0, 0

def handler(number, frame):
    global in_handler, in_a_call
    app.publish("q", "from the handler")
    in_handler += 1
    in_a_call += "forebay" in frame.f_code.co_filename
    signal.setitimer(signal.ITIMER_REAL, 0.0003)

app.publish("q", 0)
signal.signal(signal.SIGALRM, handler)
signal.setitimer(signal.ITIMER_REAL, 0.0003)
ends = time.monotonic() + 60
while time.monotonic() < ends and in_a_call < 50:
    app.publish("q", 1)
    sent += 1
signal.signal(signal.SIGALRM, signal.SIG_IGN)
[depth] = drive(app.engine.depth(["q"]))
print(json.dumps({"sent": sent + 1, "in_handler": in_handler, "in_a_call": in_a_call, "ready": depth.ready}))
"""


def test_a_signal_handler_may_enqueue_whatever_it_interrupts(tmp_path):
    told = run(tmp_path, INTERRUPTED)
    assert told["ready"] == told["sent"] + told["in_handler"]
    assert told["in_a_call"] >= 50, "it interrupted calls of the same thread, in the middle"


FORKED = """
import json, os, sys
from forebay import Forebay
from forebay.model.errors import EngineError
from forebay.engine.waiting import drive

when, app = sys.argv[2], Forebay(sys.argv[1])
if when != "unopened":
    app.publish("q", "before")
if when == "closed":
    drive(app.close())
pipes = []
for _ in range(2):
    read, write = os.pipe()
    if os.fork() == 0:
        try:
            app.publish("q", "from a child")
            said = "published"
        except EngineError as error:
            said = str(error)
        os.write(write, said.encode())
        os.close(write)
        sys.exit(0)  # with all that Python does at an end
    os.close(write)
    pipes.append(read)
said = [os.fdopen(read).read() for read in pipes]
codes = [os.wait()[1] for _ in pipes]
app.publish("q", "after")
[depth] = drive(app.engine.depth(["q"]))
print(json.dumps({"said": said, "codes": codes, "ready": depth.ready}))
"""


def test_an_app_that_was_opened_before_a_fork_refuses_to_work_in_the_children_and_works_on_in_the_parent(tmp_path):
    told = run(tmp_path, FORKED, "open")
    assert all("opened before the process forked" in said and "fork first" in said for said in told["said"])
    assert (told["codes"], told["ready"]) == ([0, 0], 2)


@pytest.mark.parametrize(("when", "ready"), [("unopened", 3), ("closed", 4)])
def test_an_app_that_is_not_open_at_a_fork_works_on_both_sides(tmp_path, when, ready):
    told = run(tmp_path, FORKED, when)
    assert told == {"said": ["published", "published"], "codes": [0, 0], "ready": ready}
