"""Forebay: messaging queues and workers, on one SQLite file or on the servers you have."""

import forebay_command as _command  # first, so that Ctrl-C may come while `python -m forebay` imports the rest
from forebay.app import Forebay
from forebay.engine.contract import Depth, LaneDepth
from forebay.flow.down import ProviderDown
from forebay.flow.retry import Retry
from forebay.flow.snooze import Snooze
from forebay.model.delivery import Delivery
from forebay.model.errors import (
    BadArguments,
    BadResult,
    BadSeal,
    ConfigError,
    DeadLetter,
    EngineError,
    EngineFull,
    EngineRefused,
    EngineUnreachable,
    ForebayError,
    LeaseLost,
    NoSuchMessage,
    NotCommitted,
    OutcomeUnknown,
    PayloadTooLarge,
    QueueFull,
    ResultTimeout,
    SchemaTooNew,
    SchemaTooOld,
    TaskFailed,
    TimeLimit,
    TooLate,
    UnknownTask,
    WorkerLost,
)
from forebay.model.lifecycle import State
from forebay.model.message import Failure
from forebay.model.outcome import Outcome
from forebay.model.queue import QueueSpec
from forebay.produce.batch import Message
from forebay.produce.calls import Call, Using
from forebay.produce.context import Context
from forebay.produce.handle import Handle
from forebay.produce.provided import Breaker, ProviderSpec
from forebay.produce.registry import Registry
from forebay.produce.task import Task
from forebay.store.records import Choice, Found, Query

__all__ = [
    "BadArguments",
    "BadResult",
    "BadSeal",
    "Breaker",
    "Call",
    "Choice",
    "ConfigError",
    "Context",
    "DeadLetter",
    "Delivery",
    "Depth",
    "EngineError",
    "EngineFull",
    "EngineRefused",
    "EngineUnreachable",
    "Failure",
    "Forebay",
    "ForebayError",
    "Found",
    "Handle",
    "LaneDepth",
    "LeaseLost",
    "Message",
    "NoSuchMessage",
    "NotCommitted",
    "Outcome",
    "OutcomeUnknown",
    "PayloadTooLarge",
    "ProviderDown",
    "ProviderSpec",
    "Query",
    "QueueFull",
    "QueueSpec",
    "Registry",
    "ResultTimeout",
    "Retry",
    "SchemaTooNew",
    "SchemaTooOld",
    "Snooze",
    "State",
    "Task",
    "TaskFailed",
    "TimeLimit",
    "TooLate",
    "UnknownTask",
    "Using",
    "WorkerLost",
    "__version__",
]

__version__ = "0.1.0"
del _command
