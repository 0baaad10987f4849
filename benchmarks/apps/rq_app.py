"""The bench's tasks on RQ, without results, which its documentation calls the quicker way."""

import os

from redis import Redis
from rq import Queue

from benchmarks import meter

queue = Queue("bench", connection=Redis.from_url(os.environ["BENCH_URL"]))


def noop() -> None:
    meter.mark()


def lag(sent: int) -> None:
    meter.record_since(sent)


TASKS = {"noop": noop, "lag": lag}


def send(task: str, *args: int) -> None:
    queue.enqueue(TASKS[task], *args, result_ttl=0)


def send_many(task: str, count: int, chunk: int) -> None:
    for start in range(0, count, chunk):
        queue.enqueue_many([Queue.prepare_data(TASKS[task], result_ttl=0) for _ in range(min(chunk, count - start))])


def fill(task: str, count: int) -> None:
    send_many(task, count, 1_000)
