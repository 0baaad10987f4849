"""A worker process is a Python as people know it: flags, names of files, what an app does at import, how it ends."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import starts
from fleet import DEADLINE, until
from forebay import Forebay

APP = """
{first}
import os, sys, threading, time
from forebay import Forebay
app = Forebay()
{last}

@app.task
def flags() -> list:
    return [sys.flags.optimize, sys.flags.dev_mode, sys.warnoptions, sys.flags.utf8_mode]

@app.task(cpu=True, queue="cpu")
def flags_apart() -> list:
    return [sys.flags.optimize, sys.flags.dev_mode]

@app.task
def here() -> str:
    return os.getcwd()

@app.task
def leave_something(kind: str) -> str:
    import asyncio, atexit, multiprocessing
    if kind == "thread":
        threading.Thread(target=time.sleep, args=(1000,)).start()
    elif kind == "handler":
        atexit.register(time.sleep, 1000)
    elif kind == "failing handler":
        atexit.register(int, "no number")
    elif kind == "process":
        multiprocessing.get_context("spawn").Process(target=time.sleep, args=(1000,)).start()
    elif kind == "note":
        atexit.register(lambda: print("its exit handler ran"))
    return kind

@app.task
async def leave_in_the_loop(kind: str) -> str:
    import asyncio
    async def stubborn():
        while True:
            try:
                await asyncio.sleep(1000)
            except asyncio.CancelledError:
                print("cancelled", flush=True)
    if kind == "task":
        asyncio.get_running_loop().kept = asyncio.create_task(stubborn())
    else:
        asyncio.get_running_loop().run_in_executor(None, time.sleep, 1000)
    await asyncio.sleep(0.01)
    return kind
"""


FOREBAY = (str(Path(sys.executable).parent / "forebay"),)
#: For what is about worker processes, each of which is a new Python, and not about their supervisor: it is forked.
FORKED = ()


class Started:
    """`forebay worker` in a folder of its own, started in any way."""

    def __init__(self, folder, start=FOREBAY, *, options=(), first="", last="", name="jobs"):
        folder.mkdir(exist_ok=True)
        (folder / f"{name}.py").write_text(APP.format(first=first, last=last))
        self.url, self.log = f"sqlite:///{folder}/queue.db", folder / "log"
        environment = {**os.environ, "FOREBAY_URL": self.url}
        for unwanted in ("PYTHONUNBUFFERED", "PYTHONWARNINGS", "PYTHONPATH"):
            environment.pop(unwanted, None)
        words = ["worker", "-A", name, "--cpu", "1", *options]
        with self.log.open("wb") as log, Path(os.devnull).open() as nothing:
            streams = nothing.fileno(), log.fileno(), log.fileno()
            if start is FORKED:
                self.process = starts.Started(words, streams, folder, environment, session=True)
            else:
                self.process = subprocess.Popen(
                    [*start, *words], cwd=folder, env=environment, stdin=nothing, stdout=log, stderr=log,
                    start_new_session=True,
                )  # fmt: skip

    @property
    def said(self):
        return self.log.read_text("utf-8", "replace")

    def up(self):
        def is_up():
            assert self.process.poll() is None, self.said
            return "runs as process" in self.said

        until(is_up, "the worker")
        return self

    def run(self, task, *args):
        """The result of a task, enqueued by its name."""
        with Forebay(self.url) as app:
            stub = app.task(name=task, queue="cpu" if task.endswith("_apart") else "default")
            return stub(_with_kind if args else _without).enqueue(*args).result(DEADLINE)

    def end(self, deadline=DEADLINE):
        if self.process.poll() is None:
            self.process.terminate()
        return self.process.wait(deadline)

    def kill(self):
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(5)
            except subprocess.TimeoutExpired:
                self.process.kill()
        self.process.wait()


def _with_kind(kind: str): ...


def _without(): ...


@pytest.fixture
def start(tmp_path):
    started = []

    def start(*args, **options):
        started.append(Started(tmp_path / "place", *args, **options))
        return started[-1]

    yield start
    for one in started:
        one.kill()


def test_the_flags_of_the_interpreter_reach_tasks_in_every_pool(start):
    flags = ["-O", "-X", "dev", "-X", "utf8", "-W", "ignore::UserWarning"]
    worker = start([sys.executable, *flags, "-m", "forebay"]).up()
    optimize, dev, warnings, utf8 = worker.run("flags")
    assert (optimize, dev, utf8) == (1, True, 1)
    assert "ignore::UserWarning" in warnings
    assert worker.run("flags_apart") == [1, True]


def test_a_file_with_the_name_of_a_module_that_we_import_does_not_stand_in_for_it(start, tmp_path):
    """Whichever is imported ends the worker, and says which it was."""
    (tmp_path / "place").mkdir()
    for name in ("types", "select", "queue", "logging", "uvloop", "msgspec", "redis", "forebay"):
        (tmp_path / "place" / f"{name}.py").write_text(f"raise RuntimeError('the wrong {name}')\n")
    worker = start().up()
    assert worker.run("flags")
    assert worker.run("flags_apart")
    assert worker.end() == 0


@pytest.mark.parametrize("name", ["queue", "logging"])
def test_an_app_in_a_file_of_such_a_name_is_told_in_one_line(tmp_path, name):
    (tmp_path / f"{name}.py").write_text("from forebay import Forebay\napp = Forebay()\n")
    command = [sys.executable, "-P", "-m", "forebay", "worker", "-A", name]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, len(done.stderr.splitlines())) == (2, 1), done.stderr
    assert f"{name}.py" in done.stderr
    assert "another name" in done.stderr


#: What has to do with the loop and with the streams, each by itself; the rest goes together.
AT_IMPORT = {
    "asyncio.run": "import asyncio; asyncio.run(asyncio.sleep(0))",
    "a loop that it asked for": "import asyncio; loop = asyncio.get_event_loop(); lock = asyncio.Lock()",
    "a loop in a thread": """
import asyncio
threading.Thread(target=asyncio.new_event_loop().run_forever, daemon=True).start()
""",
    "handlers of signals, another folder, a mask for new files, its own hooks": """
import signal
for number in (2, 15):
    signal.signal(number, signal.SIG_IGN)
os.makedirs("elsewhere", exist_ok=True)
os.chdir("elsewhere")
os.umask(0o777)
sys.excepthook = threading.excepthook = lambda *_: None
""",
    "closed streams": "sys.stdin.close(); sys.stdout.close(); sys.stderr.close()",
    "no streams": "sys.stdin = sys.stdout = sys.stderr = None",
    "a switch of the loop's policy": "import asyncio; asyncio.set_event_loop_policy(asyncio.DefaultEventLoopPolicy())",
}


@pytest.mark.parametrize("what", AT_IMPORT)
def test_what_an_app_does_at_import_harms_neither_it_nor_its_worker(start, what):
    worker = start(FORKED, last=AT_IMPORT[what]).up()
    assert worker.run("flags")
    assert worker.run("flags_apart")
    assert worker.end() == 0


def test_a_relative_place_is_that_of_the_app_wherever_it_goes(start, tmp_path):
    """The supervisor, which imports nothing of the app, has to look after the very same file."""
    last = "os.makedirs('elsewhere', exist_ok=True); os.chdir('elsewhere')"
    worker = start(FORKED, options=["--url", "sqlite:///relative.db"], last=last).up()
    (file,) = (tmp_path / "place").rglob("relative.db")
    assert str(file) in worker.said.splitlines()[0]
    worker.url = f"sqlite:///{file}"
    assert worker.run("here") == str(tmp_path / "place" / "elsewhere")


@pytest.mark.parametrize("closed", ["0<&-", "1>&-", "2>&-", "0<&- 1>&- 2>&-"])
def test_a_worker_without_standard_streams_works(start, closed):
    worker = start(["sh", "-c", f'exec "$@" {closed}', "sh", *FOREBAY])
    assert worker.run("flags")
    assert worker.run("flags_apart")
    assert worker.end() == 0


@pytest.mark.parametrize("kind", ["thread", "handler", "failing handler", "process"])
def test_a_process_that_was_told_to_leave_is_gone_within_seconds_whatever_its_exit_waits_for(start, kind):
    worker = start(FORKED).up()
    assert worker.run("leave_something", kind) == kind
    assert worker.end() == 0
    assert "does not leave" not in worker.said, "its parent had to end it"


@pytest.mark.parametrize("kind", ["task", "executor"])
def test_what_a_task_has_left_in_the_loop_does_not_keep_it(start, kind):
    worker = start(FORKED).up()
    assert worker.run("leave_in_the_loop", kind) == kind
    assert worker.end() == 0
    assert "does not leave" not in worker.said, "its parent had to end it"


def test_exit_handlers_of_the_app_are_run(start):
    worker = start(FORKED).up()
    worker.run("leave_something", "note")
    assert worker.end() == 0
    assert "its exit handler ran" in worker.said


@pytest.mark.parametrize("code", ["os._exit(0)", "os._exit(7)", "sys.exit(0)"])
def test_an_app_that_ends_the_process_at_import_is_no_reason_to_go_round_for_ever(start, code):
    worker = start(FORKED, first="import os, sys", last=code)
    assert worker.process.wait(DEADLINE) == 2
    assert re.search("ended with code [07] before it could say why|SystemExit", worker.said)
