"""Flags at the ends of what may be given: an effect, or one clear usage error. Taken from the commands themselves.

What a flag does where it may be given is told by the tests of its command; here nothing may be unforeseen.
"""

import os

import click
import pytest

from forebay import Forebay
from forebay.cli import failing, main
from forebay.cli.root import COMMANDS, cli
from forebay.cli.shared import Shared

EXTREMES = [
    "0", "-1", "1", "2147483648", "9" * 19, "9" * 400, "1e400", "1e-300", "nan", "inf", "-inf", "", " ", "x",
    "\udcff", "x" * 10_000, "30s", "99999999999d", "1TB", f"{'9' * 400}GB", "null", "[1]", "{}", "a=b", ",", "٣",
]  # fmt: skip
#: Words that a command needs beside the flag that is tried. Those that would run on find no app, once they have
#: understood their flags.
GIVEN = {
     "check": ["-A", "nowhere:app"],
    "enqueue": ["t", "-A", "nowhere:app"], "schedules add": ["n", "t", "-A", "nowhere:app"], "why": ["q"],
    "purge": ["q", "--yes"], "dead redrive": ["--all", "--yes"], "dead purge": ["--all", "--yes"],
    "dead show": ["nothing"], "pause": ["q"], "resume": ["q"], "result": ["nothing"], "backup": ["copy.db"],
    "cancel": ["nothing"], "schedules run": ["n"], "schedules pause": ["n"], "schedules resume": ["n"],
    "schedules remove": ["n"], "providers open": ["n"], "completion": ["bash"],
}  # fmt: skip
#: These would do work of their own, or go on for as long as they are told: only what is given to them is tried.
APART = {"demo", "bench", "init", "dev", "worker", "tail", "top", "scale"}
#: Common to all; which app and which file is for other tests.
COMMON = {"app", "url", "output", "debug", "help"}


def flags():
    """Each command, with each of its flags that takes a value."""
    root = click.Context(cli)
    for name in COMMANDS:
        command = cli.get_command(root, name)
        below = getattr(command, "commands", {"": command})
        for part, one in below.items():
            words = f"{name} {part}".strip()
            for option in one.params:
                if isinstance(option, click.Option) and option.name not in COMMON and not option.is_flag:
                    yield words, option.opts[-1]


FLAGS = list(flags())


@pytest.fixture
def folder(tmp_path, monkeypatch):
    for name in [name for name in os.environ if name.startswith("FOREBAY_")]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FOREBAY_URL", f"sqlite:///{tmp_path}/forebay.db")
    with Forebay() as app:
        app.publish("q", 1)
    return tmp_path


@pytest.mark.parametrize(("words", "flag"), FLAGS, ids=" ".join)
def test_a_flag_at_its_extremes_has_its_effect_or_is_one_clear_usage_error(folder, capsys, words, flag):
    faults = []
    for value in EXTREMES:
        code = (
            read(words, flag, value) if words in APART else main([*words.split(), *GIVEN.get(words, []), flag, value])
        )
        said = capsys.readouterr()
        foreseen = "FOREBAY_DEBUG=1 shows where" not in said.err and "Traceback" not in said.err
        errors = [line for line in said.err.splitlines() if line.startswith("error: ")]
        if not foreseen or code not in range(5) or (code == 2 and len(errors) != 1) or len(said.err) > 25_000:
            faults.append((value[:30], code, said.err[-200:]))
    assert faults == []


def read(words, flag, value):
    """What a command makes of a flag, without running it."""
    root = click.Context(cli, obj=Shared())
    command = cli.get_command(root, words)
    try:
        command.make_context(words, [flag, value], parent=root)
    except click.ClickException as error:
        return failing.report(error)
    return 0
