"""Testing an app, 2: `enqueued` lists what waits, `assert_enqueued` finds one of them or says what there is instead."""

import datetime as dt
from dataclasses import dataclass

import pydantic
import pytest

from forebay import ConfigError, Context, Forebay
from forebay.testing import ManualClock, assert_enqueued, drain, enqueued


@dataclass
class Address:
    name: str
    host: str


class Money(pydantic.BaseModel):
    amount: int
    currency: str = "EUR"


@pytest.fixture
def app():
    return Forebay("memory://", clock=ManualClock())


@pytest.fixture
def send_mail(app):
    @app.task(queue="mail")
    def send_mail(ctx: Context, to: Address, subject: str = "hello", *, bcc: tuple[str, ...] = ()) -> None: ...

    return send_mail


ADA = Address("ada", "example.org")


def test_enqueued_lists_messages_with_their_arguments_oldest_first(app, send_mail):
    send_mail.enqueue(ADA)
    send_mail.using(delay=60, priority=3, key="t-7", unique="once", headers={"trace": "1"}).enqueue(ADA, "later")
    app.publish("clicks", {"page": "/"})
    first, second, third = enqueued(app)
    assert first.value == {"to": {"name": "ada", "host": "example.org"}, "subject": "hello", "bcc": []}
    assert (first.task, first.queue, first.due) == ("send_mail", "mail", None)
    assert second.due == app.clock.now() + 60
    assert (second.priority, second.key, second.unique, second.headers) == (3, "t-7", "once", {"trace": "1"})
    assert (third.task, third.queue, third.value) == ("", "clicks", {"page": "/"})
    assert enqueued(app, send_mail) == [first, second]
    assert enqueued(app, "clicks") == [third]


def test_what_runs_or_has_ended_does_not_wait_any_more(app):
    @app.task
    def look() -> int:
        return len(enqueued(app))

    look.enqueue()
    assert len(enqueued(app)) == 1
    assert [one.value for one in drain(app)] == [0]
    assert enqueued(app) == []


def test_assert_enqueued_compares_only_the_arguments_that_are_named(app, send_mail):
    send_mail.enqueue(ADA, "welcome", bcc=("b@example.org",))
    for args, kwargs in [
        ((), {}),
        ((ADA,), {}),
        ((ADA, "welcome"), {}),
        ((), {"subject": "welcome"}),
        ((ADA,), {"bcc": ("b@example.org",)}),
        ((), {"to": {"name": "ada", "host": "example.org"}}),
    ]:
        assert assert_enqueued(app, send_mail, *args, **kwargs).queue == "mail"


def test_it_says_what_waits_instead(app, send_mail):
    send_mail.enqueue(ADA, "welcome")
    with pytest.raises(AssertionError) as caught:
        assert_enqueued(app, send_mail, subject="goodbye")
    assert str(caught.value) == (
        "not enqueued: send_mail(subject='goodbye'). There waits\n"
        "  send_mail(to={'name': 'ada', 'host': 'example.org'}, subject='welcome', bcc=[]) on mail"
    )
    drain(app)
    with pytest.raises(AssertionError, match="There waits nothing of it"):
        assert_enqueued(app, send_mail)


def test_an_argument_that_the_task_does_not_have_is_a_mistake_of_the_test(app, send_mail):
    with pytest.raises(ConfigError, match="unexpected keyword argument 'sub'; it takes"):
        assert_enqueued(app, send_mail, sub="typo")
    with pytest.raises(ConfigError, match="one value"):
        assert_enqueued(app, "clicks", 1, 2)


def test_values_are_compared_as_they_travel(app):
    @app.task
    def pay(price: Money, on: dt.date, share: float, tags: set[str]) -> None: ...

    pay.enqueue(Money(amount=5), dt.date(2027, 1, 1), 1, {"a"})
    assert_enqueued(app, pay, Money(amount=5), dt.date(2027, 1, 1), 1.0, {"a"})
    with pytest.raises(AssertionError):
        assert_enqueued(app, pay, Money(amount=5, currency="USD"))
    with pytest.raises(AssertionError):
        assert_enqueued(app, pay, on="2027-01-02")


def test_raw_messages_are_found_by_queue_and_value(app):
    app.publish("clicks", {"page": "/"})
    app.publish("clicks", {"page": "/home"}, key="visitor-9")
    assert assert_enqueued(app, "clicks", {"page": "/home"}).key == "visitor-9"
    with pytest.raises(AssertionError, match=r"not enqueued: {'page': '/away'} on queue clicks"):
        assert_enqueued(app, "clicks", {"page": "/away"})


def test_sealed_messages_are_seen_through_the_keys_of_the_app():
    app = Forebay("memory://", encryption_keys=["k:" + "ab" * 32])

    @app.task
    def whisper(word: str) -> None: ...

    whisper.enqueue("psst")
    assert_enqueued(app, whisper, "psst")
