"""The producing side, in a process of its own: `python -m benchmarks.produce APP ACTION …` prints its figures as JSON.

Rates are taken over a fixed time after a short warm-up (connection, schema), so quick and slow contenders cost alike.
"""

import asyncio
import contextlib
import importlib
import json
import sys
import threading
import time
from collections.abc import Awaitable, Callable
from types import ModuleType
from typing import Any

PRODUCERS = 100
WARM_UP = 20


def prepare(app: ModuleType) -> dict[str, float]:
    """Tables, groups and the like, before the first worker starts."""
    app.prepare()
    return {}


def fill(app: ModuleType, task: str, count: str) -> dict[str, float]:
    if hasattr(app, "fill"):
        app.fill(task, int(count))
    else:
        _on_loop(app, lambda: app.afill(task, int(count)))
    return {}


def one(app: ModuleType, task: str, seconds: str) -> dict[str, float]:
    """One message after the other, from one thread, or from one coroutine where a library has nothing else."""
    if not hasattr(app, "send"):
        return _on_loop(app, lambda: _coroutines(app, task, float(seconds), 1))
    _warm_up(app, task)
    start = time.monotonic()
    return _rate(start, _send_until(app, task, start + float(seconds)))


def threads(app: ModuleType, task: str, seconds: str) -> dict[str, float]:
    """100 threads, each sending one message after the other."""
    if not hasattr(app, "send"):
        return {}
    _warm_up(app, task)
    sent: list[int] = []
    start = time.monotonic()
    until = start + float(seconds)
    crowd = [threading.Thread(target=lambda: sent.append(_send_until(app, task, until))) for _ in range(PRODUCERS)]
    for thread in crowd:
        thread.start()
    for thread in crowd:
        thread.join()
    if len(sent) < PRODUCERS:
        raise RuntimeError(f"{PRODUCERS - len(sent)} of {PRODUCERS} threads failed to send")
    return _rate(start, sum(sent))


def coroutines(app: ModuleType, task: str, seconds: str) -> dict[str, float]:
    """100 coroutines on one loop, each awaiting one message after the other."""
    if not hasattr(app, "asend"):
        return {}
    return _on_loop(app, lambda: _coroutines(app, task, float(seconds), PRODUCERS))


def many(app: ModuleType, task: str, count: str, chunk: str) -> dict[str, float]:
    """The bulk call, in chunks."""
    if hasattr(app, "send_many"):
        _warm_up(app, task)
        start = time.monotonic()
        app.send_many(task, int(count), int(chunk))
        return _rate(start, int(count))
    if hasattr(app, "asend_many"):
        return _on_loop(app, lambda: _many(app, task, int(count), int(chunk)))
    return {}


def paced(app: ModuleType, task: str, count: str, rate: str) -> dict[str, float]:
    """Send at a fixed rate, each message carrying the clock, after a second of warm-up messages that carry 0.

    Says how far the producer itself fell behind.
    """
    if not hasattr(app, "send"):
        return _on_loop(app, lambda: _paced(app, task, int(count), float(rate)))
    warm_up = int(rate)
    start, late = time.monotonic(), 0.0
    for number in range(warm_up + int(count)):
        wait = start + number / float(rate) - time.monotonic()
        if wait > 0:
            time.sleep(wait)
        measured = number >= warm_up
        late = max(late, -wait) if measured else 0.0
        app.send(task, time.monotonic_ns() if measured else 0)
    return {"late_ms": late * 1000}


def _warm_up(app: ModuleType, task: str) -> None:
    for _ in range(WARM_UP):
        app.send(task)


def _send_until(app: ModuleType, task: str, until: float) -> int:
    sent = 0
    while time.monotonic() < until:
        app.send(task)
        sent += 1
    return sent


def _on_loop(app: ModuleType, run: Callable[[], Awaitable[Any]]) -> Any:
    """On a loop of the kind that a library runs its workers on, with its app open where it has to be."""

    async def opened() -> Any:
        async with getattr(app, "opened", contextlib.nullcontext)():
            return await run()

    if not hasattr(app, "UVLOOP"):
        return asyncio.run(opened())
    import uvloop

    return uvloop.run(opened())


async def _coroutines(app: ModuleType, task: str, seconds: float, producers: int) -> dict[str, float]:
    async def producer() -> int:
        sent = 0
        while time.monotonic() < until:
            await app.asend(task)
            sent += 1
        return sent

    for _ in range(WARM_UP):
        await app.asend(task)
    start = time.monotonic()
    until = start + seconds
    return _rate(start, sum(await asyncio.gather(*(producer() for _ in range(producers)))))


async def _many(app: ModuleType, task: str, count: int, chunk: int) -> dict[str, float]:
    for _ in range(WARM_UP):
        await app.asend(task)
    start = time.monotonic()
    await app.asend_many(task, count, chunk)
    return _rate(start, count)


async def _paced(app: ModuleType, task: str, count: int, rate: float) -> dict[str, float]:
    start, late, warm_up = time.monotonic(), 0.0, int(rate)
    for number in range(warm_up + count):
        wait = start + number / rate - time.monotonic()
        if wait > 0:
            await asyncio.sleep(wait)
        measured = number >= warm_up
        late = max(late, -wait) if measured else 0.0
        await app.asend(task, time.monotonic_ns() if measured else 0)
    return {"late_ms": late * 1000}


def _rate(start: float, sent: int) -> dict[str, float]:
    return {"per_second": sent / (time.monotonic() - start)}


ACTIONS = {action.__name__: action for action in (prepare, fill, one, threads, coroutines, many, paced)}


def main() -> None:
    app, action, *arguments = sys.argv[1:]
    print(json.dumps(ACTIONS[action](importlib.import_module(f"benchmarks.apps.{app}"), *arguments)))


if __name__ == "__main__":
    main()
