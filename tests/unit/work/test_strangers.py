"""How long messages wait that nobody knows: they take up little of a worker, and of what a queue gives out."""

import pytest

from forebay.model.delivery import Delivery
from forebay.work import strangers
from forebay.work.strangers import Strangers


def delivery(number):
    return Delivery(
        receipt=number, id=f"{number:032x}", queue="q", task="new", body=b"", fence=1, attempt=1, created=0.0
    )


@pytest.fixture
def last_delay(monkeypatch):
    """The delay of the last of 400, which come so many seconds apart."""

    def of(apart):
        now = [0.0]
        monkeypatch.setattr(strangers.time, "monotonic", lambda: now[0])
        monkeypatch.setattr(strangers.random, "random", lambda: 0.5)
        known, delay = Strangers(3600, lambda: 1000.0), 0.0
        for number in range(400):
            now[0] += apart
            delay = known.fate(delivery(number)).delay
        return delay

    return of


def test_what_comes_in_batches_comes_back_at_the_workers_own_pace(last_delay):
    assert last_delay(0.0) < 5


def test_what_a_queue_gives_out_one_by_one_comes_back_so_late_that_others_have_most_of_its_time(last_delay):
    assert last_delay(0.03) > 0.5 * 400 * 0.03 * 7
