"""Calls that are right: a type checker objects to none of them, and each result has the type that is asserted."""

from collections.abc import Coroutine
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, assert_type

import msgspec

from forebay import (
    Call,
    Context,
    Delivery,
    Depth,
    Forebay,
    Found,
    Handle,
    Message,
    Outcome,
    Query,
    Registry,
    Retry,
    Snooze,
    State,
)

app = Forebay("memory://", lease="15s", result_ttl=timedelta(hours=1), durability="normal", signing_keys="")
tasks = Registry()


class Order(msgspec.Struct):
    id: int


@dataclass
class Address:
    street: str


@app.task
def bare(to: str, *, subject: str = "") -> str:
    return to + subject


@app.task(queue="mail", retry=Retry(max_attempts=3), timeout=30)
def with_options(to: str, count: int = 1) -> int:
    return len(to) * count


@app.task
async def asynchronous(order: Order) -> Address:
    return Address(str(order.id))


@app.task(retry=5)
def with_context(ctx: Context, number: int) -> float:
    return number / ctx.attempt


@app.task
async def asynchronous_with_context(ctx: Context, number: int) -> list[int]:
    return [number, ctx.attempt]


@app.task
def may_snooze(number: int) -> str | Snooze:
    return Snooze(60) if number else "done"


@app.task
def takes_anything(value: Any, times: int = 1) -> str:
    return str(value) * times


@app.task
def takes_an_object(value: object) -> str:
    return str(value)


@app.periodic("*/5 * * * *", tz="Europe/Vienna")
def tidy() -> None: ...


@app.periodic(every=30, overlap="skip", priority=3, key="tenant-7")
@app.periodic("@daily", missed="all", name="daily")
@tasks.task(timeout="30s", expires=timedelta(minutes=5))
def often() -> int:
    return 1


@tasks.on_start
async def connect() -> None: ...


@app.on_failure
def tell(context: Context, error: BaseException, outcome: Outcome) -> None:
    assert_type(context.delivery, Delivery)
    assert outcome.move == "dead-letter"


@app.consume("clicks", batch=500, max_wait=0.2)
async def load(messages: list[Message]) -> None:
    assert_type(messages[0].headers, dict[str, str])


def from_synchronous_code() -> None:
    assert_type(bare("a@b.c", subject="hello"), str)
    assert_type(bare.enqueue("a@b.c", subject="hello"), Handle[str])
    assert_type(bare.enqueue(to="a@b.c").result(timeout=5), str)
    assert_type(with_options.enqueue("a@b.c", 2).result(), int)
    assert_type(with_context.enqueue(3).result(), float)
    assert_type(may_snooze(3), str | Snooze)
    assert_type(may_snooze.enqueue(3), Handle[str])
    assert_type(may_snooze.using(delay=1).enqueue(3).result(), str)
    assert_type(may_snooze.enqueue_many([(3,)]), list[Handle[str]])
    assert_type(takes_anything.enqueue({"a": 1}, 2).result(), str)
    assert_type(takes_an_object.enqueue(object()).result(), str)
    assert_type(tidy.enqueue().result(), None)
    assert_type(asynchronous.enqueue(Order(1)).result(), Address)
    assert_type(asynchronous_with_context.enqueue(1).result(), list[int])
    chosen = bare.using(delay=60, priority=5, key="tenant-7", unique="welcome:7", expires=3600, queue="slow")
    assert_type(chosen.enqueue("a@b.c").result(), str)
    assert_type(bare.enqueue_many([("a@b.c", {"subject": "x"}), ("d@e.f",)]), list[Handle[str]])
    assert_type(app.publish("clicks", {"page": "/"}, key="visitor-9"), Handle[Any])


def calls_as_values() -> None:
    call = bare.call("a@b.c", subject="x")
    assert_type(call.using(id="one", delay="5s"), Call[str])
    assert_type(call.enqueue(), Handle[str])
    assert_type(bare.using(priority=1).call("a@b.c"), Call[str])
    assert_type(bare.enqueue_many([("a@b.c",), call]), list[Handle[str]])
    assert_type(may_snooze.call(1).enqueue().result(timeout="5s"), str)
    assert_type(bare.handle("01a2").result(), str)
    assert_type(app.task_of(bare).enqueue("a@b.c"), Handle[str])
    assert_type(often.enqueue().result(), int)


def lists() -> None:
    assert_type(app.messages(queue="mail", task=bare, state=State.DEAD, limit=10), list[Found])
    assert_type(app.messages(Query(task="bare"), state="dead"), list[Found])
    assert_type(app.queues("mail", "clicks"), list[Depth])
    app.include(tasks)


async def from_asynchronous_code(ctx: Context) -> None:
    coroutine: Coroutine[Any, Any, Address] = asynchronous(Order(1))
    assert_type(await coroutine, Address)
    handle = await bare.aenqueue("a@b.c", subject="hello")
    assert_type(await handle.aresult(timeout=5), str)
    assert_type(await (await asynchronous.aenqueue(Order(1))).aresult(), Address)
    assert_type(await (await bare.using(delay=1).aenqueue("a@b.c")).aresult(), str)
    assert_type(await ctx.aenqueue(with_options, "a@b.c", count=2), Handle[int])
    assert_type(ctx.enqueue(with_options, "a@b.c", count=2), Handle[int])
    assert_type(await app.apublish("clicks", {"page": "/"}, delay=1), Handle[Any])


@app.on_start
async def opened() -> None: ...


@tasks.on_failure
async def heard(context: Context, error: Exception, outcome: Outcome) -> None: ...


@app.on_failure
def told(context: Context, error: object, *more: object) -> None: ...


def rules() -> None:
    app.rules.add("pause", task=bare, lasts="2h")
    app.rules.preview("drop", task="bare", lasts=60)
    told(Context.current(), ValueError())
