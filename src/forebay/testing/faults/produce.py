"""`python -m forebay.testing.faults.produce SEED FIRST COUNT`: publishes one by one."""

import asyncio
import signal
import sys

from forebay.app import Forebay
from forebay.testing.faults.trial import message


async def main(seed: int, first: int, count: int) -> None:
    """Publish `count` messages, each durable before the next one begins; then wait for Ctrl-C, or to be killed."""
    told = asyncio.Event()  # a loop that has just begun to wait hears of Ctrl-C only what is registered with it
    asyncio.get_running_loop().add_signal_handler(signal.SIGINT, told.set)
    async with Forebay() as app:
        for number in range(first, first + count):
            await app.engine.publish([message(seed, number, "work")])
        await told.wait()


if __name__ == "__main__":
    asyncio.run(main(*(int(argument) for argument in sys.argv[1:4])))
