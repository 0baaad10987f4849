"""The high-water mark never runs ahead of the file, whoever opens and closes it in between."""

import asyncio

from forebay.config import Settings
from forebay.engine.sqlite import Sqlite
from forebay.engine.sqlite.sharing import Files
from forebay.model.clock import SystemClock
from forebay.model.message import Message


def opened(folder):
    """An engine of its own on the same file; `normal`, so that commits follow one another closely."""
    settings = Settings(url=f"sqlite:///{folder}/queue.db", durability="normal")
    return Sqlite(settings, SystemClock(), among=Files())


async def publish(engine, *numbers):
    for number in numbers:
        await engine.publish([Message(id=f"{number:032x}", queue="q")])


def test_what_one_process_has_not_written_yet_is_not_counted_twice_when_another_opens_the_file(tmp_path):
    async def story():
        first, second, third = (opened(tmp_path) for _ in range(3))
        await first.open()
        await publish(first, 1, 2, 3, 4, 5)  # so closely that the mark is behind
        await second.open()  # counts what is there
        await publish(second, 6, 7)
        await publish(first, 8, 9)
        await first.close()
        await second.close()
        await third.open()  # would refuse a file that has less than its mark says
        found = await third.depth(["q"])
        await third.close()
        return found[0].ready

    assert asyncio.run(story()) == 9
