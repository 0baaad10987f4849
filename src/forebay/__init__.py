"""Forebay: messaging queues and workers, on one SQLite file or on the servers you have."""

from forebay.app import Forebay
from forebay.flow.retry import Retry
from forebay.flow.snooze import Snooze
from forebay.model.errors import (
    BadArguments,
    BadResult,
    BadSeal,
    ConfigError,
    DeadLetter,
    EngineError,
    EngineFull,
    EngineUnreachable,
    ForebayError,
    LeaseLost,
    NoSuchMessage,
    OutcomeUnknown,
    PayloadTooLarge,
    ResultTimeout,
    SchemaTooNew,
    SchemaTooOld,
    TaskFailed,
    TimeLimit,
    UnknownTask,
)
from forebay.model.lifecycle import State
from forebay.produce.batch import Message
from forebay.produce.context import Context
from forebay.produce.handle import Handle
from forebay.produce.task import Task

__all__ = [
    "BadArguments",
    "BadResult",
    "BadSeal",
    "ConfigError",
    "Context",
    "DeadLetter",
    "EngineError",
    "EngineFull",
    "EngineUnreachable",
    "Forebay",
    "ForebayError",
    "Handle",
    "LeaseLost",
    "Message",
    "NoSuchMessage",
    "OutcomeUnknown",
    "PayloadTooLarge",
    "ResultTimeout",
    "Retry",
    "SchemaTooNew",
    "SchemaTooOld",
    "Snooze",
    "State",
    "Task",
    "TaskFailed",
    "TimeLimit",
    "UnknownTask",
    "__version__",
]

__version__ = "0.1.0"
