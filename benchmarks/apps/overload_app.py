"""The task of the overload scenario: a queue that takes in what can be done in time, and keeps room for the urgent.

FOREBAY_URL names the engine, SCENARIO_DONE the file where each run says when it ended.
"""

import asyncio
import os
import time

from benchmarks.scenarios.overload import EXPIRES, LIMIT, RESERVE, SERVICE
from forebay import Context, Forebay

app = Forebay(os.environ["FOREBAY_URL"])
app.queue("work", limit=LIMIT, reserve=RESERVE)


@app.task(queue="work", expires=EXPIRES)
async def serve(context: Context) -> None:
    await asyncio.sleep(SERVICE)
    file = os.open(os.environ["SCENARIO_DONE"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(file, f"{context.id} {time.monotonic():.4f}\n".encode())
    os.close(file)
