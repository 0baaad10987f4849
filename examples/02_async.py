"""Async tasks share one event loop: a hundred that wait take about as long as one.

    forebay worker -A 02_async
    python 02_async.py

Prints:

    100 pages, 27600 bytes in all
"""

import asyncio

from forebay import Forebay

app = Forebay("sqlite:///examples.db")


@app.task(queue="pages", timeout=30)
async def fetch(page: int) -> int:
    await asyncio.sleep(0.1)  # stands for a call over the network
    return len(f"page {page}") * 40


async def main() -> None:
    handles = await fetch.aenqueue_many([(page,) for page in range(100)])
    sizes = await asyncio.gather(*(handle.aresult(timeout=60) for handle in handles))
    print(f"{len(sizes)} pages, {sum(sizes)} bytes in all")


if __name__ == "__main__":
    asyncio.run(main())
