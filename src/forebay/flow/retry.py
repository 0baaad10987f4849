"""Retry policy: which failures are tried again, how often, and when. Pure; the caller brings chance and time."""

from collections.abc import Mapping
from typing import Any, Self

from forebay.flow.backoff import full_jitter
from forebay.flow.down import ProviderDown
from forebay.flow.group import is_group, is_group_kind, leaves
from forebay.flow.snooze import Snooze
from forebay.model import errors, outcome
from forebay.model.duration import Duration, seconds
from forebay.model.errors import ConfigError
from forebay.model.message import Failure
from forebay.model.options import known_options
from forebay.model.outcome import DeadLetter, Outcome
from forebay.model.outcome import Retry as Again

DEFAULT_ATTEMPTS = 5
DEFAULT_BASE = 1.0
DEFAULT_CAP = 600.0

Rules = Mapping[type[BaseException], "Retry"]


class Retry(Exception):
    """A retry policy; raised inside a task, a request to be tried again.

    As a policy: `@app.task(retry=Retry(max_attempts=8, max_age=3600, rules={ValueError: Retry.never()}))`.
    Raised: `raise Retry(after=30)`; what it sets wins over the task's policy for this one failure.

    Args:
        max_attempts: attempts in all, the first included; 5 unless given.
        base: seconds of the first backoff window, which doubles with each attempt; 1 unless given.
        cap: the largest window in seconds; 600 unless given.
        max_age: after this time since acceptance there is no further attempt.
        rules: other policies for some exceptions; the most derived class that fits wins.
        after: exactly this long until the next attempt, instead of a backoff.

    Raises:
        ConfigError: a value makes no sense.
    """

    @known_options("Retry()")
    def __init__(
        self,
        max_attempts: int | None = None,
        *,
        base: Duration | None = None,
        cap: Duration | None = None,
        max_age: Duration | None = None,
        rules: Rules | None = None,
        after: Duration | None = None,
    ) -> None:
        super().__init__(max_attempts)
        if max_attempts is not None and (type(max_attempts) is not int or max_attempts < 1):
            raise ConfigError(
                f"max_attempts counts the first attempt too, so it is a whole number from 1, not {max_attempts!r}"
            )
        self.max_attempts = max_attempts
        self.base = None if base is None else seconds(base, "base")
        self.cap = None if cap is None else seconds(cap, "cap")
        self.max_age = None if max_age is None else seconds(max_age, "max_age")
        self.after = None if after is None else seconds(after, "after")
        if not isinstance(rules, Mapping | None):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise ConfigError(f"rules maps exception classes to Retry policies, and is not {rules!r:.200}")
        self.rules: Rules = dict(rules or {})
        for kind, rule in self.rules.items():
            _check_rule(kind, rule)

    def __str__(self) -> str:
        return "retry" if self.after is None else f"retry after {self.after:g} s"

    def _fields(self) -> tuple[Any, ...]:
        return self.max_attempts, self.base, self.cap, self.max_age, self.rules, self.after

    def __eq__(self, other: object) -> bool:
        return self._fields() == other._fields() if isinstance(other, Retry) else NotImplemented

    def __hash__(self) -> int:
        return hash((self.max_attempts, self.base, self.cap, self.max_age, self.after, frozenset(self.rules)))

    def __reduce__(self) -> Any:
        return _made, (type(self), *self._fields())

    @classmethod
    def never(cls) -> Self:
        """The policy of one attempt only."""
        return cls(max_attempts=1)

    def over(self, other: "Retry") -> "Retry":
        """This policy, with what it leaves open taken from `other`."""
        return Retry(
            self.max_attempts if self.max_attempts is not None else other.max_attempts,
            base=self.base if self.base is not None else other.base,
            cap=self.cap if self.cap is not None else other.cap,
            max_age=self.max_age if self.max_age is not None else other.max_age,
            rules=self.rules or other.rules,
            after=self.after,
        )

    def for_error(self, error: BaseException) -> "Retry":
        """The policy that holds for one exception.

        For a group without a rule of its own it is the strictest of those that hold for the exceptions in it: what one
        of them says about the number of attempts, the others cannot make better.
        """
        if isinstance(error, Retry):
            return error.over(self)
        rule = self._rule(error)
        if rule is not None:
            return rule.over(self)
        if not is_group(error):
            return self
        return min((self.for_error(leaf) for leaf in leaves(error)), key=_attempts, default=self)

    def _rule(self, error: BaseException) -> "Retry | None":
        """The rule of the most derived class. That of `Exception` is not one about groups."""
        kinds = type(error).__mro__[:-1]
        if is_group(error):
            kinds = tuple(filter(is_group_kind, kinds))
        return next((self.rules[kind] for kind in kinds if kind in self.rules), None)


def _attempts(policy: Retry) -> int:
    return DEFAULT_ATTEMPTS if policy.max_attempts is None else policy.max_attempts


def telling(error: BaseException) -> BaseException:
    """The exception that decides: in a group, a request of the task counts more than what failed beside it.

    Of several requests a dead letter wins over a provider that is down, that over a retry, a retry over a snooze; of
    several of a kind the one that waits longest, so that nothing begins before anybody allowed it.
    """
    if not is_group(error):
        return error
    best = max(leaves(error), key=_rank, default=error)
    return error if _rank(best) == _NO_REQUEST else best


_NO_REQUEST = (0, 0.0)


def _rank(error: BaseException) -> tuple[int, float]:
    match error:
        case errors.DeadLetter():
            return 4, 0.0
        case ProviderDown():
            return 3, 0.0
        case Retry():
            return 2, -1.0 if error.after is None else error.after
        case Snooze():
            return 1, error.delay
        case _:
            return _NO_REQUEST


def _made(cls: type[Retry], *fields: Any) -> Retry:
    """A policy that was copied or pickled: an exception would be made again from its text alone."""
    attempts, base, cap, max_age, rules, after = fields
    return cls(attempts, base=base, cap=cap, max_age=max_age, rules=rules, after=after)


def _check_rule(kind: object, rule: object) -> None:
    if not (isinstance(kind, type) and issubclass(kind, BaseException) and isinstance(rule, Retry)):
        raise ConfigError(f"rules maps exception classes to Retry policies, not {kind!r} to {rule!r}")


def decide(  # noqa: PLR0917 - what happened, then when, then chance: each call names them in this order
    policy: Retry, error: BaseException, failure: Failure, attempt: int, age: float, draw: float
) -> Outcome:
    """Try again, later, or give up; what the task asked for, in a group too, wins over the policy.

    Args:
        failure: `error` as data.
        attempt: the number of the attempt that just failed, from 1.
        age: seconds since the message was accepted.
        draw: a random number in [0, 1).
    """
    error = telling(error)
    if isinstance(error, errors.DeadLetter):
        return DeadLetter(failure.message or f"{failure.type}, without a reason", failure)
    if isinstance(error, Snooze):
        return outcome.Snooze(error.delay)
    rule = policy.for_error(error)
    limit = _attempts(rule)
    if attempt >= limit and isinstance(error, Retry):
        return DeadLetter(f"failed {attempt} of {limit} attempts; the last one {failure.message}", failure)
    if attempt >= limit:
        return DeadLetter(f"failed {attempt} of {limit} attempts: {failure}", failure)
    delay = rule.after if rule.after is not None else _backoff(rule, attempt, draw)
    if rule.max_age is not None and age + delay > rule.max_age:
        return DeadLetter(f"still failing after max_age of {rule.max_age:g} s: {failure}", failure)
    return Again(delay, failure)


def _backoff(rule: Retry, attempt: int, draw: float) -> float:
    base = rule.base if rule.base is not None else DEFAULT_BASE
    cap = rule.cap if rule.cap is not None else DEFAULT_CAP
    return full_jitter(attempt, base, cap, draw)
