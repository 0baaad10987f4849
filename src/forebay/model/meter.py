"""What a lane has to pass before its messages may start: a rate, a number of slots. Data; `flow.grant` judges by it."""

import msgspec


class Meter(msgspec.Struct, frozen=True, kw_only=True):
    """A rate and slots, shared by all workers.

    Attributes:
        name: what it belongs to: "queue:mail", "task:ask", "key:mail:tenant-7", "provider:smtp".
        rate: messages a second, each counted as its cost; None for no bound.
        burst: how many at once after a quiet time.
        slots: how many may run at a time; None for no bound.
        generation: grows with every change; a change that names an older one is refused.
        running: how many run that passed it; 0 in the meter that a queue has for each key, if that bounds no slots. The
            store counts; what is put here is not read.
        tat: when what it has let through is paid for, seconds since the epoch (the theoretical arrival time of GCRA).
            The store moves it; what is put here is not read.
    """

    name: str
    rate: float | None = None
    burst: float | None = None
    slots: int | None = None
    generation: int = 0
    running: int = 0
    tat: float = 0.0
