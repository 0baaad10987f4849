"""Options of a queue: rates as people write them, and one clear error for everything else."""

import math

import pytest

from forebay import ConfigError, Forebay
from forebay.produce.bounds import per_second


@pytest.mark.parametrize(
    ("written", "rate"),
    [
        ("50/s", 50),
        ("100/m", 100 / 60),
        ("1000/h", 1000 / 3600),
        ("5/d", 5 / 86400),
        ("1_000 / min", 1000 / 60),
        (2.5, 2.5),
    ],
)
def test_a_rate_is_written_as_messages_per_time(written, rate):
    assert per_second(written, "rate") == pytest.approx(rate)


@pytest.mark.parametrize(
    "rate", ["", "fast", "50", "50/w", "-1/s", "0/s", 0, -1, True, math.nan, math.inf, 1e7, 1e-9, 1e-300, [], b"5/s"]
)
def test_anything_else_is_one_clear_error(rate):
    with pytest.raises(ConfigError, match=r"queue mail: rate .* is not a rate: write messages per time, such as"):
        Forebay("memory://").queue("mail", rate=rate)


@pytest.mark.parametrize(
    ("ways", "said"),
    [
        ({"concurrency": 0}, "concurrency is how many may run at a time: a whole number from 1, not 0"),
        ({"key_concurrency": 1.5}, "key_concurrency is how many may run at a time"),
        ({"rate": 5, "burst": 0}, "burst is how many may start at once: a number from 1, not 0"),
        ({"burst": 5}, "burst is how many may start at once within a rate"),
        ({"key_burst": 5}, "key_burst goes with a rate of each key"),
        ({"ordered": 1}, "ordered must be True or False"),
        ({"ordered": True, "key_concurrency": 2}, "ordered runs one message of a key at a time"),
        ({"fair": "yes"}, "fair must be True or False"),
        ({"weights": {"a": 2}}, "weights say how keys share the workers: give it fair=True as well"),
        ({"fair": True, "weights": ["a"]}, "weights is a dict from keys to numbers"),
        ({"fair": True, "weights": {"": 2}}, "weights go by key, a str of 1 to 512 characters"),
        ({"fair": True, "weights": {7: 2}}, "weights go by key"),
        ({"fair": True, "weights": {"a": 0}}, "the weight of 'a' is a number from 0.001 to 1000, not 0"),
        ({"fair": True, "weights": {"a": math.nan}}, "the weight of 'a' is a number"),
        ({"fair": True, "weights": {"a": True}}, "the weight of 'a' is a number"),
        ({"limit": 0}, "limit is how many messages may wait: a whole number from 1 to 2,147,483,647, not 0"),
        ({"limit": "many"}, "limit is how many messages may wait"),
        ({"limit": True}, "limit is how many messages may wait"),
        ({"limit": 5, "on_full": "drop"}, "on_full must be 'reject'"),
        ({"limit_age": 0}, "limit_age must be more than 0"),
        ({"limit_age": 60, "limit": 5, "on_full": "shed_oldest"}, "shed_oldest keeps a number of messages"),
        ({"limit_bytes": 0}, "limit_bytes is bytes that the bodies of what waits may have: a whole number from 1 to"),
        ({"limit_bytes": "64MB"}, "limit_bytes is bytes that the bodies of what waits may have"),
        ({"limit_bytes": 2**53}, "a whole number from 1 to 9,007,199,254,740,991"),
        (
            {"on_full": "reject"},
            "on_full says what happens at a limit, and there is none: give it limit=, limit_bytes= or limit_age=",
        ),
        ({"mark": 0}, "mark is how many wait until whoever feeds it is held: a whole number from 1"),
        ({"mark": 1.5}, "mark is how many wait"),
        ({"mark_age": 0}, "mark_age must be more than 0"),
        ({"mark_age": "soon"}, "mark_age 'soon' is not a duration"),
        (
            {"mark": 11, "limit": 10},
            "mark is where those who feed it are held, and from limit= on they are held anyway",
        ),
        ({"mark_age": 61, "limit_age": 60}, "from limit_age= on they are held anyway"),
        ({"lifo": 1}, "lifo must be True or False"),
        ({"lifo": True, "ordered": True}, "ordered runs the messages of a key as they were accepted"),
        (
            {"limit": 10, "reserve": 0},
            "reserve is the share of the limit that is kept for messages of a priority above 0",
        ),
        ({"limit": 10, "reserve": 1}, "a number between 0 and 1, such as 0.2, not 1"),
        ({"limit": 10, "reserve": math.nan}, "a number between 0 and 1"),
        ({"limit": 10, "reserve": True}, "a number between 0 and 1"),
        ({"limit": 10, "reserve": "20%"}, "a number between 0 and 1"),
        ({"reserve": 0.2}, "reserve is a share of a limit, and there is none: give it limit="),
        ({"limit_age": 5, "reserve": 0.2}, "and there is none: give it limit="),
        ({"limit": 1, "reserve": 0.2}, "limit=1 cannot be shared: raise it"),
        ({"limit": 5, "on_full": "shed_oldest", "reserve": 0.2}, "shed_oldest refuses nobody"),
        ({"limit": 5, "on_full": "spill", "reserve": 0.2}, "spill refuses nobody"),
        ({"speed": 1}, "unknown option speed: known are name, ttl, rate"),
    ],
)
def test_what_makes_no_sense_is_refused_at_once(ways, said):
    with pytest.raises(ConfigError, match=said):
        Forebay("memory://").queue("mail", **ways)


def test_weights_are_kept_in_one_order_whoever_writes_them():
    one, other = ({"b": 2, "a": 0.5}, {"a": 0.5, "b": 2.0})
    specs = [Forebay("memory://").queue("mail", fair=True, weights=weights) for weights in (one, other)]
    assert specs[0] == specs[1]
    assert specs[0].weights == (("a", 0.5), ("b", 2.0))


def test_what_is_declared_is_obeyed_by_whoever_leases(tmp_path):
    url = f"sqlite:///{tmp_path}/q.db"
    one, other = Forebay(url), Forebay(url)
    one.queue("mail", concurrency=2)

    @other.task(queue="mail")
    def send() -> None: ...

    with one, other:
        send.enqueue()
        (meter,) = [meter for meter in _meters(other) if meter.name == "queue:mail"]
        assert meter.slots == 2


def _meters(app):
    from forebay.engine.waiting import drive

    return drive(app.store.meters())
