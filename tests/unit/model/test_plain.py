"""Text of others, made fit to be looked at: on one line, nothing acted on, nothing hidden, nothing turned around."""

import json
import sys
import unicodedata

from hypothesis import given, settings
from hypothesis import strategies as st

from forebay.model.plain import first_line, printable, printable_json

EVERY = "".join(map(chr, range(sys.maxunicode + 1)))


def test_text_of_any_script_stays_as_it_is() -> None:
    text = "Grüße, мир, 你好, שלום, नमस्ते, 🎉 and a plain path\\name"
    assert printable(text) is text


def test_no_character_that_ends_a_line_or_steers_a_terminal_or_turns_text_around_comes_through() -> None:
    shown = printable(EVERY)
    assert len(shown.splitlines()) == 1
    assert {unicodedata.category(c) for c in set(shown)}.isdisjoint({"Cc", "Cf", "Cs", "Cn", "Co", "Zl", "Zp"})


def test_a_forged_line_is_the_rest_of_the_line_it_came_in() -> None:
    text = "nothing\n2026-11-25 E forebay: lost\r\u2028\u2029\x85\x1b[2J\u202egnp.exe\u200f\u2066\u061c"
    assert printable(text) == (
        r"nothing\n2026-11-25 E forebay: lost\r\u2028\u2029\x85\x1b[2J\u202egnp.exe\u200f\u2066\u061c"
    )


@settings(max_examples=25)
@given(st.recursive(st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)))
def test_json_made_fit_to_look_at_has_the_same_value(value: object) -> None:
    text = json.dumps(value, ensure_ascii=False)
    assert json.loads(printable_json(text)) == value
    assert printable_json(text).isprintable()


def test_json_laid_out_over_lines_keeps_its_lines() -> None:
    text = json.dumps({"a": "\u202e\U000e0001", "b": [1, 2]}, ensure_ascii=False, indent=2)
    assert printable_json(text).splitlines() == ["{", r'  "a": "\u202e\udb40\udc01",', *text.splitlines()[2:]]


def test_the_first_line_that_says_something() -> None:
    assert first_line("503 Service Unavailable\nFor more information check: https://x.y") == "503 Service Unavailable"
    assert first_line("\n \n\tdown\r\n") == "down"
    assert first_line("") == first_line(" \n") == ""
