"""`python -m forebay.testing.faults.produce SEED FIRST COUNT`: publishes one by one."""

import asyncio
import sys

from forebay.app import Forebay
from forebay.testing.faults.trial import message


async def main(seed: int, first: int, count: int) -> None:
    """Publish `count` messages, each durable before the next one begins."""
    async with Forebay() as app:
        for number in range(first, first + count):
            await app.engine.publish([message(seed, number, "work")])
        await asyncio.Event().wait()  # to be killed with the engine open


if __name__ == "__main__":
    asyncio.run(main(*(int(argument) for argument in sys.argv[1:4])))
