"""`forebay move`: real movers, killed on their way; and what is said when something cannot be moved."""

import asyncio
import contextlib
import json
import os
from pathlib import Path

import pytest

import starts
from engines.servers import postgres, redis
from forebay import Forebay
from forebay.cli.root import main
from forebay.engine.sqlite.moving import Moving
from forebay.model.errors import EngineUnreachable
from forebay.testing.trip import QUEUE, Trip


@pytest.fixture
def shell(tmp_path, monkeypatch):
    """Commands in a folder with a file of some messages, and an empty one."""
    for name in {"FOREBAY_URL", *(name for name in os.environ if name.startswith("FOREBAY_"))}:
        monkeypatch.setenv(name, "")  # so that it is as before in the end, whatever commands make of it
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    with Forebay("sqlite:///a.db") as app:
        app.publish_many("mail", range(20))
        app.publish_many("clicks", range(5))
    with Forebay("sqlite:///b.db"):
        return tmp_path


def move(*words, source="sqlite:///a.db", target="sqlite:///b.db"):
    code = main(["move", "--from", source, "--to", target, *words])
    os.environ.pop("FOREBAY_URL", None)  # where --url goes to
    return code


def waiting(name):
    with Forebay(f"sqlite:///{name}.db") as app:
        return {depth.queue: depth.ready for depth in app.queues() if depth.ready}


def forked(self, source, target):
    words = ["move", "--from", source, "--to", target, QUEUE, "--batch", "10"]
    with Path(os.devnull).open("r+b") as nothing:
        return starts.Started(words, [nothing.fileno()] * 2 + [2], ".", os.environ)


def test_a_trip_through_all_engines_whose_movers_are_killed(tmp_path, monkeypatch):
    """From SQLite to PostgreSQL, Redis and back; `make moving` takes 100,000 messages, and kills twenty times."""
    monkeypatch.setattr(Trip, "_start", forked)
    with redis.empty() as settings:
        monkeypatch.setenv("FOREBAY_NAMESPACE", settings.namespace)
        urls = [f"sqlite:///{tmp_path}/from.db", postgres.settings().url, settings.url, f"sqlite:///{tmp_path}/to.db"]
        try:
            legs = list(Trip(urls, kills=3, batch=10).run(500))
        finally:
            postgres.run(f'drop schema if exists "{settings.namespace}" cascade')
    assert sum(leg.kills for leg in legs) > 0


def test_it_says_what_it_has_moved(shell, capsys):
    assert move("mail", "--batch", "7", "-o", "json") == 0
    (told,) = json.loads(capsys.readouterr().out)
    assert told == {"queue": "mail", "moved": 20, "dead": 0, "known": 0, "held": 0, "running": 0}
    assert (waiting("a"), waiting("b")) == ({"clicks": 5}, {"mail": 20})
    assert move("--all", "--wait") == 0
    heading, *rows = capsys.readouterr().out.splitlines()
    assert heading.split() == ["QUEUE", "MOVED", "DEAD", "KNOWN", "HELD", "RUNNING"]
    assert [row.split() for row in rows] == [["clicks", *"50000"], ["mail", *"00000"]]
    assert waiting("b") == {"mail": 20, "clicks": 5}
    assert main(["audit", "--url", "sqlite:///b.db", "-o", "ndjson"]) == 0
    newest = json.loads(capsys.readouterr().out.splitlines()[0])
    assert (newest["verb"], newest["target"]) == ("move", "clicks mail")


def test_a_dry_run_counts_and_changes_nothing(shell, capsys):
    assert move("--all", "--dry-run", "-o", "json") == 0
    counted = {row["queue"]: row["ready"] for row in json.loads(capsys.readouterr().out)}
    assert counted == {"mail": 20, "clicks": 5} == waiting("a")
    assert waiting("b") == {}


@pytest.mark.parametrize(
    ("asked", "code", "says"),
    [
        (([], {}), 2, "name the queues to move, or all of them with --all"),
        ((["mail", "--all"], {}), 2, "not both"),
        ((["mail", "--back"], {}), 2, "leave out queues"),
        ((["mail", "--url", "sqlite:///a.db"], {}), 2, "move takes --from and --to"),
        ((["maul"], {}), 2, "no queue 'maul': there is clicks, mail"),
        ((["mail"], {"target": "sqlite:///a.db"}), 2, "are one store"),
        ((["mail"], {"target": "sqlite:///link.db"}), 2, "are one store"),
        ((["mail"], {"target": "sqlite:///new.db"}), 3, "has no schema of Forebay yet: run `forebay migrate"),
        ((["mail"], {"target": "memory://"}), 2, "lives inside one process"),
        ((["mail"], {"source": "sqlite:///none.db"}), 3, "is this where the messages are?"),
        ((["mail"], {"target": "redis://127.0.0.1:1/0"}), 3, "127.0.0.1:1"),
        ((["mail"], {"target": "postgresql://forebay@127.0.0.1:1/x"}), 3, "127.0.0.1:1"),
        ((["mail"], {"target": "carrier-pigeon://"}), 2, "no engine for URL scheme"),
    ],
)
def test_what_cannot_be_moved_is_one_error_and_stays(shell, capsys, asked, code, says):
    words, ends = asked
    (shell / "link.db").symlink_to("a.db")
    assert move(*words, **ends) == code
    said = capsys.readouterr().err
    assert says in said
    assert "run the same command again" not in said
    assert len(said.splitlines()) == 1
    assert (waiting("a"), waiting("b")) == ({"mail": 20, "clicks": 5}, {})
    assert not (shell / "new.db").exists()
    assert not (shell / "none.db").exists()


@pytest.mark.parametrize("error", [EngineUnreachable("gone"), asyncio.CancelledError()])
def test_a_move_that_is_interrupted_is_audited_with_what_it_moved(shell, capsys, monkeypatch, error):
    arrive, calls = Moving.arrive, []

    async def arrives(self, *args):
        calls.append(self)
        if len(calls) == 3:
            raise error
        return await arrive(self, *args)

    with monkeypatch.context() as patched, contextlib.suppress(asyncio.CancelledError):
        patched.setattr(Moving, "arrive", arrives)
        assert move("mail", "--batch", "4") != 0
    assert "8 had been moved by then" in capsys.readouterr().err
    assert waiting("b") == {"mail": 8}
    for name in ("a", "b"):
        assert main(["audit", "--url", f"sqlite:///{name}.db", "-o", "ndjson"]) == 0
        os.environ.pop("FOREBAY_URL")
        newest = json.loads(capsys.readouterr().out.splitlines()[0])
        assert (newest["verb"], newest["target"]) == ("move", "mail")
        assert newest["detail"].endswith("count=8 interrupted")


def test_what_is_on_the_way_is_put_back_on_request(shell, capsys):
    """A mover that dies leaves a batch on the way; here one that never gets to the end of it."""
    dying = (
        "import os, forebay.cli.root as root, forebay.engine.sqlite.moving as moving\n"
        "async def arrive(*args): os._exit(9)\n"
        "moving.Moving.arrive = arrive\n"
        "root.main(['move', '--from', 'sqlite:///a.db', '--to', 'sqlite:///b.db', 'mail'])"
    )
    assert starts.run(["-c", dying], shell, os.environ, 60, python=()).returncode == 9
    assert waiting("a") == {"clicks": 5}
    assert move("--all", "--dry-run") == 0
    assert "20 more are on the way since an earlier move" in capsys.readouterr().err
    main(["doctor", "--url", "sqlite:///a.db"])
    assert "20 messages are on their way to" in " ".join(capsys.readouterr().out.split())
    os.environ.pop("FOREBAY_URL")
    assert move("--back") == 0
    assert capsys.readouterr().out == "returned 20\n"
    assert (waiting("a"), waiting("b")) == ({"mail": 20, "clicks": 5}, {})
