"""The bench's tasks on Celery with a Redis broker and, as Celery ships, no result backend."""

import os

from celery import Celery

from benchmarks import meter

app = Celery("bench", broker=f"redis://127.0.0.1:{os.environ['BENCH_REDIS_PORT']}/0")


@app.task
def noop() -> None:
    meter.mark()


@app.task
def lag(sent: int) -> None:
    meter.record_since(sent)


TASKS = {"noop": noop, "lag": lag}


def send(task: str, *args: int) -> None:
    TASKS[task].delay(*args)


def fill(task: str, count: int) -> None:
    with app.producer_pool.acquire(block=True) as producer:
        for _ in range(count):
            TASKS[task].apply_async(producer=producer)
