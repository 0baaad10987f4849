"""`python -m forebay.testing.faults.reap`: nothing but `recover`, as fast as it goes, until killed or told to leave."""

import asyncio
import signal

from forebay.app import Forebay


async def main() -> None:
    """Sweep until SIGTERM."""
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    async with Forebay() as app:
        while not stop.is_set():
            await app.engine.recover()
            await asyncio.sleep(0.002)


if __name__ == "__main__":
    asyncio.run(main())
