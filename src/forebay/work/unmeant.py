"""USR1 and USR2, by which other servers reopen their log or reload: said, and nothing done.

Left to the system they end a process without a word, and what runs there counts as having lost a worker. Not where the
user's code listens to one of them.
"""

import asyncio
import logging
import signal

_SIGNALS = (signal.SIGUSR1, signal.SIGUSR2)


def pass_by(loop: asyncio.AbstractEventLoop, logger: logging.Logger) -> None:
    """From now on they do nothing here, as handlers: programs that tasks start do not inherit that."""

    def told(number: signal.Signals) -> None:
        logger.warning(
            "%s: all goes on, for it means nothing here. A log that was moved away needs copytruncate (logrotate), or "
            "a pipe; TERM stops, QUIT shows the stacks",
            number.name,
        )

    for number in _SIGNALS:
        if signal.getsignal(number) is signal.SIG_DFL:
            loop.add_signal_handler(number, told, number)
