"""The crash table as text, for a person and for a page."""

import dataclasses
from pathlib import Path

import pytest

from forebay.testing.faults import table
from forebay.testing.faults.run import Result, Scenario
from forebay.testing.history import Kind, Verdict, Violation


def result(id_="T1", seed=7, *broken, complaint="", skipped=""):
    scenario = Scenario(id_, "a fault", lambda _trial: None)
    verdict = None if skipped else Verdict(tuple(broken), 10, 9, 0, 12, 3, 1)
    return Result(scenario, "sqlite", seed, 1.25, Path("/kept"), verdict, complaint, skipped)


def test_a_row_that_broke_a_promise_says_where_its_history_is():
    text = table.line(result("T1", 7, Violation(Kind.LOST, "a", "gone")))
    assert text.splitlines()[0].split() == [
        "T1",
        "a",
        "fault",
        "sqlite",
        "7",
        "9",
        "3",
        "1",
        *"10000",
        "yes",
        "1.2",
        "s",
    ]
    assert "python -m forebay.testing.history /kept/history" in text


def test_a_row_whose_work_did_not_go_on_is_not_live():
    assert "NO" in table.line(result(complaint="not within 60 s: every message ended"))
    assert "NO" in table.line(result("T1", 7, Violation(Kind.STUCK, "a", "ready")))


def test_a_row_that_was_skipped_says_why_and_does_not_look_like_one_that_passed():
    text = table.line(result(skipped="no disk here"))
    assert "skip" in text
    assert "skipped: no disk here" in text


def test_the_page_has_a_row_per_fault_and_adds_its_rounds_up(tmp_path):
    page = tmp_path / "page.md"
    page.write_text(f"before\n\n{table.BEGIN}\nold\n{table.END}\nafter\n")
    table.write(page, [result("T1", 1), result("T2", 1), result("T1", 2), result("T2", 2)])
    text = page.read_text()
    assert text.startswith("before\n")
    assert text.endswith("after\n")
    assert "old" not in text
    assert [row for row in text.splitlines() if row.startswith("| T")] == [
        f"| {id_} | a fault | sqlite | 18 | 6 | 2 | 0 | 0 | 0 | 0 | 0 | yes | 1.2 s |" for id_ in ("T1", "T2")
    ]


def test_a_page_without_the_marks_is_left_alone(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("nothing here")
    with pytest.raises(ValueError, match="lacks the marks"):
        table.write(page, [result()])
    assert page.read_text() == "nothing here"


def test_rows_and_notes_of_what_was_not_played_stay(tmp_path):
    page = tmp_path / "page.md"
    page.write_text(f"{table.BEGIN}\n{table.END}\n")
    other = dataclasses.replace(result("T6", 2), engine="redis", notes=("killed twice",))
    table.write(page, [result("T10", 1), result("T1", 1)])
    table.write(page, [other])
    table.write(page, [result("T1", 3)])
    text = page.read_text()
    rows = [row.split(" | ") for row in text.splitlines() if row.startswith("| T")]
    assert [(row[0][2:], row[2]) for row in rows] == [("T1", "sqlite"), ("T10", "sqlite"), ("T6", "redis")]
    assert [line[:24] for line in text.splitlines() if line.startswith("- ")] == [
        "- **redis**: seeds 2 to ",
        "- **sqlite**: seeds 1 to",
    ]
    assert "; T1 by seeds 3 to 3." in text
    assert "T6: killed twice." in text


def test_a_row_that_is_played_again_alone_leaves_what_is_said_of_the_others(tmp_path):
    page = tmp_path / "page.md"
    page.write_text(f"{table.BEGIN}\n{table.END}\n")
    ten = dataclasses.replace(result("T10"), notes=("200 seeds",))
    two = dataclasses.replace(result("T2"), notes=("0.15 s after the return", "killed twice"))
    table.write(page, [ten, two])
    table.write(page, [dataclasses.replace(two, notes=("0.25 s",))])
    (told,) = [line for line in page.read_text().splitlines() if line.startswith("- ")]
    assert told.endswith("T2: 0.25 s. T10: 200 seeds.")
