"""What runs is interrupted once for each reason, and has time to clean up before another reason interrupts it."""

import time

import msgspec

from forebay.work.run import Job, Stop


class Anything(Job, eq=False):
    """A job that notes why it was interrupted."""

    told: list[Stop] = msgspec.field(default_factory=list)

    def __post_init__(self):
        self.interrupt = self.told.append

    def call(self, expose):
        return expose(lambda: None)


def test_a_reason_interrupts_once_however_often_it_is_heard():
    job = Anything()
    for _ in range(10):
        job.halt(Stop.CANCEL)
    assert job.told == [Stop.CANCEL]


def test_while_it_cleans_up_nothing_else_interrupts_it():
    job = Anything(grace=60)
    job.halt(Stop.CANCEL)
    job.halt(Stop.HAND_BACK)
    assert (job.told, job.stop) == ([Stop.CANCEL], Stop.CANCEL)


def test_one_that_goes_on_after_its_grace_is_interrupted_by_the_next_reason_and_the_first_one_stands():
    job = Anything(grace=0)
    job.halt(Stop.CANCEL)
    time.sleep(0.15)
    job.halt(Stop.TIMEOUT)
    assert (job.told, job.stop) == ([Stop.CANCEL, Stop.TIMEOUT], Stop.CANCEL)


def test_a_cancel_gives_the_clean_up_its_grace_before_the_timeout():
    soon = time.monotonic() + 0.01
    job = Anything(deadline=soon, grace=30)
    job.halt(Stop.CANCEL)
    assert job.deadline > soon + 29


def test_what_has_ended_is_not_interrupted():
    job = Anything()
    job.finished = True
    job.halt(Stop.CANCEL)
    assert job.told == []


def test_a_reason_that_comes_before_it_begins_is_kept():
    job = Anything()
    job.interrupt = None
    job.halt(Stop.TIMEOUT)
    assert job.stop is Stop.TIMEOUT
