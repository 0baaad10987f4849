"""Work that goes on while its server, or the way to it, is struck: two fleets, and a producer that never gives up."""

import time
from collections.abc import Mapping
from itertools import chain

from forebay.testing.faults.netns import Host
from forebay.testing.faults.procs import Proc
from forebay.testing.faults.trial import LEISURE, Broken, Trial
from forebay.testing.history import events

#: Seconds from the server's return until everybody has to have been answered again.
BACK = 5.0
#: How long that is waited for before it is given up.
_GIVE_UP = 60.0
#: Runs at a time in each fleet; the number of the producer's first message, far from those of the trial.
_SLOTS, _FAR = 4, 1_000_000
#: Answers that show a worker, or a producer, to be at work again.
_ANSWERS = (events.Leased, events.Settled, events.Published)
#: Those that show that a worker consumes, and a producer gets its messages in.
_CONSUMES = (events.Leased, events.Published)


class Load:
    """The processes, and how long each of them was without an answer. They come by `port`, or straight.

    Args:
        host: where they all are, if not where this process is; a worker is back then when it takes new work.
    """

    def __init__(
        self, trial: Trial, port: int | None = None, pause: float = 0.02, host: Host | None = None, fleets: int = 2
    ) -> None:
        self._trial = trial
        self._shows = _ANSWERS if host is None else _CONSUMES
        env: Mapping[str, str] = {} if port is None else {"FOREBAY_URL": trial.url_at(port)}
        self.fleets = [trial.fleet(concurrency=_SLOTS, env=env, host=host) for _ in range(fleets)]
        first = [f"{trial.seed}", f"{_FAR}", f"{pause}"]
        self.producer = trial.start(["-m", "forebay.testing.faults.insist", *first], env, host=host)
        self.waits: list[float] = []
        self._keep_busy()
        trial.until("everybody is at work", lambda: self._answered(0.0) is not None, look=LEISURE)

    def _keep_busy(self) -> None:
        """So much work that one fleet alone does not take it all. The trial's own way to the server is never struck."""
        self._trial.send("work", 4 * _SLOTS, seconds=0.2)

    def comes_back(self, since: float) -> None:
        """Wait until each of them has been answered since then (monotonic), without helping.

        Raises:
            Broken: one of them is not.
        """
        self._keep_busy()
        self._trial.until("everybody is answered again", lambda: self._answered(since) is not None, _GIVE_UP, LEISURE)
        self.waits.append(self._answered(since) or 0.0)

    def _answered(self, since: float) -> float | None:
        """Seconds until the last of them was answered for the first time after `since`; None while one is not."""
        found = [event for kind in self._shows for event in self._trial.events(kind) if event.at > since]
        firsts = [self._first(found, proc) for proc in (*self.fleets, self.producer)]
        return None if None in firsts else max(at for at in firsts if at is not None) - since

    def _first(self, found: list[events.Event], proc: Proc) -> float | None:
        pids = set(proc.family())
        return min((event.at for event in found if event.pid in pids), default=None)

    def longest_publish(self) -> float:
        """Seconds that a publish took at the most until it was accepted or raised, those of before and now alike."""
        asked = {(event.pid, event.call): event.at for event in self._trial.events(events.Publishing)}
        ends = chain(self._trial.events(events.Published), self._trial.events(events.Unanswered))
        took = [event.at - asked.pop(place) for event in ends if (place := (event.pid, event.call)) in asked]
        return max([*took, *(time.monotonic() - at for at in asked.values())], default=0.0)

    def finish(self, within: float | None = BACK) -> None:
        """End the producer, and wait until all is done.

        Args:
            within: seconds in which everybody has to have come back each time; None where that is not measured.

        Raises:
            Broken: somebody ended by itself, something was not done, or it took too long.
        """
        trial = self._trial
        if self.producer.stop():
            raise Broken(f"the producer ended with an error; see {self.producer.log}")
        asked = dict.fromkeys(item.id for event in trial.events(events.Publishing) for item in event.items)
        trial.expect(list(asked))
        trial.drain()
        if ended := [fleet for fleet in self.fleets if fleet.code is not None]:
            raise Broken(f"a fleet ended with {ended[0].code}; see {ended[0].log}")
        if within is not None and self.waits:
            self._note(within)

    def _note(self, within: float) -> None:
        waits = sorted(self.waits)
        self._trial.notes.append(
            f"all at work again {waits[len(waits) // 2]:.2f} s after the return (median of {len(waits)}), "
            f"{waits[-1]:.2f} s at the most"
        )
        if waits[-1] > within:
            raise Broken(f"somebody was at work again only {waits[-1]:.1f} s after the return")
