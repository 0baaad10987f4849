"""Lesson 2: arguments and results are typed. They are checked when enqueued, and again when run."""

import asyncio
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from enum import Enum
from typing import TypedDict
from uuid import UUID

import msgspec
import pytest
from pydantic import BaseModel, PositiveInt

from forebay import BadArguments, BadResult, Context, Forebay, PayloadTooLarge, State, TaskFailed
from fundamentals.lesson import work


class Item(msgspec.Struct):
    name: str
    price: Decimal


@dataclass
class Address:
    street: str
    city: str = "Vienna"


class Options(TypedDict):
    gift: bool


class Customer(BaseModel):
    name: str
    age: PositiveInt


class Speed(Enum):
    SLOW = "slow"
    FAST = "fast"


def test_structs_dataclasses_dicts_and_models_arrive_as_what_they_were(app):
    @app.task
    def order(item: Item, address: Address, options: Options, customer: Customer) -> list[str]:
        return [type(value).__name__ for value in (item, address, options, customer)]

    handle = order.enqueue(
        Item("pen", Decimal("1.20")), Address("Ring 1"), options={"gift": True}, customer=Customer(name="Ada", age=36)
    )
    work(app, handle)
    assert handle.result() == ["Item", "Address", "dict", "Customer"]


def test_dates_numbers_enums_and_sets_keep_their_type_by_annotation(app):
    @app.task
    def describe(when: datetime, price: Decimal, name: UUID, speed: Speed, tags: set[str]) -> bool:
        return (when.year, price, name.int, speed, tags) == (2026, Decimal("0.10"), 1, Speed.FAST, {"a", "b"})

    handle = describe.enqueue(datetime(2026, 1, 1, tzinfo=UTC), Decimal("0.10"), UUID(int=1), Speed.FAST, {"a", "b"})
    work(app, handle)
    assert handle.result() is True


def test_results_come_back_typed_too(app):
    @app.task
    def find(city: str) -> Address:
        return Address("Ring 1", city)

    @app.task
    async def load(name: str) -> Customer | None:
        return Customer(name=name, age=36) if name else None

    handles = find.enqueue("Graz"), load.enqueue("Ada"), load.enqueue("")
    work(app, *handles)
    assert [handle.result() for handle in handles] == [Address("Ring 1", "Graz"), Customer(name="Ada", age=36), None]


@pytest.mark.parametrize(
    ("args", "kwargs", "says"),
    [
        ((), {}, "to"),
        (("ada@example.org", 2, 3), {}, "Extra positional arguments"),
        ((1,), {}, r"Expected `str`, got `int` - at `\$.to`"),
        (("ada@example.org",), {"tries": "two"}, r"Expected `int`, got `str` - at `\$.tries`"),
        (("ada@example.org",), {"trise": 2}, "trise"),
    ],
)
def test_a_wrong_call_is_refused_where_it_is_made(app, args, kwargs, says):
    @app.task
    def send(to: str, tries: int = 1) -> None: ...

    with pytest.raises(BadArguments, match=says) as caught:
        send.enqueue(*args, **kwargs)
    assert "it takes (to: str, tries: int = 1)" in str(caught.value)


def test_what_a_task_takes_is_told_without_what_the_worker_fills_in(app):
    @app.task
    def send(context: Context, to: str) -> int: ...

    with pytest.raises(BadArguments, match=r"it takes \(to: str\) -> int"):
        send.enqueue()


def test_a_model_is_validated_before_it_waits(app):
    @app.task
    def greet(customer: Customer) -> None: ...

    with pytest.raises(BadArguments, match="greater than 0"):
        greet.enqueue({"name": "Ada", "age": -1})


def test_what_has_no_form_on_the_wire_is_refused(app):
    @app.task
    def keep(thing: object) -> None: ...

    with pytest.raises(BadArguments, match="generator cannot be sent: use plain data, a Struct, a dataclass"):
        keep.enqueue(number for number in range(3))


def test_a_message_of_an_older_program_that_no_longer_fits_becomes_a_dead_letter(tmp_path):
    """The check is made again by whoever runs it, for the sender may be another version."""

    def program(kind):
        app = Forebay(f"sqlite:///{tmp_path}/forebay.db")

        @app.task(name="count")
        def count(number: kind) -> None: ...

        return app

    with program(str) as old:
        name = old.registry.tasks["count"].enqueue("three").id
    with program(int) as new:
        handle = new.handle(name)
        work(new, handle)
        assert handle.status() is State.DEAD
        with pytest.raises(TaskFailed, match=r"bad arguments: .*Expected `int`, got `str`"):
            handle.result()


def test_a_new_parameter_with_a_default_takes_messages_of_the_old_form(tmp_path):
    with Forebay(f"sqlite:///{tmp_path}/forebay.db") as old:

        @old.task(name="send")
        def send_v1(to: str) -> None: ...

        name = send_v1.enqueue("ada").id
    with Forebay(f"sqlite:///{tmp_path}/forebay.db") as new:

        @new.task(name="send")
        def send_v2(subject: str = "hello", *, to: str) -> str:
            return f"{subject} {to}"

        handle = new.handle(name)
        work(new, handle)
        assert handle.result() == "hello ada"


def test_a_result_of_another_type_than_promised_is_a_dead_letter(app):
    @app.task
    def count() -> int:
        return "three"

    handle = count.enqueue()
    work(app, handle)
    with pytest.raises(TaskFailed, match="its result is not usable: Expected `int`, got `str`"):
        handle.result()


def test_a_stored_result_that_no_longer_fits_is_an_error_for_who_asks(tmp_path):
    with Forebay(f"sqlite:///{tmp_path}/forebay.db") as app:

        @app.task(name="count")
        def count_v1() -> str:
            return "three"

        handle = count_v1.enqueue()
        work(app, handle)
        assert app.handle(handle.id).result() == "three"

        @Forebay("memory://").task(name="count")
        def count_v2() -> int: ...

        with pytest.raises(BadResult, match="the stored result does not fit"):
            count_v2.codec.decode_result(handle.find().result)


def test_a_payload_has_a_limit(tmp_path):
    with Forebay(f"sqlite:///{tmp_path}/forebay.db", payload_limit=1000) as app:

        @app.task
        def echo(text: str, times: int = 1) -> str:
            return text * times

        with pytest.raises(PayloadTooLarge, match=r"echo: 1,0\d\d bytes is over the limit of 1,000: store the data"):
            echo.enqueue("x" * 1000)
        handle = echo.enqueue("x" * 100, times=20)
        work(app, handle)
        with pytest.raises(TaskFailed, match="the result has 2,0"):
            handle.result()


def test_parameters_may_be_named_as_our_own_are(app):
    @app.task
    def note(id: int, self: int, queue: str, *, task: str, args: int, kwargs: int) -> list[object]:
        return [id, self, queue, task, args, kwargs]

    given = {"id": 1, "self": 2, "queue": "q", "task": "t", "args": 3, "kwargs": 4}
    assert note(**given) == [1, 2, "q", "t", 3, 4]
    handles = [
        note.enqueue(**given),
        note.using(priority=1).enqueue(**given),
        note.call(**given).enqueue(),
        *note.enqueue_many([(given,)]),
        asyncio.run(note.aenqueue(**given)),
        asyncio.run(note.using(priority=1).aenqueue(**given)),
    ]
    work(app, *handles)
    assert [handle.result(timeout=0) for handle in handles] == [note(**given)] * 6
