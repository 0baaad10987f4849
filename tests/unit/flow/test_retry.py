"""Retry policies: which rule holds for an exception, when the attempts are used up, and how long the wait is."""

import pickle

import pytest

from forebay.flow.retry import DEFAULT_ATTEMPTS, Retry, decide
from forebay.flow.snooze import Snooze
from forebay.model import errors
from forebay.model.errors import ConfigError
from forebay.model.message import Failure
from forebay.model.outcome import DeadLetter
from forebay.model.outcome import Retry as Again
from forebay.model.outcome import Snooze as Later

BOOM = Failure("ValueError", "boom")


def fate(policy, error=None, *, attempt=1, age=0.0, draw=0.5):
    return decide(policy, error or ValueError("boom"), BOOM, attempt, age, draw)


def test_unless_told_otherwise_there_are_five_tries_a_second_apart_and_then_two():
    assert fate(Retry(), attempt=1) == Again(0.5, BOOM)
    assert fate(Retry(), attempt=2) == Again(1.0, BOOM)
    assert isinstance(fate(Retry(), attempt=DEFAULT_ATTEMPTS - 1), Again)
    assert fate(Retry(), attempt=DEFAULT_ATTEMPTS) == DeadLetter("failed 5 of 5 attempts: ValueError: boom", BOOM)


def test_a_fixed_time_is_no_backoff():
    assert fate(Retry(after=30), attempt=3, draw=0.1) == Again(30.0, BOOM)


def test_a_raised_request_wins_over_the_policy_where_it_says_something():
    policy = Retry(2, base=10, max_age=100)
    assert fate(policy, Retry(after=7)) == Again(7.0, BOOM)
    assert isinstance(fate(policy, Retry(after=7), attempt=2), DeadLetter)
    assert isinstance(fate(policy, Retry(9, after=7), attempt=2), Again)
    assert fate(policy, Retry()) == Again(5.0, BOOM)


@pytest.mark.parametrize(
    ("error", "attempts"), [(KeyError(), 2), (IndexError(), 3), (LookupError(), 3), (ValueError(), 7), (OSError(), 7)]
)
def test_the_most_derived_rule_holds_and_takes_what_it_leaves_open_from_the_policy(error, attempts):
    policy = Retry(7, base=1, rules={LookupError: Retry(3), KeyError: Retry(2), OSError: Retry(base=60)})
    assert isinstance(fate(policy, error, attempt=attempts - 1), Again)
    assert isinstance(fate(policy, error, attempt=attempts), DeadLetter)


def test_a_rule_may_change_the_backoff_alone():
    assert fate(Retry(7, rules={OSError: Retry(base=60)}), OSError()) == Again(30.0, BOOM)


def test_a_dead_letter_without_a_reason_has_a_cause_all_the_same():
    silent = Failure("forebay.DeadLetter", "", "")
    made = decide(Retry(), errors.DeadLetter(), silent, 1, 0.0, 0.5)
    assert made == DeadLetter("forebay.DeadLetter, without a reason", silent)


def test_no_try_begins_after_max_age():
    policy = Retry(100, base=10, max_age=60)
    assert fate(policy, age=54.9, draw=0.5) == Again(5.0, BOOM)
    assert fate(policy, age=55.1, draw=0.5) == DeadLetter("still failing after max_age of 60 s: ValueError: boom", BOOM)


def test_never_is_one_try():
    assert isinstance(fate(Retry.never(), attempt=1), DeadLetter)


@pytest.mark.parametrize("attempts", [0, -1, 1.5, "3", True])
def test_a_number_of_attempts_is_a_whole_number_from_one(attempts):
    with pytest.raises(ConfigError, match="max_attempts counts the first attempt too, so it is a whole number from 1"):
        Retry(attempts)


@pytest.mark.parametrize("rules", [{"ValueError": Retry()}, {ValueError: 3}, {int: Retry()}])
def test_rules_map_exceptions_to_policies(rules):
    with pytest.raises(ConfigError, match="rules maps exception classes to Retry policies"):
        Retry(rules=rules)


def group(*errors):
    return BaseExceptionGroup("several", errors)


def test_a_snooze_is_no_failure():
    assert fate(Retry.never(), Snooze(60)) == Later(60.0)


@pytest.mark.parametrize(
    ("request_", "outcome"),
    [
        (errors.DeadLetter("closed"), DeadLetter("ValueError: boom", BOOM)),
        (Retry(after=7), Again(7.0, BOOM)),
        (Snooze(60), Later(60.0)),
    ],
)
@pytest.mark.parametrize(
    "wrap",
    [group, lambda error: group(KeyError(), group(error, OSError())), lambda error: group(group(error))],
    ids=["alone", "among others", "deep"],
)
def test_a_request_counts_in_a_group_however_deep_and_whatever_failed_beside_it(request_, outcome, wrap):
    found = fate(Retry(), wrap(request_))
    assert type(found) is type(outcome)
    assert getattr(found, "delay", None) == getattr(outcome, "delay", None)


@pytest.mark.parametrize(
    ("several", "winner"),
    [
        ((Snooze(60), Retry(after=7), errors.DeadLetter("closed")), DeadLetter),
        ((Retry(after=7), Snooze(600)), Again(7.0, BOOM)),
        ((Retry(after=7), Retry(after=9), Retry(after=8)), Again(9.0, BOOM)),
        ((Retry(), Retry(after=0)), Again(0.0, BOOM)),
        ((Snooze(1), Snooze(3), Snooze(2)), Later(3.0)),
    ],
)
def test_of_several_requests_the_gravest_wins_and_of_a_kind_the_one_that_waits_longest(several, winner):
    for errors_ in (several, tuple(reversed(several))):
        found = fate(Retry(), group(*errors_))
        assert isinstance(found, winner) if isinstance(winner, type) else found == winner


def test_for_a_group_the_strictest_rule_of_what_is_in_it_holds_unless_one_speaks_of_groups():
    policy = Retry(7, rules={ValueError: Retry.never(), OSError: Retry(3), Exception: Retry(20)})
    assert isinstance(fate(policy, group(OSError(), ValueError()), attempt=1), DeadLetter)
    assert isinstance(fate(policy, group(OSError(), KeyError()), attempt=2), Again)
    assert isinstance(fate(policy, group(OSError(), KeyError()), attempt=3), DeadLetter)
    assert isinstance(fate(policy, group(KeyError()), attempt=19), Again)
    about_groups = Retry(7, rules={ValueError: Retry.never(), BaseExceptionGroup: Retry(5)})
    assert isinstance(fate(about_groups, group(ValueError()), attempt=4), Again)
    assert isinstance(fate(about_groups, group(ValueError()), attempt=5), DeadLetter)


def test_requests_survive_pickling():
    for one in (Snooze(60), Retry(3, after=7)):
        again = pickle.loads(pickle.dumps(one))
        assert (type(again), str(again), vars(again)) == (type(one), str(one), vars(one))
