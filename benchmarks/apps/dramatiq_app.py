"""The bench's tasks on Dramatiq's Redis broker. It has no bulk call: a group sends one by one."""

import os

import dramatiq
from dramatiq.brokers.redis import RedisBroker

from benchmarks import meter

broker = RedisBroker(url=os.environ["BENCH_URL"])
dramatiq.set_broker(broker)


@dramatiq.actor
def noop() -> None:
    meter.mark()


@dramatiq.actor
def lag(sent: int) -> None:
    meter.record_since(sent)


TASKS = {"noop": noop, "lag": lag}


def send(task: str, *args: int) -> None:
    TASKS[task].send(*args)


def fill(task: str, count: int) -> None:
    for _ in range(count):
        send(task)
