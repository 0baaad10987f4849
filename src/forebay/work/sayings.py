"""What a worker says to whoever started it: what it is, what it waits for, how something ended. Text from facts."""

import math
import os
import signal
from collections.abc import Sequence

from forebay.config import WorkerOptions, masked

#: Messages that are named among those that are waited for.
_NAMED = 5


def banner(options: WorkerOptions, url: str, queues: Sequence[str], tasks: int) -> str:
    """The first line: the app, where its messages are, what is served, and how much at a time."""
    each = " each" if options.processes > 1 else ""
    slots = f"{_count(options.processes, 'process', 'processes')} with {_count(options.concurrency, 'slot')}{each}"
    apart = f", {_count(options.cpu or os.cpu_count() or 1, 'process', 'processes')}{each} for cpu tasks"
    served = f"{_count(tasks, 'task')} on {_count(len(queues), 'queue')}: {', '.join(queues)}"
    return f"app {options.app} at {masked(url)}; {served}; {slots}{apart}"


def stopping(signal_name: str, times: int, drain: float, begun: bool = True) -> str:
    """What follows from being told to stop for the first, second or third time; `begun`: a worker has started."""
    if not begun:
        return f"{signal_name}: no worker has started yet: ending what starts"
    match times:
        case 1:
            patience = "for as long as it takes" if drain == math.inf else f"for up to {drain:g} s"
            return f"{signal_name}: taking no new messages, letting what runs end {patience}; once more hands it back"
        case 2:
            return f"{signal_name} again: handing back what still runs"
        case _:
            return f"{signal_name} again: ending now, what still runs is handed back"


def waiting(running: Sequence[tuple[str, str, float]]) -> str:
    """What is waited for: task, message id and seconds so far of each; some of them by name, the longest first."""
    first = sorted(running, key=lambda run: -run[2])[:_NAMED]
    names = ", ".join(f"{' '.join(filter(None, (task, id_)))} ({seconds:.0f} s)" for task, id_, seconds in first)
    more = f" and {len(running) - len(first)} more" if len(running) > len(first) else ""
    return f"waiting for {names}{more}"


def silent(id_: str, pid: int, seconds: float, hook: str = "") -> str:
    """That a worker process has stopped reporting, and what to do; `hook` is what it was in when it did."""
    if hook:
        return (
            f"worker {id_} (process {pid}) has not reported for {seconds:.0f} s: its {hook} keeps the loop (SIGQUIT to "
            "this supervisor shows where), or it is stopped"
        )
    return (
        f"worker {id_} (process {pid}) has not reported for {seconds:.0f} s: it is stopped (SIGSTOP, a debugger), "
        "starved, or held by code that keeps the interpreter. What runs in it stays leased: SIGCONT if it is stopped, "
        "SIGQUIT for its stacks, SIGKILL to have it replaced"
    )


def still(task: str, id_: str, pid: int) -> str:
    """That the process of a task is held still, and what to do."""
    return (
        f"{task} {id_}: its process {pid} is stopped (SIGSTOP, a debugger), and goes no further: SIGCONT to that "
        "process, or SIGKILL to have the message run again"
    )


def unrenewed(id_: str, parent: int) -> str:
    """That a worker process ends because its lease ran out, and why that may be."""
    return (
        f"worker {id_} leaves, for its lease was not renewed: its supervisor (process {parent}) is stopped (SIGSTOP, a "
        "debugger; SIGCONT, or start the service anew), or was starved; or the engine was away, was emptied or "
        "restored, or its clock was set"
    )


def late(id_: str, pid: int, seconds: float, hook: str = "") -> str:
    """That a worker process does not get through its start, and what to do; `hook` is what it is in."""
    what = f"its {hook} has not ended" if hook else "the import of the app takes long or hangs"
    return (
        f"worker {id_} (process {pid}) has not started after {seconds:.0f} s: {what}. SIGQUIT to this supervisor "
        "shows where; SIGCONT to that process if it was stopped"
    )


def end(code: int, kills: int = 0) -> str:
    """How a process ended; `kills` is how many the kernel has ended meanwhile for want of memory."""
    if code >= 0:
        return f"code {code}"
    if code == -signal.SIGKILL and kills > 0:
        return "SIGKILL, most likely by the kernel: memory has run out here (see oom_kill in its log)"
    try:
        return signal.Signals(-code).name
    except ValueError:  # a real-time signal has no name
        return f"signal {-code}"


def _count(number: int, one: str, many: str = "") -> str:
    return f"{number:,} {one if number == 1 else many or one + 's'}"
