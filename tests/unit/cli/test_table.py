"""Tables for people: what a row loses when there is little room, and what it never loses."""

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from forebay.cli.human import cut, short, tail, width, wrapped
from forebay.cli.table import Column, lay

Row = tuple[str, int, str]

COLUMNS: Sequence[Column[Row]] = [
    Column("NAME", lambda row: row[0], short=lambda row: short(row[0])),
    Column("COUNT", lambda row: f"{row[1]:,}", right=True),
    Column("SQUARE", lambda row: f"{row[1] ** 2:,}", right=True, drop=1),
    Column("NONE", lambda _: "0", right=True, hide="0"),
    Column("TEXT", lambda row: row[2], flex=True, least=10, wrap=True),
]
ROWS: Sequence[Row] = [("a" * 24 + "12345678", 1_234_567, "some words to read, and then a few more"), ("b", 7, "")]


def shown(room: int) -> list[str]:
    laid = lay(ROWS, COLUMNS, room)
    return [laid.heading, *(line for _, lines in laid.rows for line in lines)]


def test_with_room_everything_is_whole_but_what_is_nothing():
    assert shown(1_000) == [
        "NAME                                  COUNT             SQUARE  TEXT",
        "aaaaaaaaaaaaaaaaaaaaaaaa12345678  1,234,567  1,524,155,677,489  some words to read, and then a few more",
        "b                                         7                 49",
    ]


def test_ids_are_shortened_before_a_column_is_left_out_and_numbers_are_never_cut():
    assert shown(60) == [
        "NAME           COUNT             SQUARE  TEXT",
        "…12345678  1,234,567  1,524,155,677,489  some words to read,",
        "                                         and then a few more",
        "b                  7                 49",
    ]
    assert shown(40) == [
        "NAME           COUNT  TEXT",
        "…12345678  1,234,567  some words to",
        "                      read, and then a",
        "                      few more",
        "b                  7",
    ]


@given(room=st.integers(20, 150), rows=st.lists(st.tuples(st.text(), st.integers(0, 10**6), st.text()), min_size=1))
def test_every_line_fits_and_what_cannot_give_way_is_there(room, rows):
    laid = lay(rows, COLUMNS, room)
    for (_, lines), (_, count, _) in zip(laid.rows, rows, strict=True):
        assert all(width(line) <= room and line.isprintable() for line in lines)
        assert room < 30 or f"{count:,}" in lines[0]


@given(text=st.text(alphabet="abc 世界", max_size=80), columns=st.integers(2, 20))
def test_wrapping_loses_no_word_and_keeps_to_its_columns(text, columns):
    lines = wrapped(text, columns)
    assert all(width(line) <= columns for line in lines)
    assert "".join("".join(lines).split()) == "".join(text.split())


def test_what_is_cut_says_so():
    assert (cut("abcdef", 4), tail("abcdef", 4), cut("世界", 3)) == ("abc…", "…def", "世…")
    assert wrapped("one two three four", 5, most=2) == ["one", "two …"]
