"""The chain of the slow last stage: four bounded queues, each task puts one message into the next queue.

FOREBAY_URL names the engine, SCENARIO_DONE a file beside which one named "slow" makes the last stage slow.
"""

import os
import time
from pathlib import Path

from benchmarks.scenarios.terms import BOUND, QUICK, SLOW
from forebay import Forebay

app = Forebay(os.environ["FOREBAY_URL"])
for name in ("upload", "resize", "store", "index"):
    app.queue(name, limit=BOUND)
slow = Path(os.environ["SCENARIO_DONE"]).with_name("slow")


@app.task(queue="index")
def index(number: int) -> None:
    time.sleep(SLOW if slow.exists() else QUICK)


@app.task(queue="store")
async def store(number: int) -> None:
    await index.aenqueue(number)


@app.task(queue="resize")
async def resize(number: int) -> None:
    await store.aenqueue(number)


@app.task(queue="upload")
async def upload(number: int) -> None:
    await resize.aenqueue(number)
