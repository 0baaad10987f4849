"""What cannot be meant is refused before anything is done: exit code 2, one line, and where to read on."""

import io
import os
from pathlib import Path

import pytest

from forebay.cli import main
from forebay.cli.root import COMMANDS, ELSEWHERE

WRONG = [
    (["quues"], "no command 'quues': did you mean 'queues'?"),
    (["retry"], "no command 'retry': did you mean 'dead redrive'?"),
    (["queues", "--json"], "no such option '--json': write -o json"),
    (
        ["queues", "-A", "shop.py"],
        "no module 'shop.py' here or on the path: -A takes module:attribute, such as shop:app",
    ),
    (["queues", "-A", "./src/shop.py:app"], "names no module: -A takes module:attribute, such as src.shop:app"),
    (["queues", "-A", "/srv/shop.py"], "names no module: -A takes module:attribute, such as shop.tasks:app"),
    (["--nope"], "--nope"),
    (["queues", "-o", "xml"], "'xml' is not one of 'table', 'json', 'ndjson'"),
    (["queues", "--url", "ftp://x"], "no engine for URL scheme 'ftp'"),
    (["queues", "--url", "sqlite://"], "names no file"),
    (["queues", "--url", "queue.db"], "is no URL of an engine: write sqlite:///name.db"),
    (["queues", "--url", ""], "--url is empty: write sqlite:///name.db or the like, or leave it out"),
    (["queues", "--url", "memory://"], "lives inside one process"),
    (["queues", "-A", "nowhere:app"], "no module 'nowhere'"),
    (["queues", "-A", "os:path"], "is no Forebay app"),
    (["worker"], "forebay worker needs an app: -A module:attr, or FOREBAY_APP"),
    (["dev"], "forebay dev needs an app"),
    (["enqueue", "greet"], "forebay enqueue needs an app"),
    (["worker", "-p", "0"], "0 is not in the range x>=1"),
    (["worker", "-c", "many"], "'many' is not a valid integer"),
    (["worker", "--drain", "soon"], "soon"),
    (["worker", "--max-memory", "lots"], "'lots' is not a size"),
    (["worker", "-Q", ","], "name at least one"),
    (["worker", "-Q", "*"], "'*' names no queue: leave the option out for all of them"),
    (["worker", "-Q", "mail default"], "queue name 'mail default' is not allowed"),
    (["dev", "-Q", "mail,-x"], "queue name '-x' is not allowed"),
    (["tail", "-Q", "../../etc"], "queue name '../../etc' is not allowed"),
    (["worker", "--log-level", "loud"], "'loud' is not one of 'debug', 'info', 'warning', 'error', 'critical'"),
    (["worker", "--burst", "--verbose", "--log-format", "xml"], "'xml' is not one of 'text', 'json'"),
    (["dev", "--log-level", "loud"], "'loud' is not one of 'debug', 'info', 'warning', 'error', 'critical'"),
    (["dev", "--verbose", "--log-format", "xml"], "'xml' is not one of 'text', 'json'"),
    (["enqueue", "q", "--raw"], "give the messages as JSON, or - to read lines"),
    (["enqueue", "q", "--raw", "1", "-Q", "other"], "with --raw the first word is the queue"),
    (["enqueue", "q", "--raw", "1", "--wait"], "--raw publishes to a queue: it has no --args, --kwargs or --wait"),
    (["enqueue", "t", "1", "--args", "[1]"], "give the arguments as words or with --args, not both"),
    (["enqueue", "t", "1", "--timeout", "5s"], "--timeout is how long --wait waits: add --wait"),
    (["enqueue", "q", "--raw", "1", "--timeout", "5s"], "--timeout is how long --wait waits: add --wait"),
    (["enqueue", "t", "--kwargs", "[1]"], "'[1]' is not usable"),
    (["enqueue", "q", "--raw", "1", "--header", "x"], "--header 'x': write NAME=VALUE"),
    (["messages", "--state", "lost"], "'lost' is not one of"),
    (["messages", "--limit", "0"], "0 is not in the range"),
    (["dead", "redrive"], "name ids, or choose by -Q, --task and --key, or --all: one of the three"),
    (["dead", "purge", "x", "--all"], "name ids, or choose by -Q, --task and --key, or --all: one of the three"),
    (["dead", "show"], "missing argument 'ID...'"),
    (["cancel"], "name ids, or choose by -Q, --task and --key"),
    (["cancel", "x", "-Q", "q"], "name ids, or choose by -Q, --task and --key"),
    (
        ["schedules", "add", "n", "t", "--every", "5s", "--tz", "Europe/Vienna"],
        "--tz has no effect on an interval: leave it out, or say when with --cron",
    ),
    (["schedules", "add", "n", "t"], "say when with --cron or with --every"),
    (["schedules", "add", "n", "t", "--cron", "x", "--every", "5s"], "say when with --cron or with --every"),
    (["pause"], "name what to pause or resume: a QUEUE, --task NAME or --key KEY"),
    (["schedules", "pause"], "missing argument 'NAME...'"),
    (["tail", "-o", "json"], "a stream has no end: use -o ndjson"),
    (["bench", "--url", "sqlite:///x.db"], "bench has an app and a file of its own"),
    (["bench", "--folder", "nowhere"], "'nowhere' does not exist"),
    (["completion", "tcsh"], "'tcsh' is not one of 'bash', 'zsh', 'fish'"),
    (["init", "my-app.py"], "give the name of a Python file that can be imported"),
]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty one to stand in, and nothing said by the environment; what `--url` puts there is taken back."""
    for name in {"FOREBAY_URL", "FOREBAY_APP", *(name for name in os.environ if name.startswith("FOREBAY_"))}:
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("words", "told"), WRONG, ids=lambda value: " ".join(value)[:40] if isinstance(value, list) else ""
)
def test_what_cannot_be_meant_is_one_line_and_exit_code_2(folder, capsys, words, told):
    assert main(words) == 2
    said = capsys.readouterr()
    assert told in said.err
    assert said.err.startswith("error: ")
    assert said.err.count("\n") == 1
    assert said.out == ""
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize(
    "words", [["why"], ["queues"], ["dead", "redrive"], ["schedules", "run"], ["dead", "list", "-Q"]], ids=" ".join
)
def test_a_word_of_any_length_does_not_hide_what_is_said_about_it(folder, capsys, words):
    """A text that a script passes by mistake would else fill the screen, with the advice at one end of it."""
    main(["enqueue", "q", "--raw", "1"])
    capsys.readouterr()
    assert main([*words, "k" * 10_000]) in {1, 2}
    said = capsys.readouterr().err
    assert "kkk…" in said
    assert len(said) < 700


def test_a_wrong_setting_says_where_it_stands(folder, capsys, monkeypatch):
    (folder / "pyproject.toml").write_text('[tool.forebay]\ndurability = "sometimes"\n')
    assert main(["queues"]) == 2
    assert f"{folder}/pyproject.toml [tool.forebay]: durability = 'sometimes'" in capsys.readouterr().err
    (folder / "pyproject.toml").write_text('[tool.forebay]\nurll = "x"\n')
    assert main(["queues"]) == 2
    assert "unknown setting 'urll'" in capsys.readouterr().err
    (folder / "pyproject.toml").unlink()
    monkeypatch.setenv("FOREBAY_LEASE", "long")
    assert main(["queues"]) == 2
    assert "FOREBAY_" in capsys.readouterr().err


def test_every_command_explains_itself(folder, capsys):
    for name, (_, line) in COMMANDS.items():
        assert main([name, "--help"]) == 0
        said = capsys.readouterr().out
        assert said.startswith(f"Usage: forebay {name} ")
        assert "-o, --output" in said
        assert line.endswith(".")


def test_without_a_command_there_is_help(folder, capsys):
    assert main([]) == 2
    assert "Commands:" in capsys.readouterr().err
    assert main(["-h"]) == 0
    said = capsys.readouterr().out
    assert all(f"  {name} " in said for name in COMMANDS)


def test_nobody_is_asked_to_confirm_nothing(folder, capsys, monkeypatch):
    monkeypatch.setattr("sys.stdin", io.StringIO())
    assert main(["enqueue", "q", "--raw", "1"]) == 0
    assert main(["dead", "purge", "--all"]) == 0
    assert "purged 0" in capsys.readouterr().out


def test_a_word_of_other_queues_leads_to_a_command_that_there_is():
    assert {words.split()[0] for words in ELSEWHERE.values()} <= set(COMMANDS)
    assert not set(ELSEWHERE) & set(COMMANDS)
