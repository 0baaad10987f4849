"""`bench`: real figures from real workers, and nothing left behind."""

import signal

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
