"""Which feeds a worker has: who leases from which queues, into how many slots, and from which lanes. Pure.

Work for processes goes by itself: in queues of its own, or in lanes of its own in the others, so that nothing else
waits for a process, and no process is kept waiting.
"""

import os
from collections.abc import Iterable, Sequence
from typing import Any

from forebay.config import WorkerOptions
from forebay.model.message import CPU
from forebay.produce.task import Task
from forebay.work.feed import NO_CAPS, Plan


def plan(tasks: Iterable[Task[..., Any, Any]], queues: Sequence[str], options: WorkerOptions) -> list[Plan]:
    """The feeds for these queues, in which tasks wait."""
    known = list(tasks)
    kinds = {queue: {task.running.cpu for task in known if task.waiting.queue == queue} for queue in queues}
    apart = [queue for queue in queues if kinds[queue] == {True}]
    usual = [queue for queue in queues if queue not in apart]
    cpus = options.cpu or os.cpu_count() or 1
    heavy = {task.way[0] for task in known if task.running.cpu}
    light = {"", *(task.way[0] for task in known if not task.running.cpu)}
    plans = [Plan(usual, options.concurrency, dict.fromkeys(heavy | {CPU}, 0) if heavy else NO_CAPS, elastic=True)]
    plans += [Plan(apart, cpus, NO_CAPS)]
    plans += [Plan(usual, cpus, dict.fromkeys(light, 0))] if heavy else []
    return [one for one in plans if one.queues]
