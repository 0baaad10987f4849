"""The life of one message: begin, call, end. Fate is a value, decided here and nowhere else.

`begin` and one of `ended` or `failed` are plain functions; between them a pool makes the call: on the loop, in a
thread, or in a process. Nothing here waits, and nothing here knows an engine.
"""

import asyncio
import logging
import os
import random
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from types import MappingProxyType
from typing import Any, NamedTuple, Self

from forebay.config import Settings
from forebay.flow.group import is_group, leaves
from forebay.flow.retry import Retry, decide, telling
from forebay.flow.snooze import Snooze, put_off
from forebay.model import errors, outcome
from forebay.model.delivery import Delivery
from forebay.model.message import Failure
from forebay.model.outcome import Outcome
from forebay.model.sealed import OVERHEAD, Part, locked
from forebay.produce.codec import Unfamiliar
from forebay.produce.context import Context
from forebay.produce.pricing import price
from forebay.produce.producer import Producer
from forebay.produce.provided import ProviderSpec
from forebay.produce.seal import Seal
from forebay.produce.task import Task
from forebay.work.completing import Completing
from forebay.work.failures import BAD_ARGUMENTS, BAD_SEAL
from forebay.work.feeding import Feeding
from forebay.work.host import stay
from forebay.work.providers import Providers
from forebay.work.raised import because, failure_of, looked_at, trace_of, without_us
from forebay.work.rules import Rules
from forebay.work.run import ISOLATE_AFTER, Run, Stop
from forebay.work.storetime import StoreTime
from forebay.work.strangers import Strangers

_logger = logging.getLogger("forebay.worker")
#: What all runs of a task need, found once: what they enqueue by, what opens their bodies, and the end of one that
#: returns nothing; None where even that has to be looked at.
Ready = tuple[Producer, Seal | None, outcome.Ack | None]
#: No providers.
NONE: Mapping[str, ProviderSpec] = MappingProxyType({})
_UNDONE = "it was to be done in a transaction (complete_in), and that was not committed"
#: What a timeout throws into a task.
_STRUCK = (asyncio.CancelledError, errors.TimeLimit)


class Bounds(NamedTuple):
    """What an app's settings say to an executor.

    Attributes:
        keep: seconds that ends are remembered, unless the task says otherwise.
        limit: bytes that a body or a result may have.
        unknown_for: seconds that a message is handed back whose task is not known, until it is dead.
    """

    keep: float
    limit: int
    unknown_for: float

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """Those of an app."""
        return cls(settings.result_ttl, settings.payload_limit, settings.unknown_for)


class Executor:
    """Decides what a delivery needs and what its end means.

    Args:
        tasks: the registry; a message of a name that is not in it is handed back, and never imported.
        report: where progress goes.
        time: the store's.

        worker: under whose leases it works.

    Attributes:
        completes: what settles a run in a transaction of its own.
        providers: what is known of them here.
        feeding: gathers which queues its tasks publish into; None: nobody does.
        rules: likewise.
    """

    def __init__(
        self,
        tasks: Mapping[str, Task[..., Any, Any]],
        bounds: Bounds,
        report: Callable[[Delivery, Any], None] | None = None,
        time: StoreTime | None = None,
        worker: str = "",
    ) -> None:
        self._tasks, self._report, self.time = tasks, report, time or StoreTime()
        self._ready: dict[Task[..., Any, Any], Ready] = {}  # of tasks that have run here
        self._keep, self._limit, _ = bounds
        self._most = bounds.limit + OVERHEAD
        self._strangers = Strangers(bounds.unknown_for, self.time.now)
        self._home = os.getpid()
        self.completes = Completing(lambda: worker, self.done)
        self.providers = Providers(NONE)
        self.feeding: Feeding | None = None
        self.rules = Rules(tasks, self.time.now)

    def begin(self, delivery: Delivery) -> Run | Outcome:
        """Ask the rules, resolve, check time and size, unseal, decode: a run, or what becomes of it without one."""
        rules = self.rules
        if (rules.known or delivery.lane) and rules.concern(delivery) and (fate := rules.fate(delivery)) is not None:
            return fate
        task = self._tasks.get(delivery.task)
        if task is None:
            return self._strangers.fate(delivery)
        if delivery.expires is not None and self.time.now() > delivery.expires:
            return outcome.Expire()
        if special := task.special:
            admitted = self._admitted(task, delivery)
            if not isinstance(admitted, Task):
                return admitted
            task = admitted
        if len(delivery.body) > self._most:
            return too_large(delivery, self._limit)
        return self._run(delivery, task, special)

    def _run(self, delivery: Delivery, task: Task[..., Any, Any], special: bool) -> Run | Outcome:
        producer, seal, nothing = self._ready.get(task) or self._readied(task)
        codec = task.codec
        try:
            body = delivery.body if seal is None else seal.open(Part.BODY, delivery, delivery.body)
            args, kwargs = plain = codec.decode(body)
        except BaseException as error:  # noqa: BLE001 - a validator of theirs may even want to leave
            unusable = _unusable(delivery, seal, error)
            return self._strangers.fate(delivery, unusable) if type(error) is Unfamiliar else unusable
        running, now = task.running, self.time.latest
        context = Context(delivery, running.timeout, producer, self._report, self.completes)
        context.feeds, context.time = self.feeding, now
        if codec.context is not None:
            args, kwargs = codec.inject(args, kwargs, context)
        run = Run(
            delivery, task, args, kwargs, context, now, running.cpu or delivery.lost >= ISOLATE_AFTER, nothing,
            is_async=task.is_async, deadline=context.ends, grace=running.grace, started=context.began,
        )  # fmt: skip
        if special:
            self._charge(run, *plain)
        return run

    def _readied(self, task: Task[..., Any, Any]) -> Ready:
        producer = task.producer
        nothing = None if task.codec.returns_value else outcome.Ack(None, self.keep(task))
        ready = self._ready[task] = (producer, producer.seal, nothing)
        return ready

    def _charge(self, run: Run, args: Sequence[Any], kwargs: Mapping[str, Any]) -> None:
        """What it costs its provider; and its own provider, where another one has its work."""
        task, own, context = run.task, self._tasks[run.delivery.task], run.context
        if task.running.provider is not None:
            run.price, run.elsewhere = partial(price, task, args, kwargs), task is not own
            context.spends, context.provider = run.spend, task.running.provider
        if task is not own:
            run.paid = partial(price, own, args, kwargs)

    def _admitted(self, task: Task[..., Any, Any], delivery: Delivery) -> Task[..., Any, Any] | Outcome:
        """The task to run, now that its provider stands as it does; or what becomes of the message without one."""
        now = self.time.now()
        other = self.providers.instead(task, self._tasks, now, delivery)
        return other or self.providers.held(task, delivery, now) or task

    def keep(self, task: Task[..., Any, Any]) -> float:
        """Seconds that the ends of a task are remembered."""
        return self._keep if task.running.result_ttl is None else task.running.result_ttl

    def ended(self, run: Run, value: Any) -> Outcome:
        """The task returned."""
        if os.getpid() != self._home:
            stay(self._home)
        if value is None and run.nothing is not None and not run.context.completing:
            return run.nothing
        if value is not None and issubclass(type(value), Snooze):
            return put_off(value.delay, run.delivery.fence)
        if run.context.completing:
            return self._completed(run, value)
        try:
            return self._ack(run.task, run.delivery, value)
        except errors.PayloadTooLarge as error:
            run.error = error
            return outcome.DeadLetter(str(error))
        except BaseException as error:  # noqa: BLE001 - a result of theirs may do anything when it is looked at
            run.error = without_us(error)
            failure = failure_of(error)
            cause = failure.message if isinstance(error, errors.BadResult) else f"its result is not usable: {failure}"
            return outcome.DeadLetter(cause, failure)

    def _ack(self, task: Task[..., Any, Any], delivery: Delivery, value: Any) -> outcome.Ack:
        keep = self.keep(task)
        if value is None and not task.codec.returns_value:
            return outcome.Ack(None, keep)
        result = task.codec.encode_result(value)
        if len(result) > self._limit:
            raise errors.PayloadTooLarge(f"the result has {len(result):,} bytes, the limit is {self._limit:,}")
        seal = task.producer.seal
        return outcome.Ack(result if seal is None else seal.close(Part.RESULT, delivery, result), keep)

    def done(self, context: Context, value: Any) -> outcome.Ack:
        """The end of a run that goes on, with `value` as its result.

        Raises:
            ConfigError: it was done before it began.
            BadResult, PayloadTooLarge: that cannot be its result.
        """
        task = self._tasks[context.delivery.task]
        if task.running.at_most_once:
            raise errors.ConfigError(f"task {task.name} is at_most_once: it is done before it begins; no complete_in")
        return self._ack(task, context.delivery, value)

    def _completed(self, run: Run, value: Any) -> Outcome:
        """It returned after it was done in a transaction, which has its result."""
        if value is not None and differs(run.task, run.context.given, value):
            text = "%s %s: what it returned is not kept; its result is what complete_in was given"
            _logger.warning(text, run.task.name, run.delivery.id)
        return outcome.Ack()

    def undone(self, run: Run) -> Outcome:
        """It ended well, but the transaction that it was done in was not committed."""
        return self.failed(run, errors.NotCommitted(_UNDONE))

    def failed(self, run: Run, error: BaseException) -> Outcome:
        """The task raised, or was stopped."""
        stay(self._home)
        run.error = without_us(error)
        return self._fate(run, error)

    def overdue(self, run: Run) -> Outcome:
        """The task goes on past its timeout and its grace."""
        return self._fate(run, errors.TimeLimit("did not stop when told to"))

    def judge(self, run: Run, value: Any, error: BaseException | None) -> Outcome:
        """What becomes of a run that has returned a value, or raised; something, whatever goes wrong here."""
        try:
            return self.ended(run, value) if error is None else looked_at(error, partial(self.failed, run))
        except BaseException as flaw:  # noqa: BLE001 - no memory, say; a run without an outcome would keep its slot
            return outcome.Lose(f"its outcome could not be told: {errors.name_of(flaw)}: {errors.text_of(flaw)}")

    def _fate(self, run: Run, error: BaseException) -> Outcome:
        match run.stop:
            case Stop.CANCEL:
                return outcome.Cancel(str(Stop.CANCEL))
            case Stop.ORPHANED:
                return outcome.Lose(str(Stop.ORPHANED))
            case Stop.HAND_BACK:
                return outcome.Release()
            case Stop.TIMEOUT if any(isinstance(leaf, _STRUCK) for leaf in leaves(error)):
                run.error = error = _time_is_up(run, error)
            case _:
                pass
        delivery = run.delivery
        age = max(0.0, run.time.now() - delivery.created)
        failure = failure_of(error)
        if (judged := self.providers.judged(run, error, failure)) is not None:
            return judged
        return self.providers.spaced(run, error, fate_of(run.task.running.retry, error, failure, delivery, age))


def fate_of(policy: Retry, error: BaseException, failure: Failure, delivery: Delivery, age: float) -> Outcome:
    """What the policy, or the task itself, makes of a failure `age` seconds after its message was accepted."""
    result = decide(policy, error, failure, delivery.attempt, age, random.random())
    if isinstance(result, outcome.Snooze):
        return put_off(result.delay, delivery.fence, because(telling(error)))
    return result


def differs(task: Task[..., Any, Any], given: Any, value: Any) -> bool:
    """Whether a task returned something else than what it was done with."""
    try:
        return value is not given and task.codec.encode_result(value) != task.codec.encode_result(given)
    except Exception:  # noqa: BLE001 - a result of theirs may do anything when it is looked at
        return True


def _time_is_up(run: Run, struck: BaseException) -> errors.TimeLimit:
    """What has become of a run that was stopped by its timeout, however that was thrown into it; it shows where."""
    error = errors.TimeLimit(f"ran longer than its timeout of {run.task.running.timeout:g} s")
    if is_group(struck):
        error.__cause__ = struck
    return error.with_traceback(trace_of(struck))


def too_large(delivery: Delivery, limit: int) -> outcome.DeadLetter:
    """A body that no producer with this limit has made."""
    return outcome.DeadLetter(f"the body has {len(delivery.body):,} bytes, the limit is {limit:,}")


def _unusable(delivery: Delivery, seal: Seal | None, error: BaseException) -> outcome.DeadLetter:
    match error:
        case errors.BadArguments():
            return misfit(delivery, seal, f"{BAD_ARGUMENTS}: {error}")
        case errors.BadSeal():
            return outcome.DeadLetter(f"{BAD_SEAL}: {error}")
        case _:
            failure = failure_of(error)
            return outcome.DeadLetter(f"{BAD_ARGUMENTS}: {failure}", failure)


def misfit(delivery: Delivery, seal: Seal | None, why: str) -> outcome.DeadLetter:
    """A body that could not be decoded: for `why`, unless it is sealed and nobody here could look inside."""
    sealed = locked(delivery.body) if seal is None else None
    return outcome.DeadLetter(why if sealed is None else f"{BAD_SEAL}: {sealed}")
