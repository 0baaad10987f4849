"""What a worker and its process for tasks say to each other through their pipe: jobs one way, replies the other.

By itself, so that a worker without such processes loads nothing of what runs in them.
"""

import msgspec

from forebay.config import WorkerOptions
from forebay.model.delivery import Delivery
from forebay.model.message import Failure
from forebay.model.outcome import Outcome
from forebay.model.topology import Edge
from forebay.work.executor import Bounds

#: How a process ends that could not begin, for want of threads or memory: no job of its has run.
UNABLE = 71
#: What the parent says before it strikes with SIGUSR1: a signal without it is somebody else's.
STRIKE = b"strike"


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """What the parent sends: a delivery, its task, and where the task's function is, for want of an app.

    Attributes:
        worker: the id of the worker that holds it.
        told, at: the store's time when it was sent, and when that was; see `work.storetime`.
    """

    delivery: Delivery
    worker: str
    task: str
    module: str
    name: str
    told: float
    at: float


class Start(msgspec.Struct, frozen=True, kw_only=True):
    """What the parent says at the start.

    Attributes:
        path: where modules are found.
        pipe: the descriptor on which jobs come.
        life: one that ends with the parent.
    """

    options: WorkerOptions
    bounds: Bounds
    path: list[str]
    pipe: int
    life: int


class Reply(msgspec.Struct, frozen=True, kw_only=True):
    """What the child sends.

    Attributes:
        outcome, progress: of the task.
        unloaded: why no task can run here: the app could not be imported, or a hook failed at the start.
        started: the task starts.
        completing: it is about to be done in a transaction of its own.
        told: with an outcome: the hooks hear of it here; until they have it is not `free` for another task.
        fed, used: with an outcome: which queues it has published into; what it says that it has really cost.
    """

    outcome: Outcome | None = None
    progress: bytes | None = None
    unloaded: Failure | None = None
    started: bool = False
    completing: bool = False
    told: bool = False
    free: bool = False
    fed: tuple[Edge, ...] = ()
    used: float | None = None
