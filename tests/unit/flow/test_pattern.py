"""Patterns of rules: what they find is what Python's own would, and no pattern makes a look take long."""

import contextlib
import random
import re
import time

import pytest

from forebay.flow.pattern import LONGEST, TEXT, BadPattern, Pattern, TooCostly


def made(chance: random.Random, depth: int = 0) -> str:
    """A pattern by chance, in the language that both know."""
    kind = chance.random()
    if depth > 3 or kind < 0.35:
        return chance.choice(["a", "b", "c", ".", "\\d", "\\W", "[ab]", "[^a]", "1", "\\.", "[a-c1]"])
    if kind < 0.5:
        return made(chance, depth + 1) + made(chance, depth + 1)
    if kind < 0.6:
        return f"({made(chance, depth + 1)}|{made(chance, depth + 1)})"
    if kind < 0.9:
        return f"(?:{made(chance, depth + 1)})" + chance.choice(["*", "+", "?", "{2}", "{1,3}", "{0,2}", "{2,}", "{0}"])
    return chance.choice(["^", "$", "a"])


@pytest.mark.parametrize("seed", range(20))
def test_it_finds_what_pythons_own_patterns_find(seed):
    chance = random.Random(seed)
    for _ in range(60):
        source = chance.choice(["", "", "^", "(?i)"]) + made(chance) + chance.choice(["", "", "$"])
        ours, theirs = Pattern(source), re.compile(source, re.ASCII)
        for _ in range(5):
            text = "".join(chance.choice("abcAB1.") for _ in range(chance.randrange(9)))
            assert ours.found_in(text) == bool(theirs.search(text)), (source, text)


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("(a+)+$", "a" * 50_000 + "b"),
        ("(a|a)*$", "a" * 50_000 + "b"),
        ("(.*)(.*)(.*)(.*)(.*)(.*)x", "y" * 50_000),
        ("(a|b)*a(a|b){60}c", "abbabaab" * 6_000),
        ("(a?){100}a{100}$", "a" * 5_000 + "b"),
        ("[^@]+@([a-z]+\\.)+com$", "a@" * 20_000),
    ],
)
def test_no_pattern_makes_a_look_take_long(source, text):
    began = time.process_time()
    with contextlib.suppress(TooCostly):
        assert Pattern(source).found_in(text) in (True, False)
    assert time.process_time() - began < 2


def test_a_text_that_is_too_long_is_not_looked_at():
    with pytest.raises(TooCostly, match="100,001 characters"):
        Pattern("a").found_in("a" * (TEXT + 1))


@pytest.mark.parametrize(
    ("source", "why", "at"),
    [
        ("(a", "a ( without its )", 0),
        ("a)", "a ) without its (", 1),
        ("[a", "a [ without its ]", 0),
        ("*a", "nothing before * to repeat", 0),
        ("a|+", "nothing before + to repeat", 2),
        ("a{2,1}", "not backwards", 1),
        ("a{101}", "up to 100", 1),
        ("a{x}", "a { begins", 1),
        ("(?=a)", "(?…) is not known", 0),
        ("(?P<n>a)", "(?…) is not known", 0),
        ("(a)\\1", "\\1 is not known", 3),
        ("a\\b", "\\b is not known", 1),
        ("a\\", "\\ is not known", 1),
        ("[z-a]", "goes backwards", 1),
        ("(" * 30 + "a" + ")" * 30, "groups within each other", 20),
        ("((a{100}){100}){100}", "too large", 20),
        ("((){100}){100}", "too large", 14),
        ("a" * (LONGEST + 1), f"at most {LONGEST}", LONGEST),
    ],
)
def test_what_cannot_be_read_is_said_with_its_place(source, why, at):
    with pytest.raises(BadPattern) as caught:
        Pattern(source)
    assert why in caught.value.why
    assert caught.value.at == at


def test_upper_and_lower_case_are_alike_where_that_is_asked_for():
    assert Pattern("(?i)@EXAMPLE\\.com$").found_in("Joe@Example.COM")
    assert Pattern("(?i)[A-C]x").found_in("bX")
    assert not Pattern("@EXAMPLE").found_in("joe@example.com")
