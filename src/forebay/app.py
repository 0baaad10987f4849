"""Forebay: the app object and composition root, the only place that builds the parts."""

import weakref
from collections.abc import Sequence
from types import TracebackType
from typing import Any, NoReturn, ParamSpec, Self, TypeVar, Unpack, cast

from forebay import config
from forebay.config import Given
from forebay.control import whoami
from forebay.engine.capabilities import Need, require
from forebay.engine.contract import Depth
from forebay.engine.facade import Facade
from forebay.engine.measured import watched_store
from forebay.engine.registry import backend, scheme_of
from forebay.engine.waiting import drive
from forebay.model.clock import Clock, SystemClock, checked
from forebay.model.errors import ConfigError
from forebay.model.log import guard
from forebay.model.queue import check_name
from forebay.produce.calls import several
from forebay.produce.codec import encode_value
from forebay.produce.declaring import Declares
from forebay.produce.handle import Handle, named, told
from forebay.produce.looking import Which, asked, queues_asked
from forebay.produce.needs import needs_of
from forebay.produce.producer import Producer
from forebay.produce.registry import Registry
from forebay.produce.rules import Rules
from forebay.produce.seal import make_seal
from forebay.produce.task import Task
from forebay.produce.ways import Options, RawSends, apart, options
from forebay.store.records import Found, Query

P = ParamSpec("P")
C = TypeVar("C")
T = TypeVar("T")

guard()


class Forebay(Declares):
    """Queues and tasks on one engine.

    Args:
        url: where messages wait: `sqlite:///relative.db`, `sqlite:////absolute.db`, `memory://`.
        clock: what tells the time; the machine's unless a test brings its own.
        settings: see `forebay.config.Settings`. `FOREBAY_*` and `[tool.forebay]` override what is given here.

    Attributes:
        on_start, on_stop: decorators of functions, plain or async, that each worker process calls when it starts, and
            when it ends.
        rules: what operators have done with messages without a deploy.
        on_failure: of functions of (context, error, outcome) that it calls after each attempt that failed.

    Raises:
        ConfigError: a setting is unknown or not usable.
    """

    def __init__(self, url: str | None = None, *, clock: Clock | None = None, **settings: Unpack[Given]) -> None:
        given = dict(settings) if url is None else {"url": url, **settings}
        self.settings, self.origins, keys = config.load(given)
        self.clock: Clock = SystemClock() if clock is None else checked(clock)
        self.registry = registry = Registry()
        queues = registry.queues
        self.backend = parts = backend(self.settings, self.clock)
        declared = weakref.ref(registry)  # whose tasks hold the producer, with which the engine is to go
        scheme, has = scheme_of(self.settings), parts.engine.capabilities
        self.engine = Facade(
            parts.engine,
            queues.values,
            lambda: require(scheme, has, needs_of(declared())),
            note=lambda verb, target, detail: parts.audits.note(whoami(), verb, target, detail),
            transacts=parts.transacts,
        )
        self.store = watched_store(parts, self.engine.watch)
        self.producer = Producer(
            self.engine,
            self.store,
            self.settings,
            make_seal(self.settings, keys),
            self.engine.within,
            clock=self.clock,
        )
        self.rules = Rules(self.engine, self.store, self.producer.seal)
        registry.bind(self.producer)
        self.producer.queues = registry.queues
        self.on_start, self.on_stop, self.on_failure = registry.on_start, registry.on_stop, registry.on_failure
        # A task may outlive its app and go on to send: the engine, which knows neither, closes when the producer goes.
        weakref.finalize(self.producer, _close, self.engine)

    def _registry(self) -> Registry:
        return self.registry

    def __repr__(self) -> str:
        return f"<Forebay {config.masked(self.settings.url)} with {len(self.registry.tasks)} tasks>"

    def __reduce__(self) -> NoReturn:
        raise ConfigError("an app cannot be copied or pickled: make one in each process, or import it there")

    async def open(self) -> Self:
        """Open the engine, and have what an earlier process left in the outbox brought to its queues.

        Producing opens it by itself; a worker and the command line do too.
        """
        await self.engine.open()
        await self.producer.begin()
        return self

    async def close(self) -> None:
        """Finish what was accepted and let go of the engine."""
        await self.engine.close()

    async def __aenter__(self) -> Self:
        return await self.open()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    def __enter__(self) -> Self:
        return drive(self.open())

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        drive(self.engine.close())

    def include(self, registry: Registry) -> None:
        """Take in what a registry has declared, and what it will declare: tasks, consumers, schedules, hooks.

        Several apps may include one registry; each has its own copies of the tasks, see `task_of`.

        Raises:
            ConfigError: a name of it means something else in this app, or it is no registry.
        """
        self.registry.include(registry)

    def task_of(self, task: Task[P, C, T]) -> Task[P, C, T]:
        """A task of a registry, as one that sends through this app; needed where several apps include it.

        Raises:
            ConfigError: the task is not of this app.
        """
        known = self.registry.tasks.get(task.name)
        if known is None or known.function is not task.function:
            raise ConfigError(f"task {task.name} is not of this app: include its registry first")
        return cast("Task[P, C, T]", known)

    async def apublish(self, queue: str, value: Any, **ways: Unpack[RawSends]) -> Handle[Any]:
        """Publish a raw message: any JSON-like value, dataclass, Struct or pydantic model. Durable when this returns.

        Raises:
            BadArguments: the value cannot be encoded.
            PayloadTooLarge: it is too large.
        """
        return (await self.apublish_many(queue, [value], **ways))[0]

    def publish(self, queue: str, value: Any, **ways: Unpack[RawSends]) -> Handle[Any]:
        """`apublish` for synchronous code."""
        return drive(self.apublish(queue, value, **ways))

    async def apublish_many(self, queue: str, values: Sequence[Any], **ways: Unpack[RawSends]) -> list[Handle[Any]]:
        """Publish many raw messages in one transaction; on Redis five hundred at a time, in order."""
        several(values, "publish_many: give it a list of values, one for each message")
        waits, within = apart(ways)
        chosen = options(Options(queue=check_name("queue", queue)), waits, "publish()", RawSends)
        if chosen.in_time and values:
            await self.producer.in_time("", chosen, count=len(values))
        messages = self.producer.messages("", [encode_value(value) for value in values], chosen)
        receipts = await self.producer.publish(messages, within)
        return told(self.producer, receipts, within=within)

    def publish_many(self, queue: str, values: Sequence[Any], **ways: Unpack[RawSends]) -> list[Handle[Any]]:
        """`apublish_many` for synchronous code."""
        return drive(self.apublish_many(queue, values, **ways))

    def handle(self, id_: str) -> Handle[Any]:
        """The handle of a message by its id; `task.handle(id)` knows the type of its result."""
        return Handle(self.producer, named(id_))

    async def amessages(self, query: Query | None = None, **which: Unpack[Which]) -> list[Found]:
        """Messages, oldest first; those that wait or run, unless a state is named. See `Query` for what to name.

        Raises:
            ConfigError: there is no such thing to name.
        """
        self.producer.require(Need("browse", "this app", "messages()"))
        await self.engine.open()
        return [self.producer.revealed(found) for found in await self.store.messages(asked(query, which))]

    def messages(self, query: Query | None = None, **which: Unpack[Which]) -> list[Found]:
        """`amessages` for synchronous code."""
        return drive(self.amessages(query, **which))

    async def aqueues(self, *names: str) -> list[Depth]:
        """The numbers of these queues, or of all, by name: how many wait, run, are dead, and for how long.

        Raises:
            ConfigError: one is no text that could be a name.
        """
        asked_for = queues_asked(names)
        await self.engine.open()
        return sorted(await self.engine.depth(asked_for), key=lambda depth: depth.queue)

    def queues(self, *names: str) -> list[Depth]:
        """`aqueues` for synchronous code."""
        return drive(self.aqueues(*names))


def _close(engine: Facade) -> None:
    engine.drop()
