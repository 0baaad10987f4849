"""Which rule counts of several: a pause before a drop, a reroute, a throttle; of two that do the same, the older."""

from msgspec.structs import replace

from forebay.flow.rule import judge, ordered, ready
from forebay.model.rule import Do, Rule

NOW = 1_000.0


class Mail:
    """A message of queue mail."""

    def fact(self, name):
        return {"queue": "mail", "task": "send", "key": "t7", "args": {"n": 1}}[name]


def counts(*rules, now=NOW):
    """The rule that is carried out, and those that could not be judged."""
    judged = judge(ordered([ready(rule) for rule in rules]), Mail(), now)
    return (judged.rule and judged.rule.name), [rule.name for rule, _ in judged.unread]


def test_the_first_by_what_it_does_counts_then_the_older():
    throttle = Rule(name="a", do=Do.THROTTLE, queue="mail", rate=1.0)
    reroute = Rule(name="b", do=Do.REROUTE, queue="mail", to="other")
    drop = Rule(name="c", do=Do.DROP, queue="mail", since=5.0)
    pause = Rule(name="d", do=Do.PAUSE, queue="mail")
    assert counts(throttle, reroute, drop, pause) == ("d", [])
    assert counts(throttle, reroute, drop) == ("c", [])
    assert counts(throttle, reroute) == ("b", [])
    assert counts(drop, replace(drop, name="z", since=4.0)) == ("z", [])


def test_it_is_about_what_it_names_and_until_its_time():
    one = Rule(name="a", do=Do.DROP, task="send", key="t7", until=NOW)
    assert counts(one) == (None, [])
    assert counts(one, now=NOW - 0.1) == ("a", [])
    assert counts(replace(one, until=None, key="t8")) == (None, [])
    assert counts(replace(one, until=None, queue="other")) == (None, [])


def test_one_that_cannot_be_judged_lets_the_next_one_count():
    unread = Rule(name="a", do=Do.DROP, queue="mail", where="args.nowhere == 1")
    assert counts(unread) == (None, ["a"])
    assert counts(unread, Rule(name="b", do=Do.THROTTLE, queue="mail", rate=1.0)) == ("b", ["a"])


def test_nothing_is_sent_to_where_it_is():
    assert counts(Rule(name="a", do=Do.REROUTE, task="send", to="mail")) == (None, [])
