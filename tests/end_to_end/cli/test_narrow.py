"""Terminals of 80 and of 60 columns, and one that cannot redraw: what matters is there, and nothing runs over."""

import re

import pytest

from end_to_end.cli.shell import eventually
from end_to_end.cli.terminal import on_terminal

CAUSE = "ValueError: the provider has said no"


@pytest.fixture(scope="module")
def busy(world):
    world("enqueue", "boom", CAUSE.partition(": ")[2], "--wait", code=1)
    world("enqueue", "quite_a_long_name_of_a_queue", "--raw", *map(str, range(1, 40)))
    world("pause", "slow", "--reason", "holidays")
    eventually(lambda: len(world.alive()) == 2)
    return world


def screen(shell, *words: str, columns: int, code: int = 0, **env: str) -> list[str]:
    """The lines of a command's answer on a terminal of that width."""
    with on_terminal(shell, *words, columns=columns, NO_COLOR="1", **env) as terminal:
        assert terminal.ended() == code
    return terminal.text.splitlines()


@pytest.mark.parametrize("columns", [80, 60])
def test_what_matters_has_its_place(busy, columns):
    for words, matters in {
        ("queues",): ["STATE", "paused", "holidays", "39"],
        ("dead", "list"): ["CAUSE", "ValueError"],
        ("workers",): ["STATE", "running", "0/20", "clicks", "slow"],
        ("messages",): ["ready", "STATE"],
        ("schedules",): ["yearly", "on", "in "],
        ("tail", "-n", "50", "--count", "3"): ["ValueError"],
        ("top", "--count", "1"): ["paused", "workers 2"],
    }.items():
        lines = screen(busy, *words, columns=columns, **({"TERM": "dumb"} if words[0] == "top" else {}))
        assert all(len(line) <= columns for line in lines), lines
        assert all(text in "\n".join(lines) for text in matters), (words, lines)
        assert "PARKED" not in "".join(lines)


@pytest.mark.parametrize("columns", [80, 60])
def test_a_cause_is_read_to_its_end_and_an_id_can_be_typed(busy, columns):
    lines = screen(busy, "dead", "list", columns=columns)
    assert CAUSE in " ".join(line[lines[0].index("CAUSE") :].strip() for line in lines[1:])
    id_ = lines[1].split()[0]
    assert re.fullmatch("…[0-9a-f]{8}", id_)
    assert busy("dead", "show", id_, "-o", "json").json["failure"]["message"] == CAUSE.partition(": ")[2]


@pytest.mark.parametrize("columns", [80, 60])
def test_advice_is_wrapped_rather_than_cut(busy, columns):
    lines = screen(busy, "doctor", "--quick", columns=columns, code=4)
    assert all(len(line) <= columns for line in lines)
    said = " ".join(" ".join(lines).split())
    assert "`forebay dead list` shows why; then `forebay dead redrive` or `forebay dead purge`" in said
    assert "…" not in said


def test_a_terminal_that_cannot_redraw_gets_tables_one_after_the_other(busy):
    with on_terminal(busy, "top", "--count", "2", "--interval", "100ms", columns=80, TERM="dumb") as top:
        assert top.ended() == 0
    assert top.raw.count("QUEUE  ") == 2
    assert "\x1b" not in top.raw
