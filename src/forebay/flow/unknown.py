"""A message whose task nobody here knows: how long it waits until it is offered again. Pure.

A rolling deploy has producers that are newer than some workers. What these cannot run goes back and waits a quarter of
the time that it has waited already: a newer worker gets it soon, and one that nobody will ever know costs little.
"""

#: Seconds that it waits at the least, and at the most, unless there are very many.
LEAST, MOST = 1.0, 60.0
#: Such messages that one worker takes up each second; the more there are, the later they come back.
RATE = 500.0


def pause(waited: float, ahead: float, draw: float) -> float:
    """Seconds until it is offered again.

    Args:
        waited: seconds since it was first handed back; 0.0 for the first time.
        ahead: seconds that this worker needs, at its rate, for those that it has handed back before.
        draw: a random number in [0, 1), so that they do not come back all at once.
    """
    return max(min(max(waited / 4, LEAST), MOST), ahead) * (0.5 + draw)
