"""The bench's tasks on potatoq, by the URL on Redis or PostgreSQL, without results. It has no bulk call."""

import os

from potatoq import Potatoq

from benchmarks import meter

app = Potatoq("bench", broker=os.environ["BENCH_URL"])
app.conf.update(task_ignore_result=True, worker_max_tasks_per_child=None)


@app.task
def noop() -> None:
    meter.mark()


@app.task
def lag(sent: int) -> None:
    meter.record_since(sent)


TASKS = {"noop": noop, "lag": lag}


def send(task: str, *args: int) -> None:
    TASKS[task].delay(*args)


async def asend(task: str, *args: int) -> None:
    await TASKS[task].adelay(*args)


def fill(task: str, count: int) -> None:
    for _ in range(count):
        send(task)
