"""`dev`, `init`, `demo`: the first five minutes."""

import signal

from end_to_end.cli.shell import eventually
from end_to_end.cli.terminal import on_terminal
from forebay.engine.waiting import drive


def test_init_writes_an_app_that_works_and_never_overwrites(shell):
    folder = shell.folder
    (folder / "app.py").unlink()
    said = shell("init", FOREBAY_APP="").out
    assert said.startswith("wrote app.py; next:\n")
    assert "forebay dev -A app:app" in said
    id_ = shell.enqueue("greet", "World")
    with shell.worker():
        assert shell("result", id_, "--wait", "100s").json == "Hello, World!"
        assert shell("enqueue", "report", "2026", "--wait", "--timeout", "100s").json == {"year": 2026, "pages": 12}
    before = (folder / "app.py").read_text()
    assert "app.py exists and is left as it is" in shell("init", code=1).complaint
    assert (folder / "app.py").read_text() == before
    assert shell("init", "mine.py", "-o", "json").json == {"path": "mine.py", "app": "mine:app"}
    assert "cannot be written: No such file or directory" in shell("init", "no/such/app.py", code=1).complaint


def test_dev_starts_anew_when_a_file_changes(shell):
    app = shell.folder / "app.py"
    with shell.start("dev", "-Q", "default", "-c", "5", "--drain", "1s", "--no-schedules") as dev:
        assert shell("enqueue", "greet", "A", "--wait", "--timeout", "100s").json == "hello A"
        app.write_text(app.read_text().replace("hello {name}", "bonjour {name}"))
        dev.until("app.py changed, restarting")
        eventually(lambda: shell("enqueue", "greet", "B", "--wait", "--timeout", "100s").json == "bonjour B")
        app.write_text("def (\n")
        dev.until("the worker ended with 2; waiting for a change")
        dev.until("app.py:1: SyntaxError")
        assert dev.process.poll() is None
        assert dev.end(signal.SIGINT) in {0, 2}


def test_dev_watches_what_it_is_told(shell):
    parts = shell.folder / "parts"
    parts.mkdir()
    with shell.start("dev", "--watch", "parts") as dev:
        assert shell("enqueue", "greet", "A", "--wait", "--timeout", "100s").json == "hello A"
        (shell.folder / "other.py").write_text("")
        (parts / "notes.txt").write_text("")
        (parts / "one.py").write_text("")
        dev.until("one.py changed, restarting")
        assert "other.py" not in dev.said
        assert "notes.txt" not in dev.said
        assert dev.end() == 0


def test_dev_without_reload_is_one_process_that_does_it_all(shell):
    with shell.start("dev", "--no-reload", "--cpu", "1") as dev:
        assert shell("enqueue", "greet", "A", "--wait", "--timeout", "100s").json == "hello A"
        (row,) = shell("workers", "-o", "json").json
        assert row["pid"] == dev.process.pid
        eventually(lambda: shell.look(lambda app: drive(app.store.schedules())))
        assert dev.end() == 0
    assert shell("workers", "-o", "json").json == []


def test_dev_says_what_it_is_what_it_does_and_what_it_waits_for(shell):
    with shell.start("dev", "--no-reload", "--drain", "600s") as dev:
        dev.until("on ")
        assert shell("enqueue", "greet", "A", "--wait", "--timeout", "100s").json == "hello A"
        dev.until("done (")
        mark = shell.folder / "started"
        done = shell.folder / "done"
        shell.enqueue("rest_until", str(mark), str(done))
        eventually(mark.exists)
        dev.process.send_signal(signal.SIGINT)
        dev.until("waiting for rest_until ")
        done.touch()
        assert dev.ended() == 0
    first = dev.said.splitlines()[0]
    assert f"app app:app at sqlite:///{shell.folder}/forebay.db; " in first
    assert "1 process with 100 slots" in first
    assert "I forebay.worker: greet " in dev.said
    assert "SIGINT: taking no new messages, letting what runs end for up to 600 s; once more hands it back" in dev.said
    assert dev.said.splitlines()[-1].endswith("stopped")


def test_dev_hands_back_when_it_is_told_twice(shell):
    with shell.start("dev", "--no-reload", "--drain", "600s") as dev:
        mark = shell.folder / "started"
        nap = shell.enqueue("nap", "600", str(mark))
        eventually(mark.exists)
        dev.process.send_signal(signal.SIGINT)
        dev.until("waiting for nap")
        assert dev.end(signal.SIGINT) == 0
    found = shell("messages", nap, "-o", "json").json
    assert (found["state"], found["attempt"]) == ("ready", 0)


def test_a_missing_extra_is_one_line(shell):
    """As if watchfiles and rich were not installed: modules of their names that cannot be imported stand in front."""
    for name in ("watchfiles", "rich"):
        (shell.folder / f"{name}.py").write_text(f"raise ImportError('no {name}')\n")
    here = {"PYTHONPATH": str(shell.folder)}
    told = shell("dev", code=1, **here).complaint
    assert told == "forebay dev (without --no-reload) needs watchfiles: pip install 'forebay[cli]'"
    shell("migrate")
    assert shell("top", "--count", "1", **here).out.startswith("forebay ")
    with on_terminal(shell, "top", **here) as top:
        assert top.ended() == 1
    assert "top (on a terminal; -o ndjson needs nothing) needs rich: pip install 'forebay[cli]'" in top.text
    assert len(top.text.splitlines()) == 1


def test_the_demo_can_be_asked_for(shell):
    done = shell("demo", "--files", "5", "-p", "1")
    assert "They agree" in done.out
    assert sorted(path.name for path in shell.folder.iterdir()) == ["app.py"]
