"""`worker` and `healthcheck`: how messages are run, and how a worker is told to stop."""

import os
import signal

from end_to_end.cli.shell import PATIENCE, eventually, sqlite
from forebay.engine.waiting import drive


def pids(shell, task: str, count: int) -> set[int]:
    """The processes that ran `count` messages of a task which answers with its process."""
    ids = [shell.enqueue(task) for _ in range(count)]
    return {shell.look(lambda app, id_=id_: app.handle(id_).result(PATIENCE)) for id_ in ids}


def test_without_a_worker_a_host_is_unhealthy(shell):
    assert "no such file" in shell("healthcheck", code=3).complaint
    shell("migrate")
    assert shell("healthcheck", code=4).out.startswith("unhealthy: no worker on ")
    assert shell("healthcheck", "-o", "json", code=4).json["healthy"] is False
    for looking in (["workers"], ["top", "--count", "1"]):
        assert "no workers: start one with `forebay worker -A app:app`" in shell(*looking).out


def test_a_worker_serves_the_queues_it_is_told(shell):
    nap, greet = shell.enqueue("nap", "0"), shell.enqueue("greet", "World")
    with shell.worker("-A", "app:app", "-Q", "slow,clicks", "-c", "3", "--no-schedules"):
        assert shell("result", nap, "--wait", "100s").json == "rested"
        (row,) = shell("workers", "-o", "json").json
        assert (sorted(row["queues"]), row["concurrency"]) == (["clicks", "slow"], 3)
        assert shell.state(greet) == "ready"
    assert shell.state(greet) == "ready"


def test_schedules_fire_from_workers_that_may(shell):
    with shell.worker():
        eventually(lambda: shell.look(lambda app: drive(app.store.schedules())))
    with sqlite(shell.folder / "forebay.db") as db:
        db.execute("update schedule set next = next - 366 * 86400")

    def last() -> float | None:
        return shell.look(lambda app: drive(app.store.schedules()))[0].last

    with shell.worker("--no-schedules"):
        assert shell("enqueue", "greet", "A", "--wait", "--timeout", "100s").json == "hello A"
        assert last() is None
    with shell.worker():
        assert eventually(last)
    assert shell.depth("default").published == 2


def test_the_app_may_stand_in_front_or_in_the_environment(shell):
    id_ = shell("-A", "app:app", "-o", "json", "enqueue", "greet", "A", FOREBAY_APP="").json["id"]
    with shell.start("worker", "--concurrency", "1", FOREBAY_APP="app:app") as worker:
        assert shell("result", id_, "--wait", "100s", FOREBAY_APP="").json == "hello A"
        assert worker.end() == 0


def test_an_address_in_the_environment_is_stronger_than_the_app(shell):
    url = f"sqlite:///{shell.folder}/elsewhere.db"
    with shell.start("worker", FOREBAY_URL=url):
        id_ = shell("enqueue", "greet", "B", "-o", "json", FOREBAY_URL=url).json["id"]
        assert shell("result", id_, "--wait", "100s", "--url", url, FOREBAY_APP="").json == "hello B"
    assert not (shell.folder / "forebay.db").exists()


def test_told_to_end_it_lets_running_tasks_end(shell):
    with shell.worker("--drain", "60s") as worker:
        mark = shell.folder / "started"
        nap = shell.enqueue("nap", "2", str(mark))
        eventually(mark.exists)
        assert worker.end(signal.SIGTERM) == 0
    assert shell("result", nap).json == "rested"
    assert shell("workers", "-o", "json").json == []


def test_told_twice_it_hands_back_what_still_runs(shell):
    with shell.worker("--drain", "600s") as worker:
        mark = shell.folder / "started"
        nap = shell.enqueue("nap", "600", str(mark))
        eventually(mark.exists)
        worker.process.send_signal(signal.SIGINT)
        eventually(lambda: shell.alive()[0].state != "running", "draining")
        assert worker.end(signal.SIGINT) == 0
    found = shell("messages", nap, "-o", "json").json
    assert (found["state"], found["attempt"]) == ("ready", 0)


def test_quit_prints_stacks_and_goes_on(shell):
    with shell.worker() as worker:
        worker.process.send_signal(signal.SIGQUIT)
        worker.until("Thread 0x")
        assert shell("enqueue", "greet", "still there", "--wait", "--timeout", "100s").json == "hello still there"


def test_a_killed_process_is_replaced_and_its_message_runs_again(shell):
    with shell.worker("-p", "2"):
        assert len(pids(shell, "process", 1)) == 1
        before = {row.pid for row in shell.alive()}
        mark = shell.folder / "started"
        done = shell.folder / "done"
        nap = shell.enqueue("rest_until", str(mark), str(done))
        victim = int(eventually(lambda: mark.exists() and mark.read_text()))
        assert victim in before
        os.kill(victim, signal.SIGKILL)
        done.touch()
        assert shell("result", nap, "--wait", "100s").json == "rested"
        assert shell("messages", nap, "-o", "json").json["attempt"] == 2
        now = eventually(lambda: len(rows := shell.alive()) == 2 and rows)
        assert victim not in {row.pid for row in now}


def test_a_process_is_replaced_after_so_many_tasks_or_so_much_memory(shell):
    with shell.worker("--max-tasks", "1"):
        assert len(pids(shell, "process", 3)) >= 2
    with shell.worker("--max-memory", "200MB", "--processes", "1"):
        before = {row.pid for row in shell.alive()}
        assert pids(shell, "hold", 1) == before
        eventually(lambda: (now := {row.pid for row in shell.alive()}) and not now & before, "another process")
        assert pids(shell, "process", 1).isdisjoint(before)


def test_cpu_tasks_run_in_processes_of_their_own(shell):
    with shell.worker("--cpu", "1"):
        parents = {row.pid for row in shell.alive()}
        assert not pids(shell, "whoami", 1) & parents


def test_an_app_that_cannot_be_imported_ends_it_with_the_place(shell):
    (shell.folder / "broken.py").write_text("import forebay\n\nforebay.nothing\n")
    refused = shell("worker", "-A", "broken:app", code=2)
    assert "broken.py:3: AttributeError" in refused.err
    (shell.folder / "wrong.py").write_text("def (\n")
    assert "wrong.py:1: SyntaxError" in shell("queues", "-A", "wrong:app", code=2).complaint


def test_traces_are_shown_to_whoever_debugs(shell):
    (shell.folder / "broken.py").write_text("1 / 0\n")
    for words, env in (
        (["queues", "-A", "broken", "--debug"], {}),
        (["queues", "-A", "broken"], {"FOREBAY_DEBUG": "1"}),
    ):
        with shell.start(*words, **env) as running:
            running.until("ZeroDivisionError: division by zero")
            running.ended()
            assert "Traceback (most recent call last):" in running.said


def test_an_engine_that_cannot_be_reached_is_exit_code_3(shell):
    (shell.folder / "text.db").write_text("this is no database, but a text of some length\n" * 20)
    for url, told in (
        ("sqlite:///nowhere.db", "nowhere.db: no such file: name the app with -A or the file with --url"),
        ("sqlite:///no/such/folder.db", "no such file"),
        ("sqlite:///text.db", "it is not a SQLite database"),
        (f"sqlite:///{'x' * 300}.db", "its path is too long: choose a shorter one"),
    ):
        assert told in shell("queues", "--url", url, code=3).complaint
    refused = shell("enqueue", "q", "--raw", "1", "--url", "sqlite:///no/such/folder.db", code=3)
    assert "there is no such folder: create it first" in refused.complaint
    assert "it is not a SQLite database" in shell("worker", code=3, FOREBAY_URL="sqlite:///text.db").err
    assert not (shell.folder / "nowhere.db").exists()
