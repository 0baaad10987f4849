"""`python -m forebay.testing.faults.struck SEED FIRST COUNT`: a notebook in which somebody presses Ctrl-C all the time.

It publishes its messages one after the other and looks at them, and is interrupted at random moments of every call.
What was interrupted is tried again with the same id. It ends with 0 only if nothing but `KeyboardInterrupt` was raised,
every one of them arrived, and every call works when nobody interrupts.
"""

import os
import random
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from types import FrameType

from forebay.engine.waiting import drive
from forebay.model.errors import ResultTimeout
from forebay.testing.faults.crew import app, work

#: Calls that may go on after an interrupt was sent, before it counts as swallowed.
_LATE = 200


class _Finger:
    """On Ctrl-C: presses it again and again, one at a time."""

    def __init__(self, seed: int) -> None:
        self.armed, self.pressed, self.over = False, 0, threading.Event()
        self._random = random.Random(seed)
        signal.signal(signal.SIGINT, self._handle)
        threading.Thread(target=self._press, daemon=True).start()

    def _handle(self, _number: int, _frame: FrameType | None) -> None:
        if self.armed:
            self.armed, self.pressed = False, self.pressed + 1
            raise KeyboardInterrupt

    def _press(self) -> None:
        while not self.over.wait(self._random.uniform(0.0005, 0.008)):
            os.kill(os.getpid(), signal.SIGINT)


def _calls(ids: list[str], first: int) -> Iterator[Callable[[], object]]:
    """What a notebook does, with every message that it sends; whatever is repeated repeats an id."""
    for number, id_ in enumerate(ids, first):
        yield lambda id_=id_, number=number: work.using(id=id_).enqueue(number)  # type: ignore[misc]
        yield lambda id_=id_: app.handle(id_).status()  # type: ignore[misc]
        yield lambda id_=id_: _result(id_)  # type: ignore[misc]
        yield lambda: drive(app.engine.depth(["work"]))
        if number % 10 == 0:
            yield lambda: drive(app.close())  # the next call opens it again


def _result(id_: str) -> None:
    try:
        app.handle(id_).result(timeout=0.01)
    except ResultTimeout:
        return


def main(seed: int, first: int, count: int) -> int:
    """Publish `count` messages; the exit code."""
    finger = _Finger(seed + first)
    ids = [f"{seed:016x}{number:016x}" for number in range(first, first + count)]
    work.using(id=ids[0]).enqueue(first)  # which opens the recorder's file: that is no part of what is tried here
    late = 0
    for call in _calls(ids, first):
        while True:  # until it was carried out without an interrupt
            try:
                finger.armed = True
                call()
                late = 0 if finger.armed else late + 1
                finger.armed = False
            except KeyboardInterrupt:
                continue
            break
        if late > _LATE:
            return 3
    finger.over.set()
    sys.stdout.write(f"{finger.pressed} interrupts\n")
    ends = time.monotonic() + 30
    while any(app.handle(id_).status() != "done" for id_ in ids):
        if time.monotonic() > ends:
            return 4
        time.sleep(0.05)
    return 0


if __name__ == "__main__":
    sys.exit(main(*(int(argument) for argument in sys.argv[1:4])))
