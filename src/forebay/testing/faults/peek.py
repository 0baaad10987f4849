"""`python -m forebay.testing.faults.peek SORT SEED FIRST COUNT`: publishes, while another thread visits the file.

SORT: "look", "read-only" or "copy" by Python's sqlite3; "apps", a second app on the file that opens and closes.
"""

import asyncio
import sqlite3
import sys
import threading
from contextlib import closing
from pathlib import Path

from forebay.app import Forebay
from forebay.config import Settings
from forebay.engine.registry import build
from forebay.engine.waiting import drive
from forebay.model.clock import SystemClock
from forebay.testing.faults.trial import message

FILE = Path("queue.db")


def visit(sort: str) -> None:
    """One visit."""
    if sort == "apps":
        engine = build(Settings(url=f"sqlite:///{FILE}"), SystemClock())
        drive(engine.open())
        drive(engine.depth())
        drive(engine.close())
        return
    name = f"file:{FILE}?mode=ro" if sort == "read-only" else str(FILE)
    with closing(sqlite3.connect(name, uri=sort == "read-only")) as db:
        db.execute("select count(*) from message").fetchone()
        if sort == "copy":
            with closing(sqlite3.connect(":memory:")) as copy:
                db.backup(copy)


def _visits(sort: str) -> None:
    while True:
        visit(sort)


async def main(sort: str, seed: int, first: int, count: int) -> None:
    """Publish `count` messages, each durable before the next one begins, beside visits without end."""
    async with Forebay() as app:
        threading.Thread(target=_visits, args=(sort,), daemon=True).start()
        for number in range(first, first + count):
            await app.engine.publish([message(seed, number, "work")])
        await asyncio.Event().wait()  # to be killed with the engine open


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], *(int(argument) for argument in sys.argv[2:5])))
