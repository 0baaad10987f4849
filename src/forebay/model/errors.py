"""Every error Forebay raises: a flat tree under `ForebayError`. Each message says what to do next.

`TimeLimit` alone stands outside of it: it is no failure to be handled, it tells a task to stop.
"""

from typing import Any


class ForebayError(Exception):
    """The base of all our errors; catch this to catch them all."""


class ConfigError(ForebayError):
    """An option, URL, name or signature that cannot work; raised at start, never at run time."""


class IllegalMove(ForebayError):
    """A state change that the life of a message does not have: a bug in an engine."""


class UnknownTask(ForebayError):
    """A message names a task that this app has not registered."""


class BadArguments(ForebayError):
    """Arguments that do not fit the task's signature or types."""


class BadSeal(ForebayError):
    """A sealed payload that cannot be opened or trusted: changed, moved, cut short, or of a key that is not known."""


class BadResult(ForebayError):
    """A return value that cannot be encoded or is not of the annotated type."""


class PayloadTooLarge(ForebayError):
    """A message or result over the payload limit; put the data elsewhere and send its address."""


class EngineError(ForebayError):
    """The engine failed; the cause is kept as `__cause__`."""


class EngineUnreachable(EngineError):
    """The engine cannot be opened or does not answer.

    Attributes:
        advice: what to do about it; the text ends with it.
    """

    def __init__(self, text: str = "", advice: str = "") -> None:
        super().__init__(f"{text}: {advice}" if advice else text)
        self.advice = advice


class EngineRefused(EngineUnreachable):
    """It answers and lets this app not do it: no rights, another password, settings under which messages get lost."""


class EngineClosed(EngineError):
    """The engine was closed here, or never opened."""


class EngineFull(EngineError):
    """No room for new messages. What was accepted is safe and can be settled; publish again when there is room.

    Attributes:
        ids: the ids of those that were refused, once a producer has told them; the others of its call are accepted.
        retry_after: seconds after which it may be worth trying again, if the engine says so.
    """

    ids: tuple[str, ...] = ()
    retry_after: float | None = None


class QueueFull(EngineFull):
    """A queue holds as much as its limit lets it. What was accepted is safe; publish again when there is room.

    Attributes:
        queue: the queue.
        ids: the ids of those that were refused, in order; the others of the call are accepted, but for a transaction of
            the caller's own, in which none is.
        retry_after: seconds after which there is room for all of them, if the queue drains as it did lately; None if
            one of them never fits, for it alone has more bytes than the queue may hold.
    """

    queue: str = ""


class TooLate(ForebayError):
    """Not enqueued, as it asked for (`in_time=True`): it would expire before its turn.

    Attributes:
        eta: when it was expected to start, seconds since the epoch by the engine's clock.
        wait: seconds until then.
    """

    eta: float = 0.0
    wait: float = 0.0


class OutcomeUnknown(EngineError):
    """A publish that was not confirmed: it may or may not have been accepted. Publish it again with the same id.

    Attributes:
        ids: the ids of its messages, in order.
    """

    ids: tuple[str, ...] = ()


class SchemaTooNew(EngineError):
    """The stored schema was written by a newer Forebay than this one."""


class SchemaTooOld(EngineError):
    """The stored schema is older than this Forebay and was asked not to migrate by itself."""


class LeaseLost(ForebayError):
    """This worker's lease ran out or was taken; nothing it still holds may be settled."""


class NotCommitted(ForebayError):
    """A task ended well, but the transaction that it was done in was not committed: the attempt has failed."""


class WorkerLost(ForebayError):
    """The process that ran an attempt is gone; what `on_failure` hears of such an attempt."""


class TaskFailed(ForebayError):
    """The task behind a handle ended without a result. `state` is its fate, `failure` the stored error if any."""

    def __init__(self, message: str, state: str = "dead", failure: object = None) -> None:
        super().__init__(message)
        self.state = state
        self.failure = failure


class ResultTimeout(ForebayError, TimeoutError):
    """`result(timeout=…)` ended before the task did; the task goes on."""


class NoSuchMessage(ForebayError):
    """No message of that id: never accepted, or ended and past its retention."""


class TimeLimit(BaseException):
    """Raised *inside* a task that ran longer than its `timeout=`; catch it to clean up, then let it go.

    A `BaseException`, like `KeyboardInterrupt`, so that no `except Exception` on its way swallows it.
    """


class DeadLetter(ForebayError):
    """Raised by a task that knows it will never succeed: no further attempt, kept as a dead letter with this reason."""


_TYPE: Any = type.__dict__
#: Characters that are kept of what an exception says.
LONGEST = 2_000
#: Characters of a word that is quoted.
_WORD = 100


def name_of(error: BaseException) -> str:
    """The name of its class, as whoever imports it writes it: of ours, the public one."""
    return class_name(type(error))


def class_name(kind: type[BaseException]) -> str:
    """The name of a class of exceptions, whatever a metaclass makes of it."""
    module = _TYPE["__module__"].__get__(kind)
    name: str = _TYPE["__qualname__"].__get__(kind)
    if type(module) is str and module.startswith("forebay."):
        module = "forebay"
    whole = name if type(module) is not str or module == "builtins" else f"{module}.{name}"
    return encodable(whole[:LONGEST])


def text_of(error: BaseException) -> str:
    """What an exception says, whatever it does when it is asked: cut, and without what no encoder takes."""
    try:
        text = str(error)
    except BaseException as broken:  # noqa: BLE001 - their __str__ may do anything
        text = f"(its text cannot be made: {name_of(broken)})"
    return encodable(text[:LONGEST])


def no_text(error: UnicodeEncodeError) -> ConfigError:
    """Our error for a word that no encoder takes: half of a surrogate pair, as Python reads odd bytes of a path."""
    ours = ConfigError(f"{error.object[:_WORD]!r} is no text: it holds bytes that are no UTF-8")
    ours.__cause__ = error
    return ours


def encodable(text: str) -> str:
    """`text` without lone surrogates, which no encoder takes."""
    return text.encode("utf-8", "replace").decode()
