"""A message whose task nobody here knows: how long it waits until it is offered again. Pure.

A rolling deploy has producers that are newer than some workers. What these cannot run goes back and waits a quarter of
the time that it has waited already: a newer worker gets it soon, and one that nobody will ever know costs little.
"""

import math

#: Seconds that it waits at the least, and at the most, unless there are very many.
LEAST, MOST = 1.0, 60.0
#: Such messages that one worker takes up each second; the more there are, the later they come back.
RATE = 250.0
#: Of the time of a queue that gives them out one by one, for it has limits: the part that they may take.
SHARE = 1 / 8
#: Seconds between two bunches at the most, and of work ahead below which there is no need for them.
BUNCH, _FEW = 16.0, 1.0


def pause(waited: float, ahead: float, draw: float, now: float) -> float:
    """Seconds until it is offered again.

    Args:
        waited: seconds since it was first handed back; 0.0 for the first time.
        ahead: seconds that this worker needs, at its rate, for those that it has handed back before.
        draw: a random number in [0, 1), so that they do not come back all at once.
        now: the time; very many come back in bunches, which cost less than one by one.
    """
    delay = max(min(max(waited / 4, LEAST), MOST), ahead) * (0.5 + draw)
    if ahead < _FEW:
        return delay
    bunch = min(2.0 ** math.floor(math.log2(ahead / 8)), BUNCH)  # of whole powers, so that the bunches meet
    return math.ceil((now + delay) / bunch) * bunch - now
