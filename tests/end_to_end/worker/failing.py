"""An app that notes every failure that its hook hears of; its tasks fail in all the ways there are."""

import asyncio
import os
import time

from notes import append

from forebay import Context, Forebay, Message, Retry, Snooze, TimeLimit

app = Forebay()
short = {"timeout": 0.3, "grace": 0.3, "retry": 1}


@app.on_failure
def heard(context: Context, error: BaseException, outcome: object) -> None:
    kind, move = type(error).__name__, getattr(outcome, "move", "?")
    append(
        {
            "event": "heard",
            "id": context.id,
            "attempt": context.attempt,
            "error": kind,
            "move": move,
            "text": str(error),
        }
    )


@app.task(retry=1)
def raises() -> None:
    raise ValueError("no")


@app.task(cpu=True, retry=1)
def raises_apart() -> None:
    raise ValueError("no")


@app.task(retry=2)
def asks_for_more() -> None:
    raise Retry(after=0.05) from ConnectionError("busy")


@app.task(**short)
def hangs() -> None:
    time.sleep(600)


@app.task(**short)
async def hangs_the_loop() -> None:
    time.sleep(600)  # noqa: ASYNC251 - what it is here for


@app.task(cpu=True, **short)
def hangs_apart() -> None:
    while True:
        try:
            time.sleep(600)
        except TimeLimit:
            continue


@app.task(**short)
async def too_slow() -> None:
    await asyncio.sleep(60)


@app.task(**short)
async def too_slow_in_a_group() -> None:
    async with asyncio.TaskGroup() as group:
        group.create_task(asyncio.sleep(60))


@app.task(cpu=True, **short)
def too_slow_apart() -> None:
    time.sleep(60)


@app.task(cpu=True, **short)
async def too_slow_apart_async() -> None:
    await asyncio.sleep(60)


@app.task
def exits() -> None:
    os._exit(3)


@app.task
def waits_the_first_time(context: Context) -> None:
    if context.attempt == 1:
        append({"event": "start", "id": context.id})
        time.sleep(600)


@app.task
def puts_off() -> None:
    raise Snooze(0.05) from ConnectionError("busy")


@app.task(cpu=True)
def exits_apart() -> None:
    os._exit(3)


@app.task
def bad_result() -> int:
    return "no"  # type: ignore[return-value]


@app.task(cpu=True)
def bad_result_apart() -> int:
    return "no"  # type: ignore[return-value]


@app.task
def wants_a_number(number: int) -> int:
    return number


@app.task(at_most_once=True)
def once() -> None:
    raise ValueError("no")


@app.task(cpu=True, at_most_once=True)
def once_apart() -> None:
    raise ValueError("no")


@app.consume("raw", batch=5, retry=1)
def load(messages: list[Message]) -> None:
    raise ValueError(len(messages))


@app.periodic(every=86400, name="daily", retry=1)
def daily() -> None:
    raise ValueError("no")
