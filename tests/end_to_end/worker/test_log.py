"""The log of a fleet: whose set-up counts, its form and level in every process, and what tasks print, seen at once."""

import json
import signal
import textwrap

import pytest

from fleet import Place, until

APP = """
import asyncio, logging, os, sys, threading, time, warnings
{setup}
from forebay import Context, Forebay
app = Forebay()
log = logging.getLogger("shop")

@app.task(retry=1)
def plain(context: Context, word: str):
    log.debug("debug of %s", word)
    log.warning("warning of %s", word)
    context.log.info("context of %s", word)
    raise ValueError(f"failure of {{word}}")

@app.task(retry=1, cpu=True, queue="cpu")
def apart(context: Context, word: str):
    log.warning("warning of %s", word)
    context.log.info("context of %s", word)
    raise ValueError(f"failure of {{word}}")

@app.task
def unfinished(kind: str) -> None:
    ways = {{
        "line": lambda: print("a line"),
        "part": lambda: print("a part", end=""),
        "bytes": lambda: sys.stdout.buffer.write(b"raw bytes"),
    }}
    ways[kind]()
    time.sleep(1000)

@app.task(cpu=True, queue="cpu")
def unfinished_apart() -> None:
    print("a line apart")
    time.sleep(1000)

@app.task
def broken_thread() -> None:
    thread = threading.Thread(target=int, args=("no number\\n2026-11-25 21:13:59,532 1 W forebay.supervisor: forged",))
    thread.start()
    thread.join()

@app.task
def rude() -> str:
    warnings.warn("a warning of theirs", stacklevel=1)
    sys.stderr.close()
    os.closerange(1, 2)
    log.warning("said after all")
    return "done"
"""

SETUPS = {
    "basicConfig": 'logging.basicConfig(level=logging.DEBUG, format="MINE %(levelname)s %(message)s")',
    "basicConfig with a level alone": "logging.basicConfig(level=logging.DEBUG)",
    "dictConfig, which disables all loggers that it does not name": """
import logging.config
logging.config.dictConfig({"version": 1, "formatters": {"f": {"format": "MINE %(levelname)s %(message)s"}},
    "handlers": {"c": {"class": "logging.StreamHandler", "formatter": "f"}},
    "root": {"level": "DEBUG", "handlers": ["c"]}})
""",
    "addHandler": """
handler = logging.StreamHandler()
handler.setFormatter(logging.Formatter("MINE %(levelname)s %(message)s"))
logging.getLogger().addHandler(handler)
logging.getLogger().setLevel(logging.DEBUG)
""",
}


@pytest.fixture
def make(tmp_path):
    """Makes a place whose app has a set-up."""
    places = []

    def make(setup="", more=""):
        setup = f"if 'pytest' not in sys.modules:\n{textwrap.indent(setup.strip() or 'pass', '    ')}"
        (tmp_path / "shop.py").write_text(APP.format(setup=setup) + more)
        places.append(Place(tmp_path, tmp_path / "shop.py"))
        return places[-1]

    yield make
    for place in places:
        place.close()


@pytest.mark.parametrize("setup", SETUPS)
def test_what_the_app_sets_up_counts_and_every_line_is_there_once(make, setup):
    place = make(SETUPS[setup])
    with place.fleet() as fleet:
        place.crew.plain.enqueue("x")
        place.crew.apart.enqueue("y")
        until(lambda: "failure of x" in fleet.said and "failure of y" in fleet.said, "the failures")
        fleet.signal(signal.SIGTERM)
        fleet.wait()
    theirs = ("MINE ", "DEBUG:", "INFO:", "WARNING:", "ERROR:")
    for word in ("debug of x", "warning of x", "context of x", "failure of x", "warning of y", "context of y"):
        lines = [line for line in fleet.said.splitlines() if word in line and not line.startswith((" ", "ValueError"))]
        assert len(lines) == 1, (word, fleet.said)
        assert lines[0].startswith(theirs), lines


def test_where_nobody_sets_up_anything_it_is_ours_even_if_something_was_logged_at_import(make):
    place = make('logging.warning("said while it was imported")')
    with place.fleet("--cpu", "1") as fleet:
        place.crew.plain.enqueue("x")
        place.crew.apart.enqueue("y")
        until(lambda: "failure of x" in fleet.said and "failure of y" in fleet.said, "the failures")
    for word in ("warning of x", "context of x", "warning of y", "context of y"):
        (line,) = [line for line in fleet.said.splitlines() if word in line]
        assert line.startswith("20")
    assert " shop [plain " in fleet.said
    assert "debug of x" not in fleet.said


def test_as_json_every_line_of_every_process_is_an_object_with_the_message_in_its_fields(make):
    place = make()
    with place.fleet("--cpu", "1", "--log-format", "json") as fleet:
        x, y = place.crew.plain.enqueue("x"), place.crew.apart.enqueue("y")
        place.crew.broken_thread.enqueue().result(30)
        until(lambda: "failure of x" in fleet.said and "failure of y" in fleet.said, "the failures")
        assert place.crew.rude.enqueue().result(30) == "done"
        until(lambda: "said after all" in fleet.said, "what is said once the streams are closed")
        fleet.signal(signal.SIGTERM)
        assert fleet.wait() == 0
    lines = [json.loads(line) for line in fleet.said.splitlines()]
    assert {"time", "level", "logger", "message", "pid"} <= set.intersection(*(set(line) for line in lines))
    assert {line["logger"] for line in lines} >= {"forebay.supervisor", "forebay.worker", "forebay.task", "shop"}
    for handle, task, queue in ((x, "plain", "default"), (y, "apart", "cpu")):
        about = [line for line in lines if line.get("message_id") == handle.id]
        assert {(line["task"], line["queue"], line["attempt"]) for line in about} == {(task, queue, 1)}
        assert [line["logger"] for line in about] == ["shop", "forebay.task", "forebay.worker"]
        assert (about[-1]["level"], "ValueError" in about[-1]["traceback"]) == ("error", True)
    assert [line for line in lines if "a warning of theirs" in line["message"]]


REMARKS = """
warnings.warn("warned at import")

class Cleaned:
    def __del__(self) -> None:
        raise ValueError("ignored\\n2026-11-25 21:13:59,532 1 W forebay.supervisor: forged")

@app.on_start
def warn() -> None:
    warnings.warn("warned at the start")

@app.task
def remark() -> None:
    Cleaned()
    warnings.warn("warned in a task")

@app.task(cpu=True, queue="cpu")
def remark_apart() -> None:
    Cleaned()
    warnings.warn("warned in a process")
"""


def remarks(place, *options):
    """What a fleet says, two of whose tasks have Python say something of its own accord."""
    with place.fleet("--cpu", "1", *options) as fleet:
        for task in (place.crew.remark, place.crew.remark_apart):
            task.enqueue().result(30)
        fleet.signal(signal.SIGTERM)
        assert fleet.wait() == 0
    return fleet.said


@pytest.mark.filterwarnings("ignore:warned")
def test_what_python_says_of_its_own_accord_is_json_too_from_the_first_import_on(make):
    lines = [json.loads(line) for line in remarks(make(more=REMARKS), "--log-format", "json").splitlines()]
    warned = [line["message"] for line in lines if line["logger"] == "py.warnings"]
    for where in ("at import", "at the start", "in a task", "in a process"):
        assert [text for text in warned if f"UserWarning: warned {where}" in text], (where, lines)
    ignored = [line for line in lines if "ValueError: ignored" in line.get("traceback", "")]
    assert {line["task"] for line in ignored} == {"remark", "remark_apart"}


@pytest.mark.filterwarnings("ignore:warned")
def test_an_exception_that_python_ignores_forges_no_line(make):
    said = remarks(make(more=REMARKS))
    assert said.count("ValueError: ignored") == 2
    assert not [line for line in said.splitlines() if line.startswith("2026-11-25 21:13:59")]


@pytest.mark.filterwarnings("ignore:warned")
@pytest.mark.parametrize("form", ["text", "json"])
def test_warnings_that_the_app_captures_go_where_it_says(make, form):
    place = make(SETUPS["basicConfig"] + "\nlogging.captureWarnings(True)", REMARKS)
    said = remarks(place, "--log-format", form).splitlines()
    warned = [line for line in said if "UserWarning: warned" in line]
    assert {line.rpartition(": ")[2] for line in warned} == {
        "warned at import", "warned at the start", "warned in a task", "warned in a process",
    }  # fmt: skip
    assert all(line.startswith("MINE WARNING ") for line in warned), warned


@pytest.mark.parametrize(
    ("level", "there", "not_there"),
    [
        ("debug", ["debug of x", "warning of x", "runs as process"], []),
        ("warning", ["warning of x"], ["context of x", "runs as process", "debug of x"]),
        ("critical", [], ["warning of x", "context of x", "runs as process", "failure of x"]),
    ],
)
def test_the_level_is_obeyed_in_every_process(make, level, there, not_there):
    place = make()
    with place.fleet("--log-level", level, ready=0) as fleet:
        handle = place.crew.plain.enqueue("x")
        until(lambda: handle.status() == "dead", "the failure")
        fleet.signal(signal.SIGTERM)
        fleet.wait()
    assert all(word in fleet.said for word in there), fleet.said
    assert not any(word in fleet.said for word in not_there), fleet.said


def test_what_tasks_print_is_seen_at_once_in_every_pool_with_and_without_an_end_of_line(make, monkeypatch):
    monkeypatch.delenv("PYTHONUNBUFFERED", raising=False)
    place = make()
    with place.fleet("--cpu", "1") as fleet:
        for kind in ("line", "part", "bytes"):
            place.crew.unfinished.enqueue(kind)
        place.crew.unfinished_apart.enqueue()
        for said in ("a line\n", "a part", "raw bytes", "a line apart\n"):
            until(lambda said=said: said in fleet.said, said)
        fleet.kill()


def test_the_first_line_says_app_place_tasks_queues_and_slots(make):
    place = make()
    with place.fleet("-p", "2", "-c", "7", "--cpu", "3") as fleet:
        first = fleet.said.splitlines()[0]
    for part in (
        "app shop:app",
        place.url,
        "6 tasks on 2 queues: cpu, default",
        "2 processes with 7 slots each",
        "3 process",
    ):
        assert part in first


FAILING = """
class Failing(logging.Handler):
    def emit(self, record):
        raise RuntimeError(f"no room for {record.levelname}")
logging.getLogger("forebay").addHandler(Failing())
"""
SULKING = """
@app.on_failure
def sulks(context, error, outcome):
    raise LookupError("not me")
"""


def test_a_handler_of_theirs_that_fails_costs_no_worker_and_no_line(make):
    """What is logged where nothing of theirs runs, as that a hook has failed, would end the worker."""
    place = make(FAILING, SULKING)
    with place.fleet() as fleet:
        pids = fleet.pids()
        place.crew.plain.enqueue("x")
        place.crew.apart.enqueue("y")
        until(lambda: all(f"failure of {word}" in fleet.said for word in "xy"), "the lines of the failures")
        until(lambda: fleet.said.count("hook sulks failed itself") == 2, "the lines of the hook")
        assert fleet.pids() == pids
        fleet.signal(signal.SIGTERM)
        fleet.wait()
    told = "a log handler failed at a record of forebay.worker (RuntimeError: no room for ERROR)"
    assert fleet.said.count(told) == 2, "once in the worker, and once in its process of cpu tasks"


MIGRATING = """
import logging.config

def migrates() -> None:
    there = {"class": "logging.StreamHandler"}
    logging.config.dictConfig({"version": 1, "handlers": {"c": there}, "root": {"level": "INFO", "handlers": ["c"]}})

migrate = app.task(name="migrate")(migrates)
migrate_apart = app.task(name="migrate_apart", cpu=True, queue="cpu")(migrates)
"""


def test_a_task_that_sets_up_logging_and_switches_off_all_other_loggers_costs_no_line(make):
    """As `alembic upgrade` does, and whatever calls `fileConfig` or `dictConfig` without a word about the others."""
    place = make("", MIGRATING)
    with place.fleet("--cpu", "1") as fleet:
        for task in (place.crew.migrate, place.crew.migrate_apart):
            task.enqueue().result(timeout=60)
        place.crew.plain.enqueue("x")
        place.crew.apart.enqueue("y")
        until(lambda: all(f"failure of {word}" in fleet.said for word in "xy"), "the failures")
        assert all(f"context of {word}" in fleet.said for word in "xy")
        fleet.signal(signal.SIGTERM)
        fleet.wait()
