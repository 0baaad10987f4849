"""Conditions of rules: what they say of a message, what nobody can say, and what is wrong with one."""

import pytest

from forebay.flow.condition import Unknown, parse
from forebay.model.errors import ConfigError


class Seen:
    """A message as a map."""

    def __init__(self, **facts):
        self._facts = facts

    def fact(self, name):
        if name not in self._facts:
            raise Unknown(f"its {name} is sealed")
        return self._facts[name]


ARGS = {"to": "joe@x.com", "n": 3, "ok": True, "rate": 0.5, "items": [{"sku": "a1"}, {"sku": "b2"}], "note": None}
MAIL = Seen(
    args=ARGS,
    kwargs=ARGS,
    headers={"x-tenant": "t1"},
    queue="mail",
    task="send",
    key=None,
    attempt=2,
    age=61.0,
    priority=5,
)


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ('args.to ~ "@x.com"', True),
        ('args.to ~ "^@"', False),
        ('args.to !~ "^@"', True),
        (r'args.to ~ "@x\.com$"', True),
        ('args.n == 3 and kwargs.to == "joe@x.com"', True),
        ("args.n == 3.0", True),
        ('key in [1, "t7", null] or key == null or args.n == "3" or args.n == 3', True),
        ("args.n > 2 and not (args.n >= 4 or args.ok == false)", True),
        ("args.rate < 1 and args.rate <= 0.5 and args.rate != 0.4", True),
        ("args.n in [1, 2, 3]", True),
        ('args.to in ["a", "b"]', False),
        ("args.note == null", True),
        ("args.note != null", False),
        ("args.to == null", False),
        ('key == "t7"', False),
        ("key == null", True),
        ("key in [null]", True),
        ('args.items[1].sku == "b2"', True),
        ('args[0] == "joe@x.com"', True),
        ('args["to"] ~ "joe"', True),
        ('headers.x-tenant == "t1"', True),
        ("headers['x-tenant'] in ['t1']", True),
        ("attempt >= 2 and age > 60 and priority == 5", True),
        ('queue == "mail" and task ~ "^se"', True),
        ("args.ok == true or args.nowhere == 1", True),
        ("args.nowhere == 1 or args.ok == true", True),
        ("args.nowhere == 1 and args.ok == false", False),
        ("args.ok == false and args.nowhere == 1", False),
        ('args.to < "k"', True),
    ],
)
def test_it_says_so(text, answer):
    assert parse(text)(MAIL) is answer


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("args.nowhere == 1", "it has no args.nowhere"),
        ("not args.nowhere == 1", "it has no args.nowhere"),
        ("args.nowhere == 1 or args.n == 4", "it has no args.nowhere"),
        ("args.n == 3 and args.nowhere == 1", "it has no args.nowhere"),
        ('args.n == "3"', "its args.n is a number, which does not compare with a text"),
        ("args.ok == 1", "its args.ok is true or false, which does not compare with a number"),
        ("args.note < 1", "its args.note is null, which does not compare with a number"),
        ('args.n ~ "3"', "its args.n is a number, and ~ looks at texts"),
        ("args.items == 1", "its args.items is a list, which does not compare with a number"),
        ("args.items[7].sku == 1", "it has no args.items[7].sku"),
        ("args.to.domain == 1", "it has no args.to.domain"),
        ('args.n in ["3"]', "does not compare with any of these"),
        ('body.x == "1"', "its body is sealed"),
        ('headers.nope == "1"', "it has no headers.nope"),
    ],
)
def test_what_cannot_be_judged_is_neither_true_nor_false(text, why):
    answer = parse(text)(MAIL)
    assert isinstance(answer, str)
    assert why in answer


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "expected one of args, kwargs, headers, body"),
        ("   ", "expected one of args, kwargs, headers, body"),
        ("to == 1", "at character 1, 'to == 1'"),
        ("args == 1", "args needs a name, such as args.to at character 6"),
        ('age > "5s"', "age is a number, which does not compare with a text at character 7"),
        ("priority == true", "priority is a number, which does not compare with true or false"),
        ('attempt ~ "3"', "attempt is a number, which does not compare with a text"),
        ("key == 7", "key is a text, which does not compare with a number"),
        ("headers.x-tenant in [1, 2]", "headers.x-tenant is a text, which does not compare with a number"),
        ("args.to", "expected a comparison (== != < <= > >= ~ !~ or in) at its end"),
        ('args.to = "x"', "write == to compare, at character 9"),
        ("args.to ==", "expected a value: a text in quotes, a number, true, false or null at its end"),
        ("args.to == joe", "expected a value"),
        ('args.to == "joe', "a text without its closing quote at character 12"),
        ("args.to ~ 5", "~ needs a pattern in quotes at character 11"),
        ('args.to ~ "(a"', "pattern: a ( without its ) (character 1 of it) at character 11"),
        ('args.to ~ "(?=a)"', "pattern: (?…) is not known here"),
        ("(args.n == 1", ") is missing at its end"),
        ("args.n == 1)", "expected `and`, `or` or the end at character 12"),
        ("args.n == 1 args.n == 2", "expected `and`, `or` or the end at character 13"),
        ("args.n == 1 and", "expected one of args"),
        ("args.n < null", "< compares numbers or texts"),
        ("args.n < true or true", "expected one of args"),
        ("args.n in []", "expected a value"),
        ("args.n in [1, 2", "] is missing at its end"),
        ("args. == 1", "expected a name after the dot at character 7"),
        ("args[true] == 1", "expected a number or a text in [ ] at character 6"),
        ("args.n == 12abc", "cannot read at character 11"),
        ("args.n == 1e999", "too large a number"),
        ("args.n == 1; drop", "cannot read at character 12"),
        ('__import__("os")', "expected one of args"),
        ("(" * 60 + "args.n == 1", "more than 50 brackets within each other at character 51"),
        ("not " * 60 + "args.n == 1", "more than 50 brackets within each other"),
        ("args.n == 1 or " * 200 + "args.n == 1", "at most 2,000 characters"),
    ],
)
def test_what_cannot_be_read_is_said_once_with_its_place(text, why):
    with pytest.raises(ConfigError) as caught:
        parse(text)
    assert why in str(caught.value)
    assert str(caught.value).startswith("where: ")
