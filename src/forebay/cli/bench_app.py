"""The app of `forebay bench`: a task that does nothing, and one that tells how late it starts.

Its engine is the one of FOREBAY_URL, which the bench sets to a file of its own.
"""

import time

from forebay.app import Forebay

app = Forebay()


@app.task(queue="bench")
def nothing() -> None:
    """Do nothing: what is measured is what Forebay does around it."""


@app.task(queue="bench")
def lateness(sent: int) -> int:
    """Nanoseconds since it was sent; the monotonic clock is the same one in all processes of a host."""
    return time.monotonic_ns() - sent
