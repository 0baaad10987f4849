"""The bench's tasks on huey's Redis storage, which waits for messages by a blocking call. It has no bulk call."""

import os

from huey import RedisHuey

from benchmarks import meter

huey = RedisHuey("bench", url=os.environ["BENCH_URL"], results=False)


@huey.task()
def noop() -> None:
    meter.mark()


@huey.task()
def lag(sent: int) -> None:
    meter.record_since(sent)


TASKS = {"noop": noop, "lag": lag}


def send(task: str, *args: int) -> None:
    TASKS[task](*args)


def fill(task: str, count: int) -> None:
    for _ in range(count):
        send(task)
