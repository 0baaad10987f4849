"""A terminal that one command has to itself for a while: a screen of its own, keys without Enter.

It is given back as it was however the command ends: by itself, with an error, by Ctrl-C, TERM, QUIT or a hang-up; and
for as long as it is stopped by Ctrl-Z.
"""

import asyncio
import contextlib
import os
import signal
import sys
import termios
import tty
from collections.abc import Callable, Generator

#: What ends or stops a process that does nothing about it; Ctrl-C goes its own way, as a KeyboardInterrupt.
_SIGNALS = (signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT, signal.SIGTSTP)


@contextlib.contextmanager
def taken(start: Callable[[], object], stop: Callable[[], object], typed: Callable[[bytes], object]) -> Generator[None]:
    """Have the terminal within the block, on the running loop.

    Args:
        start, stop: take the screen, and give it back; each may be called several times.
        typed: called with the keys that come.
    """

    def give_back() -> None:
        with contextlib.suppress(OSError):  # the terminal itself is gone
            stop()
        keys.give_back()

    def take() -> None:
        start()
        keys.take()

    keys = _Keys(typed)
    try:
        start()
        with keys, _signals(give_back, take):
            yield
    finally:
        give_back()


class _Keys:
    """Keys as they are typed, where there are any; the line discipline as it was, when they are given back."""

    def __init__(self, typed: Callable[[bytes], object]) -> None:
        self._typed, self._keys = typed, sys.stdin.fileno() if sys.stdin.isatty() else None
        self._before = None if self._keys is None else termios.tcgetattr(self._keys)

    def __enter__(self) -> None:
        self.take()
        if self._keys is not None:
            asyncio.get_running_loop().add_reader(self._keys, self._read)

    def __exit__(self, *_: object) -> None:
        if self._keys is not None:
            asyncio.get_running_loop().remove_reader(self._keys)

    def _read(self) -> None:
        if self._keys is not None:
            self._typed(os.read(self._keys, 64) or b"q")  # no keys come any more

    def take(self) -> None:
        """Have each key at once."""
        if self._keys is not None:
            tty.setcbreak(self._keys)

    def give_back(self) -> None:
        """Whole lines again."""
        if self._keys is not None and self._before is not None:
            with contextlib.suppress(termios.error):
                termios.tcsetattr(self._keys, termios.TCSADRAIN, self._before)


@contextlib.contextmanager
def _signals(give_back: Callable[[], None], take: Callable[[], None]) -> Generator[None]:
    """Give the terminal back, then let each signal do what it does; take it again if that was a stop."""
    loop = asyncio.get_running_loop()
    ours = [number for number in _SIGNALS if signal.getsignal(number) is signal.SIG_DFL]  # nohup ignores a hang-up

    def come(number: int) -> None:
        give_back()
        loop.remove_signal_handler(number)
        os.kill(os.getpid(), number)  # only a stop comes back from here
        loop.add_signal_handler(number, come, number)
        take()

    for number in ours:
        loop.add_signal_handler(number, come, number)
    try:
        yield
    finally:
        for number in ours:
            loop.remove_signal_handler(number)
