"""Forebay: messaging queues and workers, on one SQLite file or on the servers you have."""

import forebay_command as _command  # first, so that Ctrl-C may come while `python -m forebay` imports the rest
from forebay.app import Forebay
from forebay.engine.contract import Depth
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
from forebay.produce.calls import Call
from forebay.produce.context import Context
from forebay.produce.handle import Handle
from forebay.produce.registry import Registry
from forebay.produce.task import Task
from forebay.store.contract import Choice, Found, Query

__all__ = [
    "BadArguments",
    "BadResult",
    "BadSeal",
    "Call",
    "Choice",
    "ConfigError",
    "Context",
    "DeadLetter",
    "Depth",
    "EngineError",
    "EngineFull",
    "EngineUnreachable",
    "Forebay",
    "ForebayError",
    "Found",
    "Handle",
    "LeaseLost",
    "Message",
    "NoSuchMessage",
    "OutcomeUnknown",
    "PayloadTooLarge",
    "Query",
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
    "UnknownTask",
    "__version__",
]

__version__ = "0.1.0"
del _command
