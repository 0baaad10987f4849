"""Which of an operator's rules is to be carried out on a message. Pure; what it does then is `work.rules`'s."""

from collections.abc import Sequence
from typing import NamedTuple

from forebay.flow.condition import Answer, Condition, Facts, parse
from forebay.model.rule import Do, Rule


class Ready(NamedTuple):
    """A rule whose condition was read."""

    rule: Rule
    condition: Condition


class Judged(NamedTuple):
    """What rules say of a message: the one that counts, None if none does, and those that could not be judged."""

    rule: Rule | None
    unread: Sequence[tuple[Rule, str]] = ()


def ready(rule: Rule) -> Ready:
    """A rule that messages can be judged by.

    Raises:
        ConfigError: its condition cannot be read.
    """
    return Ready(rule, parse(rule.where) if rule.where else _always)


def ordered(rules: Sequence[Ready]) -> list[Ready]:
    """In the order in which they count: by what they do, then the older first."""
    acts = list(Do)
    return sorted(rules, key=lambda one: (acts.index(one.rule.do), one.rule.since, one.rule.name))


def judge(rules: Sequence[Ready], facts: Facts, now: float) -> Judged:
    """Which of these rules, in their order, is to be carried out on a message at `now`."""
    unread: list[tuple[Rule, str]] = []
    for rule, condition in rules:
        if rule.over(now) or not about(rule, facts):
            continue
        answer = condition(facts)
        if answer is True:
            return Judged(rule, unread)
        if isinstance(answer, str):
            unread.append((rule, answer))
    return Judged(None, unread)


def about(rule: Rule, facts: Facts) -> bool:
    """Whether a rule is about such a message at all, whatever its condition says."""
    return all(
        mine is None or mine == facts.fact(name)
        for name, mine in (("queue", rule.queue), ("task", rule.task), ("key", rule.key))
    ) and not (rule.do is Do.REROUTE and rule.to == facts.fact("queue"))


def _always(_: Facts) -> Answer:
    return True
