"""Dead letters: a message that failed for good is kept, and redriven once the fault is fixed.

    forebay worker -A 05_dead_letters
    python 05_dead_letters.py

Prints:

    dead: failed 1 of 1 attempts: FileNotFoundError: ... 'examples-prices.txt'
    redriven: 1
    prices of tea: 3.50
"""

import asyncio
from pathlib import Path

from forebay import Choice, Forebay, Query, State, TaskFailed

app = Forebay("sqlite:///examples.db")
PRICES = Path("examples-prices.txt")


@app.task(queue="prices", retry=1)
def look_up(name: str) -> str:
    return f"prices of {name}: {PRICES.read_text()}"


async def redrive() -> int:
    """What `forebay dead redrive -Q prices` does."""
    dead = await app.store.messages(Query(state=State.DEAD, queue="prices"))
    return await app.store.redrive(Choice(ids=[letter.id for letter in dead]))


if __name__ == "__main__":
    PRICES.unlink(missing_ok=True)
    handle = look_up.enqueue("tea")
    try:
        handle.result(timeout=60)
    except TaskFailed:
        letter = handle.find()
        print(f"{letter.state}: {letter.cause}")
    PRICES.write_text("3.50")
    print("redriven:", asyncio.run(redrive()))
    print(handle.result(timeout=60))
    PRICES.unlink()
