"""The tasks of the outage scenario: two call the same provider, one has nothing to do with it; all in one queue.

FOREBAY_URL names the engine, SCENARIO_SERVICE the provider's port, SCENARIO_DONE the file where tasks say that they
are done.
"""

import asyncio
import os
import time

import aiohttp

from benchmarks.scenarios.terms import CONCURRENCY, OPEN_FOR, RAMP, TIMEOUT
from forebay import Breaker, Context, Forebay, Retry

app = Forebay(os.environ["FOREBAY_URL"])
app.provider("outside", concurrency=CONCURRENCY, ramp=RAMP, breaker=Breaker(open_for=OPEN_FOR, max_open=OPEN_FOR))
session: aiohttp.ClientSession


@app.on_start
async def start() -> None:
    global session  # noqa: PLW0603 - one client for each worker process, as clients are meant to be used
    session = aiohttp.ClientSession(
        f"http://127.0.0.1:{os.environ['SCENARIO_SERVICE']}", timeout=aiohttp.ClientTimeout(total=TIMEOUT)
    )


@app.on_stop
async def stop() -> None:
    await session.close()


def done(context: Context) -> None:
    """One line, written at once: who is done, at which attempt, when."""
    line = f"{context.id} {context.attempt} {time.monotonic():.4f}\n"
    file = os.open(os.environ["SCENARIO_DONE"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(file, line.encode())
    os.close(file)


async def ask(context: Context) -> None:
    async with session.get(f"/call/{context.id}", raise_for_status=True) as answer:
        await answer.read()
    done(context)


@app.task(queue="work", provider="outside", retry=Retry(max_attempts=3))
async def charge(context: Context) -> None:
    await ask(context)


@app.task(queue="work", provider="outside", retry=Retry(max_attempts=3))
async def notify(context: Context) -> None:
    await ask(context)


@app.task(queue="work", retry=Retry(max_attempts=3))
async def resize(context: Context) -> None:
    await asyncio.sleep(0.005)
    done(context)
