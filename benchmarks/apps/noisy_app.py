"""The task of the noisy tenant scenario, in a fair queue; what is to be shown is who waits how long for it.

FOREBAY_URL names the engine, SCENARIO_DONE the file where each run says when it began.
"""

import asyncio
import os
import time

from forebay import Context, Forebay

app = Forebay(os.environ["FOREBAY_URL"])
app.queue("work", fair=True)


async def run(context: Context, seconds: float) -> None:
    """Say when it began, and take so long; the file is written at once."""
    file = os.open(os.environ["SCENARIO_DONE"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(file, f"{context.id} {time.monotonic():.4f}\n".encode())
    os.close(file)
    await asyncio.sleep(seconds)


@app.task(queue="work")
async def serve(context: Context, seconds: float) -> None:
    await run(context, seconds)


@app.task(queue="work")
async def report(context: Context, seconds: float) -> None:
    await run(context, seconds)
