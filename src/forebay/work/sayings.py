"""What a worker says to whoever started it: what it is, what it waits for, how something ended. Text from facts."""

import math
import os
import signal

from forebay.config import WorkerOptions, masked
from forebay.work.link import Hello


def banner(options: WorkerOptions, hello: Hello) -> str:
    """The first line: the app, where its messages are, what is served, and how much at a time."""
    queues = ", ".join(hello.beat.queues)
    each = " each" if options.processes > 1 else ""
    slots = f"{_count(options.processes, 'process', 'processes')} with {_count(options.concurrency, 'slot')}{each}"
    apart = f", {_count(options.cpu or os.cpu_count() or 1, 'process', 'processes')}{each} for cpu tasks"
    served = f"{_count(hello.tasks, 'task')} on {_count(len(hello.beat.queues), 'queue')}: {queues}"
    return f"app {options.app} at {masked(hello.settings.url)}; {served}; {slots}{apart}"


def stopping(signal_name: str, times: int, running: int, drain: float) -> str:
    """What follows from being told to stop for the first, second or third time."""
    if times > 2:
        return f"{signal_name} again: ending the worker processes now, what they hold is handed back"
    if times == 2:
        return f"{signal_name} again: handing back what still runs"
    if not running:
        return f"{signal_name}: leaving, nothing runs"
    patience = "for as long as it takes" if drain == math.inf else f"up to {drain:g} s"
    runs = "1 message still runs" if running == 1 else f"{running} messages still run"
    return f"{signal_name}: taking no new messages; {runs}, {patience}; once more hands back"


def end(code: int) -> str:
    """How a process ended."""
    if code >= 0:
        return f"code {code}"
    try:
        return signal.Signals(-code).name
    except ValueError:  # a real-time signal has no name
        return f"signal {-code}"


def _count(number: int, one: str, many: str = "") -> str:
    return f"{number:,} {one if number == 1 else many or one + 's'}"
