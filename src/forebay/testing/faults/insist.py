"""`python -m forebay.testing.faults.insist SEED FIRST PAUSE`: publishes one by one, and never gives up.

What was refused, or had no answer, is published again under the same id. Told to leave, it ends with 0 once the last
one is accepted.
"""

import asyncio
import itertools
import signal
import sys

from forebay.app import Forebay
from forebay.model.errors import EngineError
from forebay.model.message import Message
from forebay.testing.faults.trial import message


async def main(seed: int, first: int, pause: float) -> None:
    """Publish until SIGTERM, with `pause` seconds after each message."""
    leave = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, leave.set)
    async with Forebay() as app:
        for number in itertools.count(first):
            one = message(seed, number, "work", seconds=0.01)
            while not await _accepted(app, one):
                pass
            if leave.is_set():
                return
            await asyncio.sleep(pause)


async def _accepted(app: Forebay, one: Message) -> bool:
    try:
        await app.engine.publish([one])
    except EngineError:
        await asyncio.sleep(0.05)
        return False
    return True


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])))
