"""`bench`: real figures from real workers, and nothing left behind."""

import signal

import pytest

import proc
from end_to_end.cli.shell import eventually
from end_to_end.cli.terminal import on_terminal


def test_every_figure_has_a_value_and_the_file_is_gone(shell):
    answer = shell(
        *("bench", "-p", "2", "--seconds", "200ms", "--messages", "2000"),
        *("--durability", "normal", "--folder", ".", "-o", "json"),
        FOREBAY_APP="",
    ).json
    assert answer["durability"].startswith("normal: ")
    assert "SQLite 3." in answer["versions"]
    figures = {figure["name"]: figure for figure in answer["figures"]}
    assert list(figures) == [
        "enqueue, one by one",
        "enqueue, 100 at a time",
        "enqueue_many",
        "no-op tasks, 2 worker processes",
        "enqueue to start, median",
        "enqueue to start, 99 of 100",
    ]
    assert all(figure["value"] > 0 for figure in figures.values())
    assert figures["enqueue to start, median"]["value"] <= figures["enqueue to start, 99 of 100"]["value"]
    assert [path.name for path in shell.folder.iterdir()] == ["app.py"]


def test_it_shows_progress_on_a_terminal_and_ends_at_once_when_told(shell):
    with on_terminal(shell, "bench", "--seconds", "60s", "--processes", "1", FOREBAY_APP="") as bench:
        bench.until("durability  full: what was accepted survives power loss")
        bench.until("one by one  [")
        bench.process.send_signal(signal.SIGINT)
        assert bench.ended() == 130
    assert [path.name for path in shell.folder.iterdir()] == ["app.py"]


@pytest.mark.parametrize(
    "phase", ["enqueue, one by one", "enqueue_many"], ids=["while it enqueues", "with its workers"]
)
@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGTERM, 143), (signal.SIGHUP, 129), (signal.SIGKILL, -signal.SIGKILL)]
)
def test_whatever_ends_it_nothing_is_left(shell, phase, number, code):
    """Each figure is told when it is known: after the first it goes on to enqueue, after the third its workers run."""
    options = ("--seconds", "300ms", "--messages", "1000")
    with shell.start("bench", *options, FOREBAY_APP="", FOREBAY_TEST_MARK=str(shell.folder)) as bench:
        bench.until(phase)
        bench.process.send_signal(number)
        assert bench.ended() == code
    if number == signal.SIGKILL:  # the others go when all is cleared up
        eventually(lambda: not proc.marked("FOREBAY_TEST_MARK", shell.folder), "the end of its processes")
    assert proc.marked("FOREBAY_TEST_MARK", shell.folder) == []
    assert [path.name for path in shell.folder.iterdir()] == ["app.py"]


def test_in_a_pipe_it_speaks_at_once_and_each_figure_when_it_is_known(shell):
    with shell.start("bench", "--seconds", "60s", FOREBAY_APP="", PYTHONUNBUFFERED="") as bench:
        bench.until("durability")
        assert bench.end() == 143
    rows = shell("bench", "--seconds", "50ms", "--messages", "1000", "-o", "ndjson", FOREBAY_APP="").rows
    assert len(rows) == 6
