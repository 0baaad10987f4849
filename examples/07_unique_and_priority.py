"""Deduplicate messages with unique keys; run important ones first.

    python 07_unique_and_priority.py                  first, so that messages wait
    forebay worker -A 07_unique_and_priority -c 1     then

Prints:

    the second is a duplicate: True
    waiting: telegram, letter, letter, catalogue
"""

import asyncio

from forebay import Forebay, Query

app = Forebay("sqlite:///examples.db")


@app.task(queue="post")
def letter(to: str) -> None:
    print("letter to", to)


@app.task(queue="post", priority=10)
def telegram(to: str) -> None:
    print("telegram to", to)


@app.task(queue="post", priority=-1)
def catalogue(to: str) -> None:
    print("catalogue to", to)


async def main() -> None:
    await catalogue.aenqueue("everybody")
    await letter.aenqueue("Ada")
    first = await letter.using(unique="letter:Grace").aenqueue("Grace")
    second = await letter.using(unique="letter:Grace").aenqueue("Grace")
    print("the second is a duplicate:", second.duplicate and second.id == first.id)
    await telegram.aenqueue("Alan")
    waiting = await app.store.messages(Query(queue="post"))
    print("waiting:", ", ".join(found.task for found in sorted(waiting, key=lambda found: -found.priority)))


if __name__ == "__main__":
    asyncio.run(main())
