"""Attempts that ended with their process, as a supervisor knows them: logged here, told to the hooks by a living child.

The supervisor imports none of the user's code, so it cannot call a hook itself. What no child can hear yet waits here,
up to a bound, and what is left at the end is counted in the log. What a child was told, and had not passed on when it
ended itself, is told to another one: a hook may hear of an attempt twice, but not never.
"""

import logging
from collections import deque
from collections.abc import Callable, Iterable

from forebay.model.delivery import Delivery
from forebay.model.outcome import Outcome, Release, describe
from forebay.work.failures import FAILURES, fate, light
from forebay.work.link import Buried
from forebay.work.offspring import Offspring
from forebay.work.telling import level_of, tell

_logger = logging.getLogger("forebay.supervisor")
#: Ends that wait for a child at the most; the oldest are dropped, and counted.
MOST = 1_000
#: Children that one end is told to at the most: it may be its hook that ends them.
TELLS = 3


class Tidings:
    """For one supervisor.

    Args:
        children: those that live now.
    """

    def __init__(self, children: Callable[[], Iterable[Offspring]]) -> None:
        self._children = children
        self._waiting: deque[tuple[Buried, int]] = deque()  # with how many children were told of it before
        self._wanted: bool | None = None  # nobody has said yet
        self._dropped = 0

    def ended(self, delivery: Delivery, result: Outcome) -> None:
        """The attempt of this message ended so, and that is settled."""
        if isinstance(result, Release):
            return
        tell(level_of(delivery, result), delivery, describe(fate(delivery, result)), result=result)
        if self._wanted is False or not isinstance(result, FAILURES):
            return
        self._waiting.append((Buried(delivery=light(delivery), outcome=result), 0))
        self._bound()
        self.send()

    def again(self, child: Offspring) -> None:
        """A child has ended: what it has not passed on comes first."""
        left = [(one, tells) for one, tells in child.tidings.values() if tells < TELLS]
        self._dropped += len(child.tidings) - len(left)
        child.tidings.clear()
        self._waiting.extendleft(reversed(left))
        self._bound()
        self.send()

    def _bound(self) -> None:
        while len(self._waiting) > MOST:
            self._waiting.popleft()
            self._dropped += 1

    def welcome(self, hooks: bool) -> None:
        """A child is up; whether its app has hooks that want to hear."""
        self._wanted = hooks
        if not hooks:
            self._waiting.clear()
        self.send()

    def send(self) -> None:
        """Tell a child, if one can hear."""
        able = [child for child in self._children() if child.hears]
        while self._waiting and able:
            one, tells = self._waiting[0]
            if able[0].say(one):
                self._waiting.popleft()
                able[0].tidings[one.delivery.id, one.delivery.fence] = one, tells + 1
            else:
                able.pop(0)

    def close(self) -> None:
        """No more children come: what nobody has heard is counted."""
        if (left := len(self._waiting) + self._dropped) and self._wanted:
            _logger.warning("on_failure was not called for %d failed attempts: no worker process was left to", left)
