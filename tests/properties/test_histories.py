"""Generated histories: whatever is done to a queue, in whatever order, SQLite answers as the memory engine does.

One machine per part of a message's life, so that its collisions are frequent, and one with everything together. A
failure prints the shortest history that was found, as a program.
"""

from properties.machine import (
    Bounded,
    Cancelling,
    Crowded,
    Delays,
    Dying,
    Expiring,
    Failing,
    Lanes,
    Losing,
    Machine,
    Moved,
    Unique,
    histories,
)
from properties.weighed import Weighed


class Retries(Failing, Delays, Machine):
    """Failing, snoozing, handing back, and running again when due."""


class Cancels(Cancelling, Failing, Delays, Machine):
    """Cancelling what waits, what runs, and what would run again."""


class Expiry(Expiring, Delays, Failing, Machine):
    """Times to live, of messages and of queues."""


class Gates(Lanes, Failing, Delays, Machine):
    """Lanes behind gates, and what is parked there."""


class Limits(Bounded, Failing, Machine):
    """Rates, slots and order: how many start, and when."""


class LimitsAndLosses(Bounded, Lanes, Losing, Dying, Cancelling, Expiring, Failing, Machine):
    """Slots are free again whatever becomes of what had them."""

    lease_for = 30.0


class Crowds(Crowded, Failing, Machine):
    """Keys in several lanes, and options and pauses that come and go: nothing that may start stays."""


class Uniqueness(Unique, Cancelling, Failing, Machine):
    """A unique key is held from acceptance to the end, or until its holder is too late to start."""


class DeadLetters(Dying, Unique, Machine):
    """Death, redrive and purge."""


class Leases(Losing, Failing, Cancelling, Machine):
    """Workers that are lost, leases that run out, fences that are old, dates that are set."""

    lease_for = 15.0


class Movings(Moved, Losing, Expiring, Failing, Delays, Machine):
    """Messages with a history go on as if they had always been here."""

    lease_for = 30.0


class Bytes(Weighed, Moved, Losing, Dying, Cancelling, Expiring, Failing, Delays, Machine):
    """The bytes that wait, whatever becomes of messages."""

    lease_for = 30.0


class WholeLife(Moved, Losing, Dying, Unique, Bounded, Lanes, Expiring, Cancelling, Failing, Delays, Machine):
    """Everything at once."""

    lease_for = 30.0


TestRetries = histories(Retries)
TestCancels = histories(Cancels)
TestExpiry = histories(Expiry)
TestGates = histories(Gates)
TestLimits = histories(Limits)
TestLimitsAndLosses = histories(LimitsAndLosses)
TestCrowds = histories(Crowds)
TestUniqueness = histories(Uniqueness)
TestDeadLetters = histories(DeadLetters)
TestLeases = histories(Leases)
TestMovings = histories(Movings)
TestBytes = histories(Bytes, share=5)
TestWholeLife = histories(WholeLife)
