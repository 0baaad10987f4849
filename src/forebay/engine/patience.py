"""How long an engine tries to reach its server below a verb, and how long it waits between two tries.

Shared by engines that talk to a server. Knows no server, and sleeps nowhere: it only says for how long.
"""

import math
import random
import time

#: Seconds from the beginning of a verb until it is answered, whatever the server does.
DEADLINE = 10.0
#: Seconds that a server may take to be connected to, and that it may owe an answer before it is given up.
CONNECT, ANSWER = 3.0, 5.0
#: Seconds in which a verb begins to try that comes while the server has been away for longer than that. A try that has
#: begun may go on until `DEADLINE`: on a slow way it takes longer than this to connect, and nobody would come back.
SHORT = 1.0
#: Seconds between two tries: at first, and at the most.
FIRST, LONGEST = 0.02, 0.5


class Patience:
    """The tries of one connection. Not for two threads."""

    def __init__(self) -> None:
        self._away: float | None = None
        self._tries = 0
        self._ended = self._began = -math.inf

    def begin(self) -> float:
        """A verb begins: until when (monotonic) it may try. Short if others have waited long in vain before it."""
        now = self._began = time.monotonic()
        waited = 0.0 if self._away is None else now - self._away
        return now + max(SHORT, DEADLINE - waited)

    def pause(self) -> float:
        """A try failed: seconds to wait before the next one. Not all clients come back at the same moment."""
        if self._away is None:
            self._away = time.monotonic()
        self._tries += 1
        return min(LONGEST, FIRST * 2.0 ** min(self._tries, 30)) * random.uniform(0.5, 1.0)

    def given_up(self) -> None:
        """A verb has tried for long enough."""
        self._ended = time.monotonic()

    def in_vain(self, asked: float) -> bool:
        """Whether a verb that was asked for then (monotonic) has waited behind one that was given up since.

        It need not try: those who wait for the same server would wait for one another as well.
        """
        return asked < self._ended

    def over(self, deadline: float) -> float:
        """When (monotonic) a try of the present verb has to be over that begins before this."""
        return max(deadline, self._began + DEADLINE)

    def left(self, deadline: float) -> float:
        """Seconds until then."""
        return deadline - time.monotonic()

    @property
    def away(self) -> float:
        """Seconds since the first try that failed; 0.0 if the last one did not."""
        return 0.0 if self._away is None else time.monotonic() - self._away

    def answered(self) -> None:
        """The server answers."""
        self._ended = -math.inf
        self._away, self._tries = None, 0
